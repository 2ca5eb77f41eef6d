#!/usr/bin/env python3
"""Plants one violation of each rule in a small tree and expects exactly that one to be found."""
import contextlib
import io
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import tidy  # noqa: E402

LAYERS = """\
# crucible_module(commented/out)
crucible_module(base)
crucible_module(runtime/event DEPENDS base  LIBS fmt::fmt)
crucible_module(runtime/route DEPENDS base runtime/event
                              LIBS fmt::fmt)
crucible_module(lab/stats     DEPENDS base)
"""

TREE = {
    "src/CMakeLists.txt": LAYERS,
    "tests/CMakeLists.txt": "crucible_test(base)\ncrucible_test(runtime/event)\n"
                            "crucible_test(runtime/route)\ncrucible_test(lab/stats LIBS x)\n",
    "include/crucible/event.h": "#pragma once\n\n/// What happened.\nstruct Event {};\n",
    "src/base/file.h": "#pragma once\n",
    "src/base/clock.cpp": "void pause() { clock_nanosleep(0); }\n",
    "src/runtime/event/wire.h": '#pragma once\n#include "base/file.h"\n'
                                '#include "crucible/event.h"\n',
    "src/runtime/event/wire.cpp": '#include "runtime/event/wire.h"\n#include <vector>\n'
                                  '#include "runtime/event/event_generated.h"\n',
    "src/runtime/route/route.cpp": '#include "base/file.h"\n#include "runtime/event/wire.h"\n',
    "src/lab/stats/stats.cpp": '#include "base/file.h"\n',
    "src/app/main.cpp": '#include "runtime/event/wire.h"\n#include "base/file.h"\n',
    "tests/base/file_test.cpp": "TEST(A, B) {}\n",
    "tests/runtime/event/wire_test.cpp": "TEST(A, B) {}\n",
    "tests/runtime/route/route_test.cpp": "TEST(A, B) {}\n",
    "tests/lab/stats/stats_test.cpp": "TEST(A, B) {}\n",
    "benches/CMakeLists.txt": "crucible_bench(basic LIBS x)\n",
    "benches/basic/main.cpp": '#include "runtime/event/wire.h"\n',
}


