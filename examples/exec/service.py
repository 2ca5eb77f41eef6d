#!/usr/bin/env python3
"""A system behind `exec:`, in Python: takes events from standard input, stores each in a file of its
own category, and acknowledges it once it is there.

    crucible run 'exec:python3 examples/exec/service.py' --rate 500
"""
import json
import sys
import tempfile
from pathlib import Path


def main():
    with tempfile.TemporaryDirectory(prefix="exec-service-") as folder:
        files = {}
        for line in sys.stdin:
            message = json.loads(line)
            event = message["event"]
            category = event.get("category", "custom")
            if category not in files:
                files[category] = open(Path(folder) / category, "w", encoding="utf-8")
            json.dump(event.get("data"), files[category])
            files[category].write("\n")
            files[category].flush()
            # One line for each event; flushed, as the other side waits for it.
            print(json.dumps({"token": message["token"], "outcome": "handled"}), flush=True)
        for file in files.values():
            file.close()


if __name__ == "__main__":
    main()
