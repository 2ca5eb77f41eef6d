#!/usr/bin/env python3
"""Runs the shell scripts as their users do.

Where a script would change the machine it runs in a copy of its folder, and finds on its PATH only
the programs that the test puts there: apt-get, sudo, cmake and such are stand-ins that note how
they were called.
"""
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COREUTILS = ("bash", "basename", "cat", "cut", "date", "dirname", "du", "find", "grep", "mkdir",
             "realpath", "rm", "sed", "sort", "tail")


class Scripts(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name) / "project"
        self.bin = Path(folder.name) / "bin"
        self.calls_file = Path(folder.name) / "calls"
        self.bin.mkdir()
        self.policy = Path(folder.name) / "policy-rc.d"
        self.policy.write_text("of the machine's owner")
        for name in COREUTILS:
            (self.bin / name).symlink_to(shutil.which(name))
        for script in ("run_tests.sh", "scripts/install_dependencies.sh",
                       "benches/run_performance_tests.sh", "fuzz/run.sh"):
            (self.root / script).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / script, self.root / script)
        self.put("scripts/debian-packages.txt", "# comment\ncmake\n\ng++  # why\n")

    def put(self, path, text=""):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def program(self, name, script="", folder=None):
        """A stand-in: notes its call, then does what `script` says."""
        path = (folder or self.bin) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(f'#!{shutil.which("bash")}\n'
                        f'echo "{name} $*" >>"{self.calls_file}"\n{script}\n')
        path.chmod(0o755)

    def packages(self, *installed):
        """dpkg-query as it answers for those packages that it knows."""
        cases = "".join(f"{name}) printf '%s:installed ' '{name}' ;;" for name in installed)
        self.program("dpkg-query", f'for name in "$@"; do case $name in {cases}\n'
                                   "rc-only) printf 'rc-only:config-files ' ;; esac; done; exit 1")

    def user(self, number):
        self.program("id", f"echo {number}")

    def calls(self):
        lines = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        return [line for line in lines if not line.startswith(("dpkg-query", "id "))]

    def run_script(self, script, *arguments):
        return subprocess.run([self.root / script, *arguments],
                              env={"PATH": str(self.bin), "POLICY_RC_D": str(self.policy)},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=50)

    def expect_refusal(self, result, message):
        self.assertEqual((result.returncode, result.stdout), (2, ""), result.stderr)
        self.assertEqual(result.stderr, message + "\n")


