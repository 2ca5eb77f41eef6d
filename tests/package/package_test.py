#!/usr/bin/env python3
"""Installs a build tree into a temporary folder, builds the C++ example against it as a user would,
and measures the example's system with it.

Usage: package_test.py CMAKE GENERATOR BUILD_FOLDER EXAMPLE_FOLDER
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path


def run(*command, cwd=None, statuses=(0,)):
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True)
    if done.returncode not in statuses:
        sys.exit(f"{' '.join(map(str, command))}: exit code {done.returncode}, not of {statuses}\n"
                 f"{done.stdout}{done.stderr}")
    return done


def main():
    cmake, generator, build, example = sys.argv[1:5]
    with tempfile.TemporaryDirectory(prefix="crucible-package-") as folder:
        prefix = Path(folder) / "installed"
        own = Path(folder) / "build"
        run(cmake, "--install", build, "--prefix", prefix)
        run(cmake, "-G", generator, "-S", example, "-B", own, f"-DCMAKE_PREFIX_PATH={prefix}")
        run(cmake, "--build", own)
        result = Path(folder) / "result"
        program = own / "queue"
        # A busy machine may make the load late, and the trial invalid (3): what was counted stands.
        run(program, "run", "mine:", "--rate", "2000", "--duration", "300ms", "--warmup", "100ms",
            "--clients", "2", "--out", result, cwd=folder, statuses=(0, 3))
        scenario = json.loads((result / "result.json").read_text())["scenarios"][0]
        delivery = scenario["delivery"]
        assert delivery["handled"] == delivery["sent"] > 600, delivery
        unknown = run(program, "run", "min:", statuses=(2,))
        assert "did you mean 'mine'?" in unknown.stderr, unknown.stderr
        version = run(prefix / "bin" / "crucible", "--version")
        assert version.stdout.startswith("crucible "), version.stdout


if __name__ == "__main__":
    main()