class Tidy(unittest.TestCase):
    def found(self, changes=None):
        """The violations in TREE with `changes`, where None removes a file."""
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for path, text in {**TREE, **(changes or {})}.items():
                if text is None:
                    continue
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text, encoding="utf-8")
            return [str(violation) for violation in tidy.check_tree(root)]

    def expect(self, changes, *expected):
        self.assertEqual(self.found(changes), list(expected))

    def test_accepts_a_clean_tree(self):
        self.expect({})

    # A forbidden header-only include compiles and links: nothing but this test holds the direction.
    def test_finds_an_include_that_is_not_declared(self):
        self.expect({"src/lab/stats/stats.cpp": '\n#include "runtime/event/wire.h"\n'},
                    'src/lab/stats/stats.cpp:2: layers: "runtime/event/wire.h": lab/stats does not '
                    "depend on runtime/event (src/CMakeLists.txt)")

    def test_finds_the_runtime_including_the_lab(self):
        self.expect({"src/lab/stats/stats.h": "#pragma once\n",
                     "src/runtime/route/route.cpp": '#include "lab/stats/stats.h"\n'},
                    'src/runtime/route/route.cpp:1: layers: "lab/stats/stats.h": runtime/route '
                    "does not depend on lab/stats (src/CMakeLists.txt)")

    # Dependencies are not inherited: who uses a module says so.
    def test_finds_an_include_through_another_module(self):
        self.expect({"src/CMakeLists.txt": LAYERS.replace("route DEPENDS base runtime/event",
                                                          "route DEPENDS runtime/event")},
                    'src/runtime/route/route.cpp:1: layers: "base/file.h": runtime/route does not '
                    "depend on base (src/CMakeLists.txt)")

    def test_finds_modules_that_include_the_app(self):
        self.expect({"src/app/command.h": "#pragma once\n",
                     "src/base/file.h": '#pragma once\n#include "app/command.h"\n'},
                    'src/base/file.h:2: layers: "app/command.h": base does not depend on app '
                    "(src/CMakeLists.txt)")

    def test_finds_a_folder_that_is_no_module(self):
        self.expect({"src/lab/guess/guess.cpp": "\n"},
                    "src/lab/guess/guess.cpp:1: layers: its folder is no module; declare it in "
                    "src/CMakeLists.txt")

    def test_finds_dependencies_below_and_on_the_lab(self):
        layers = LAYERS.replace("DEPENDS base  LIBS", "DEPENDS base lab/stats LIBS")
        self.expect({"src/CMakeLists.txt": layers},
                    "src/CMakeLists.txt:3: layers: runtime/event depends on lab/stats, which is "
                    "not declared above it",
                    "src/CMakeLists.txt:3: layers: runtime/event depends on lab/stats: the runtime "
                    "never uses the lab")

    def test_finds_public_headers_that_include_ours(self):
        text = '#pragma once\n#include "base/file.h"\n'
        self.expect({"include/crucible/time.h": text},
                    'include/crucible/time.h:2: layers: "base/file.h": public headers include only '
                    "public headers")

    def test_finds_includes_that_hide_their_module(self):
        self.expect({"src/runtime/event/wire.cpp": '#include "wire.h"\n#include <base/file.h>\n'},
                    'src/runtime/event/wire.cpp:1: includes: "wire.h" is no file below src/ or '
                    "include/; write the path from there",
                    'src/runtime/event/wire.cpp:2: includes: <base/file.h> is ours: write '
                    '"base/file.h"')

    def test_reads_code_and_not_comments_or_texts(self):
        self.expect({"src/lab/stats/stats.cpp":
                     '// #include "runtime/event/wire.h"\n/*\n#include "runtime/event/wire.h"\n*/\n'
                     'auto a = "usleep(1)"; // class RouteManager, usleep(1)\n'
                     'auto b = R"x(\nusleep(1); class B_Impl {};\n)x"; auto c = 1\'000;\n'})

    def test_finds_long_files(self):
        self.expect({"src/base/file.cpp": "\n" * 600})
        self.expect({"src/base/file.cpp": "\n" * 601},
                    "src/base/file.cpp:601: file length: 601 lines, at most 600")

    def test_finds_long_lines(self):
        self.expect({"src/base/file.cpp": "// " + "µ" * 97 + "\n"})
        self.expect({"src/base/file.cpp": "\n// " + "x" * 98 + "\n",
                     "scripts/run": "#!/bin/sh\n" + "x" * 101},
                    "scripts/run:2: line length: 101 columns, at most 100",
                    "src/base/file.cpp:2: line length: 101 columns, at most 100")

    # What is inside a raw string is another language's, which may have no place to break a line.
    def test_lets_raw_strings_be_long(self):
        long = 'auto page = R"(\n' + "x" * 200 + '\n)";\n'
        self.expect({"src/base/file.cpp": long})
        self.expect({"src/base/file.cpp": long + "// " + "x" * 98},
                    "src/base/file.cpp:4: line length: 101 columns, at most 100")

    def test_finds_names_that_say_nothing(self):
        for name in ("QueueManager", "FileUtil", "FileUtils", "RouteHelper", "ServerImpl",
                     "TargetBase"):
            for text in (f"class {name} {{}};", f"struct {name};", f"enum class {name} {{ a }};",
                         f"using {name} = int;", f"class [[nodiscard]] {name} final {{}};"):
                with self.subTest(text):
                    self.expect({"src/base/file.cpp": text + "\n"},
                                f"src/base/file.cpp:1: names: '{name}' says nothing of its job")
        self.expect({"src/base/file.cpp": "struct Basement {}; namespace base {}; using base::X;\n"
                                          "struct ImplicitStart; class Managers;\n"})
        self.expect({"src/base/file_utils.cpp": "\n"},
                    "src/base/file_utils.cpp:1: names: a file called 'file_utils' says nothing of "
                    "its job")

    def test_finds_sleeps(self):
        for text in ("std::this_thread::sleep_for(1ms);", "this_thread :: sleep_until (x);",
                     "::usleep(5);", "nanosleep(&a, nullptr);", "::sleep(1);",
                     "clock_nanosleep(0);"):
            with self.subTest(text):
                self.expect({"src/runtime/route/route.cpp": "\n" + text + "\n"},
                            "src/runtime/route/route.cpp:2: sleeping: wait for what is needed, or "
                            "for a due time through base::Clock")
        self.expect({"src/runtime/route/route.cpp": "clock.sleep_until(due); a.sleep(1);\n"})

    def test_finds_a_permission_to_sleep_that_nobody_needs(self):
        self.expect({"src/base/clock.cpp": "\n"},
                    "src/base/clock.cpp:1: sleeping: it no longer sleeps; take it off the list in "
                    "tests/tidy/tidy.py")

    # One line of another form, and a reader of JSON lines stops.
    def test_finds_lines_of_the_log_that_have_no_fields(self):
        spdlog = "#include <spdlog/spdlog.h>\n"
        self.expect({"src/runtime/route/route.cpp": "\n" + spdlog},
                    'src/runtime/route/route.cpp:2: logging: log through "base/log.h": a constant '
                    "message, and fields")
        self.expect({"src/base/log.cpp": spdlog, "tests/base/log_test.cpp": spdlog})

    def test_finds_unfinished_work(self):
        mark = "TO" + "DO"
        self.expect({"src/base/file.cpp": f"int a;\nint b;  // {mark}: more\n"},
                    f"src/base/file.cpp:2: unfinished: int b;  // {mark}: more")

    def test_finds_headers_without_a_guard(self):
        self.expect({"src/base/file.h": "// about\n#pragma once\n"},
                    "src/base/file.h:1: headers: begins with '#pragma once'")

    def test_finds_heavy_headers(self):
        self.expect({"src/base/file.h": "#pragma once\n#include <nlohmann/json.hpp>\n"},
                    "src/base/file.h:2: headers: <nlohmann/json.hpp> costs every includer a "
                    "second; use <nlohmann/json_fwd.hpp>")

    def test_finds_public_types_without_a_word(self):
        rule = ("include/crucible/event.h:3: documentation: a public type has a /// comment: "
                "meaning, units, threads, errors")
        for text in ("struct Event {};", "enum class Kind : int { a };", "class Event final {",
                     "class Event"):
            with self.subTest(text):
                self.expect({"include/crucible/event.h": f"#pragma once\n\n{text}\n"}, rule)
        self.expect({"include/crucible/event.h": "#pragma once\n\nclass Event;\n"})

    def test_finds_tests_that_never_run(self):
        self.expect({"tests/base/deep/more_test.cpp": "\n", "tests/tidy/x_test.py": "\n"},
                    "tests/base/deep/more_test.cpp:1: registration: no crucible_test(base/deep) in "
                    "tests/CMakeLists.txt: it never runs",
                    "tests/tidy/x_test.py:1: registration: no CMakeLists.txt below tests/ names "
                    "it: it never runs")
        self.expect({"tests/tidy/x_test.py": "\n",
                     "tests/tidy/CMakeLists.txt": "add_test(x_test.py)"})

    def test_finds_modules_without_tests(self):
        self.expect({"tests/lab/stats/stats_test.cpp": None},
                    "tests/CMakeLists.txt:4: registration: tests/lab/stats has no *_test.cpp")
        self.expect({"src/CMakeLists.txt": LAYERS + "crucible_module(lab/pace)\n"},
                    "src/CMakeLists.txt:7: registration: lab/pace has no crucible_test(lab/pace)")

    def test_finds_benches_that_are_not_built(self):
        self.expect({"benches/more/main.cpp": "\n"},
                    "benches/more/main.cpp:1: registration: no crucible_bench(more) in "
                    "benches/CMakeLists.txt")

    def test_exits_as_documented(self):
        with tempfile.TemporaryDirectory() as folder, \
                contextlib.redirect_stderr(io.StringIO()) as errors:
            self.assertEqual(tidy.main([folder]), 2)
            self.assertIn("no src/CMakeLists.txt there", errors.getvalue())
            for path, text in TREE.items():
                (Path(folder) / path).parent.mkdir(parents=True, exist_ok=True)
                (Path(folder) / path).write_text(text)
            with contextlib.redirect_stdout(io.StringIO()) as output:
                self.assertEqual(tidy.main([folder]), 0)
                self.assertEqual(output.getvalue(), "")
                (Path(folder) / "src/base/file.h").write_text("\n")
                self.assertEqual(tidy.main([folder]), 1)
                self.assertEqual(output.getvalue(),
                                 "src/base/file.h:1: headers: begins with '#pragma once'\n")


if __name__ == "__main__":
    unittest.main()