class Install(Scripts):
    script = "scripts/install_dependencies.sh"

    # The normal case of every build: no apt, no network, no question.
    def test_does_nothing_when_all_is_there(self):
        self.packages("cmake", "g++")
        self.program("apt-get")
        result = self.run_script(self.script)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
        self.assertEqual(self.calls(), [])

    def test_installs_only_what_is_missing_after_an_update(self):
        self.packages("cmake")
        self.user(0)
        self.program("apt-get")
        self.program("env", 'shift; exec "$@"')
        result = self.run_script(self.script)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.calls(), [
            "apt-get update --quiet",
            "env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet "
            "--no-install-recommends g++",
            "apt-get install --yes --quiet --no-install-recommends g++"])

    # Removed but not purged is not installed.
    def test_installs_what_has_left_only_its_configuration(self):
        self.packages("cmake")
        self.user(0)
        self.program("apt-get")
        self.program("env", 'shift; exec "$@"')
        self.run_script(self.script, "cmake", "rc-only")
        self.assertEqual(self.calls()[-1],
                         "apt-get install --yes --quiet --no-install-recommends rc-only")

    def test_uses_sudo_where_it_is_not_root(self):
        self.packages()
        self.user(1000)
        self.program("apt-get")
        self.program("env", 'shift; exec "$@"')
        self.program("true")
        self.program("sudo", 'shift; exec "$@"')
        result = self.run_script(self.script)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("sudo --non-interactive apt-get update --quiet", self.calls())
        self.assertEqual(self.calls()[-1],
                         "apt-get install --yes --quiet --no-install-recommends cmake g++")

    # One line, and in it the command that an administrator can paste.
    def test_refuses_where_neither_root_nor_sudo_is_there(self):
        self.packages("cmake")
        self.user(1000)
        self.program("apt-get")
        refusal = ("install_dependencies.sh: neither root nor sudo; to be run as root: "
                   "apt-get install g++")
        self.expect_refusal(self.run_script(self.script), refusal)
        self.program("sudo", "exit 1")  # there, but not for this user
        self.expect_refusal(self.run_script(self.script), refusal)
        self.assertEqual(self.calls(), ["sudo --non-interactive true"])

    def test_refuses_other_systems(self):
        self.expect_refusal(self.run_script(self.script),
                            "install_dependencies.sh: this needs Debian 12; to be installed: "
                            "cmake g++")
        self.packages()
        self.expect_refusal(self.run_script(self.script),
                            "install_dependencies.sh: no apt-get here to install: cmake g++")

    # nginx is for the tests; on port 80 of the user's machine it has no business. What the
    # machine's owner has decided stays.
    def test_starts_no_service_that_it_installs(self):
        self.packages()
        self.user(0)
        for name in ("tee", "chmod"):
            (self.bin / name).symlink_to(shutil.which(name))
        self.program("apt-get", f'read -r line < "{self.policy}" || true; read -r answer < '
                                f'<(tail -n 1 "{self.policy}"); echo "policy $answer" '
                                f'>>"{self.calls_file}"')
        self.program("env", 'shift; exec "$@"')
        self.run_script(self.script)
        self.assertIn("policy of the machine's owner", self.calls())
        self.assertTrue(self.policy.exists())
        self.policy.unlink()
        self.calls_file.unlink()
        self.assertEqual(self.run_script(self.script).returncode, 0)
        self.assertIn("policy exit 101", self.calls())
        self.assertFalse(self.policy.exists())

    def test_passes_a_failed_installation_on(self):
        self.packages()
        self.user(0)
        self.program("apt-get", "exit 100")
        self.assertEqual(self.run_script(self.script).returncode, 100)


class RunTests(Scripts):
    script = "run_tests.sh"

    def setUp(self):
        super().setUp()
        self.packages("cmake", "g++")
        self.program("cmake")
        self.program("ctest", "exit 8")

    def test_builds_and_ends_as_ctest_does(self):
        result = self.run_script(self.script, "-R", "^lab")
        self.assertEqual(result.returncode, 8, result.stderr)
        self.assertEqual(self.calls(), ["cmake --preset dev", "cmake --build --preset dev",
                                        "ctest --preset dev --parallel 2 -R ^lab"])

    def test_takes_a_preset(self):
        for arguments in (("--preset", "asan"), ("--preset=asan",)):
            self.run_script(self.script, *arguments)
            self.assertEqual(self.calls()[-1], "ctest --preset asan --parallel 2")

    def test_runs_thread_sanitizer_without_address_randomisation(self):
        self.program("setarch", 'shift; exec "$@"')
        self.program("true")
        self.assertEqual(self.run_script(self.script, "--preset", "tsan").returncode, 8)
        self.assertIn("setarch --addr-no-randomize cmake --build --preset tsan", self.calls())
        self.assertEqual(self.calls()[-1], "ctest --preset tsan --parallel 2")

    def test_does_not_test_what_was_not_built(self):
        self.program("cmake", '[ "$1" != --build ] || exit 3')
        self.assertEqual(self.run_script(self.script).returncode, 3)
        self.assertNotIn("ctest", " ".join(self.calls()))

    def test_helps(self):
        result = self.run_script(self.script, "--help")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertTrue(result.stdout.startswith("Usage: ./run_tests.sh"))
        self.assertEqual(self.calls(), [])

    def test_refuses_what_it_does_not_know(self):
        self.expect_refusal(self.run_script(self.script, "--preset", "debug"),
                            "run_tests.sh: unknown preset 'debug': dev, release, asan or tsan")
        self.expect_refusal(self.run_script(self.script, "--preset"),
                            "run_tests.sh: --preset needs one of dev, release, asan, tsan")
        self.expect_refusal(self.run_script(self.script, "asan"),
                            "run_tests.sh: unexpected 'asan'; see ./run_tests.sh --help")
        self.assertEqual(self.calls(), [])


