#!/usr/bin/env python3
"""Installs a build tree into a temporary folder, builds the C++ examples against it as a user
would, measures the one's system with it, and runs the other as a service of the installed daemon,
which is killed on the way. And with the installed allocation tracker: a program that links it, one
that it is preloaded into, and a profile.

Usage: package_test.py CMAKE GENERATOR BUILD_FOLDER EXAMPLES_FOLDER [--sanitized]

With --sanitized the installed programs have a sanitizer's malloc, and there is no profile.
"""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def run(*command, cwd=None, statuses=(0,), environment=None):
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True,
                          env={**os.environ, **(environment or {})})
    if done.returncode not in statuses:
        sys.exit(f"{' '.join(map(str, command))}: exit code {done.returncode}, not of {statuses}\n"
                 f"{done.stdout}{done.stderr}")
    return done


def wait_until(condition, what):
    end = time.monotonic() + 30
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"after 30 s still not: {what}")
        time.sleep(0.01)


def check_ledger(folder, program, crucibled):
    """Every invoice is in the ledger once, though the service is killed while it works."""
    socket, ledger, config = folder / "d.sock", folder / "ledger.txt", folder / "crucibled.toml"
    config.write_text('[services]\nexternal = "ledger=custom"\n')
    daemon = subprocess.Popen([crucibled, "--config", config, "--work", "none", "--socket", socket,
                               "--data", folder / "data"], stderr=subprocess.PIPE)
    wait_until(socket.exists, "the daemon listens")
    count = 20000
    submit = subprocess.Popen([program, "submit", socket, str(count)], stdout=subprocess.PIPE)
    size = 0
    for _ in range(3):
        service = subprocess.Popen([program, "serve", socket, ledger])
        wait_until(lambda: ledger.exists() and ledger.stat().st_size > size + 50000,
                   "the ledger grows")
        service.kill()
        service.wait()
        size = ledger.stat().st_size
    service = subprocess.Popen([program, "serve", socket, ledger])
    printed, _ = submit.communicate(timeout=60)
    assert printed == f"{count} of {count} in the ledger\n".encode(), printed
    service.send_signal(signal.SIGTERM)
    assert service.wait(30) == 0
    daemon.send_signal(signal.SIGTERM)
    _, log = daemon.communicate(timeout=30)
    assert daemon.returncode == 0, log
    numbers = [int(number) for number in re.findall(r'"invoice":(\d+)', ledger.read_text())]
    assert sorted(numbers) == list(range(count)), len(numbers)


def check_counts(folder, built, library):
    """The program counts what it allocates, and leaves its counts where it is told to."""
    counted = {"counted": "tracked 1001 108000\n"}
    assert run(built / "counted").stdout == counted["counted"]
    assert run(built / "plain").stdout == "untracked 0 0\n"
    for name, preload in (("counted", ""), ("plain", str(library))):
        directory = folder / f"regions-{name}"
        directory.mkdir()
        done = run(built / name, environment={"CRUCIBLE_ALLOC_DIRECTORY": str(directory),
                                              "LD_PRELOAD": preload})
        assert done.stdout == counted["counted"], (name, done.stdout, done.stderr)
        (region,) = directory.iterdir()
        assert b"parser" in region.read_bytes()[4096:20480], region


def check_profile(folder, crucible, library):
    """The installed program finds the installed tracker, and no other."""
    profile = ("profile", "synthetic:?leak=64B", "--clients", "1", "--ladder", "none",
               "--rounds", "2", "--rate", "1000", "--duration", "100ms", "--warmup", "0s",
               "--quiet", "--out")
    run(crucible, *profile, folder / "profile")
    (target,) = json.loads((folder / "profile" / "result.json").read_text())["targets"]
    assert target["missing"] == [], target["missing"]
    (count,) = [metric["value"] for metric in target["metrics"]
                if metric["name"] == "allocated_bytes_per_event"]
    assert count >= 64, count
    away = library.with_suffix(".away")
    library.rename(away)
    refused = run(crucible, *profile, folder / "none", statuses=(2, 3, 5))
    away.rename(library)
    assert f"the allocation tracker {library.name} is not in {library.parent.parent}" \
        in refused.stderr.replace("/bin/..", ""), refused.stderr


def main():
    cmake, generator, build, examples = sys.argv[1:5]
    with tempfile.TemporaryDirectory(prefix="crucible-package-") as folder:
        prefix = Path(folder) / "installed"
        run(cmake, "--install", build, "--prefix", prefix)
        own = {}
        sources = {"cpp": Path(examples) / "cpp", "service": Path(examples) / "service",
                   "alloc": Path(__file__).parent / "alloc"}
        for name, source in sources.items():
            own[name] = Path(folder) / name
            run(cmake, "-G", generator, "-S", source, "-B", own[name],
                f"-DCMAKE_PREFIX_PATH={prefix}")
            run(cmake, "--build", own[name])
        (library,) = prefix.glob("lib/**/libcrucible_alloc.so")
        check_counts(Path(folder), own["alloc"], library)
        if "--sanitized" not in sys.argv:
            check_profile(Path(folder), prefix / "bin" / "crucible", library)
        check_ledger(Path(folder), own["service"] / "ledger", prefix / "bin" / "crucibled")
        result = Path(folder) / "result"
        program = own["cpp"] / "queue"
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