class RunFuzzers(Scripts):
    script = "fuzz/run.sh"

    def setUp(self):
        super().setUp()
        self.packages("cmake", "g++", "clang-19", "libclang-rt-19-dev")
        self.program("cmake")
        self.put("fuzz/a/good_fuzzer.cpp")
        self.put("fuzz/a/bad_fuzzer.cpp")
        self.put("fuzz/a/good.dict")
        self.put("fuzz/corpus/a/good/seed")
        self.built = self.root / "build/fuzz/bin"
        said = ("echo '#7 DONE   cov: 12 ft: 3 corp: 4/5b lim: 6 exec/s: 7 rss: 8Mb' >&2\n"
                "echo 'stat::number_of_executed_units: 70' >&2")
        self.program("fuzz_a_good", said, folder=self.built)
        self.program("fuzz_a_bad", '[ "$1" != --write-seeds ] || exit 0\n' + said +
                     "\necho 'x.cpp:1: assertion failed: false' >&2; exit 77", folder=self.built)

    def test_builds_and_runs_what_is_named(self):
        result = self.run_script(self.script, "5", "a/good")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("         70 executions,    12 edges covered,     4 inputs", result.stdout)
        build = self.root / "build/fuzz"
        self.assertEqual(self.calls(), [
            "cmake --preset fuzz", "cmake --build --preset fuzz",
            f"fuzz_a_good --write-seeds {build}/corpus/a/good",
            "fuzz_a_good -max_total_time=5 -timeout=10 -rss_limit_mb=2048 -max_len=8192 "
            f"-print_final_stats=1 -artifact_prefix={build}/found/a_good- {build}/corpus/a/good "
            "-dict=fuzz/a/good.dict fuzz/corpus/a/good"])

    # What one finds neither hides what the others do, nor passes.
    def test_fails_when_one_finds_something(self):
        result = self.run_script(self.script)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("a/good ", result.stdout)
        self.assertIn("    x.cpp:1: assertion failed: false\n", result.stdout)

    def test_refuses_what_it_does_not_know(self):
        self.expect_refusal(self.run_script(self.script, "soon"),
                            "fuzz/run.sh: 'soon' must be a whole number of seconds")
        self.expect_refusal(self.run_script(self.script, "5", "a/none"),
                            "fuzz/run.sh: no fuzz/a/none_fuzzer.cpp")
        self.assertEqual(self.calls(), [])


class RunPerformanceTests(Scripts):
    script = "benches/run_performance_tests.sh"

    def setUp(self):
        super().setUp()
        self.packages("cmake", "g++")
        self.program("cmake")
        self.put("benches/basic/main.cpp")
        self.put("benches/compare/main.cpp")
        self.built = self.root / "build/release/bin"
        self.program("bench_basic", folder=self.built)
        self.program("bench_compare", folder=self.built)
        self.program("crucible", folder=self.built)

    def test_quick_builds_what_it_needs_and_measures(self):
        result = self.run_script(self.script, "quick", "--rounds", "6")
        self.assertEqual(result.returncode, 0, result.stderr)
        out = next((self.root / "benchmark_results").iterdir())
        self.assertRegex(out.name, r"^\d{8}T\d{6}Z-quick$")
        out = f"benchmark_results/{out.name}"
        self.assertEqual(self.calls(), [
            "cmake --preset release",
            "cmake --build --preset release --target crucible crucibled bench_basic bench_compare",
            f"bench_basic --smoke --json {out}/basic.json",
            f"bench_compare --smoke --json {out}/compare.json",
            f"crucible compare coordinator: daemon: --out {out} --rounds 6"])

    def test_full_runs_every_scenario_at_full_length(self):
        self.packages("cmake", "g++", "mosquitto", "dbus-broker", "libzmq3-dev", "heaptrack")
        self.assertEqual(self.run_script(self.script, "full").returncode, 0)
        self.assertRegex(self.calls()[2], r"^bench_basic --json benchmark_results/\S+-full/basic")
        self.assertRegex(self.calls()[-1], r"--scenario light --scenario medium --scenario heavy "
                                           r"--scenario stress --rounds 20$")

    # A bench must not be built before what it links with is there.
    def test_full_installs_the_brokers_first(self):
        self.packages("cmake", "g++", "dbus-broker", "libzmq3-dev", "heaptrack")
        self.user(0)
        self.program("apt-get")
        self.program("env", 'shift; exec "$@"')
        self.assertEqual(self.run_script(self.script, "full").returncode, 0)
        calls = self.calls()
        installed = calls.index(
            "apt-get install --yes --quiet --no-install-recommends mosquitto")
        self.assertLess(installed, calls.index("cmake --preset release"))

    def test_ends_as_the_comparison_does(self):
        self.program("crucible", "exit 3", folder=self.built)
        self.assertEqual(self.run_script(self.script, "quick").returncode, 3)

    def test_a_failed_bench_is_a_failure(self):
        self.program("bench_basic", "exit 5", folder=self.built)
        self.assertEqual(self.run_script(self.script, "quick").returncode, 5)

    def test_report_shows_the_newest_result(self):
        for age, name in ((20, "9-older"), (10, "1-newest"), (30, "5-oldest")):
            self.put(f"benchmark_results/{name}/result.json")
            path = self.root / f"benchmark_results/{name}/result.json"
            os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))
        result = self.run_script(self.script, "report")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout, "Report: benchmark_results/1-newest/report.html\n")
        self.assertEqual(self.calls(), ["crucible report benchmark_results/1-newest"])

    def test_report_without_a_result_says_how_to_get_one(self):
        result = self.run_script(self.script, "report")
        self.assertEqual(result.returncode, 2)
        self.assertIn("no result in benchmark_results/ yet; run: ", result.stderr)

    def test_cleanup_says_what_it_removes_and_keeps_results(self):
        self.put("benchmark_results/1/result.json")
        self.put("build/dev/kept")
        result = self.run_script(self.script, "cleanup")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"^Removing build/release \(\S+\)\n$")
        self.assertFalse((self.root / "build/release").exists())
        self.assertTrue((self.root / "build/dev/kept").exists())
        self.assertTrue((self.root / "benchmark_results/1/result.json").exists())

        result = self.run_script(self.script, "cleanup", "--results")
        self.assertRegex(result.stdout, r"^Removing benchmark_results \(\S+\)\n$")
        self.assertFalse((self.root / "benchmark_results").exists())

    # Somebody's results folder may be a link to a disk with room.
    def test_cleanup_removes_nothing_outside_the_project(self):
        elsewhere = self.root.parent / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "mine").write_text("")
        (self.root / "benchmark_results").symlink_to(elsewhere)
        result = self.run_script(self.script, "cleanup", "--results")
        self.assertEqual(result.returncode, 2)
        self.assertIn("benchmark_results leads out of the project; not removed", result.stderr)
        self.assertTrue((elsewhere / "mine").exists())

    def test_cleanup_does_not_guess(self):
        self.expect_refusal(self.run_script(self.script, "cleanup", "--result"),
                            "run_performance_tests.sh: cleanup takes --results or nothing, not "
                            "'--result'")
        self.assertTrue(self.built.exists())

    def test_helps_and_refuses(self):
        self.assertEqual(self.run_script(self.script, "help").returncode, 0)
        self.assertEqual(self.run_script(self.script).returncode, 2)
        self.expect_refusal(self.run_script(self.script, "quik"),
                            "run_performance_tests.sh: unknown word 'quik': quick, full, report, "
                            "cleanup or help")
        self.assertEqual(self.calls(), [])


if __name__ == "__main__":
    unittest.main()
