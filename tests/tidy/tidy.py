#!/usr/bin/env python3
"""Checks the rules of CONTRIBUTING.md that a machine can see.

Usage: tidy.py [ROOT]

Prints one line per violation, `file:line: rule: what is wrong`, and exits 1 when there is any.
Exits 2 when ROOT (default: this repository) is not such a tree.
"""
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

LINES_MAX = 600
COLUMNS_MAX = 100

# Where our own sources are; anything else (build trees, results, generated files) is not looked at.
FOLDERS = ("include", "src", "tests", "benches", "fuzz", "cmake", "scripts", ".ci")
TOP_FILES = ("CMakeLists.txt", "run_tests.sh")
CPP = (".h", ".cpp")
KNOWN = CPP + (".py", ".sh", ".cmake", ".fbs")

# Files that may suspend a thread for a time, each with its reason. Everything else waits for what
# it needs (a condition, a descriptor, a due time through base::Clock), so that no sleep stands for
# work and tests can replace time.
MAY_SLEEP = {
    "src/base/clock.cpp": "the clock itself",
    "src/runtime/service/database.cpp": "another process prepares the same new file",
    "src/runtime/service/sqlite.cpp": "another process holds the file's lock; SQLite cannot notify",
}

# Files that may know spdlog. A line that others gave it would be of neither log format.
MAY_USE_SPDLOG = ("src/base/log.cpp", "src/app/crucibled/log.h", "src/app/crucibled/log.cpp")

SLEEP = re.compile(r"\b(this_thread\s*::\s*sleep_(?:for|until)|(?:clock_)?nanosleep|usleep)\s*\("
                   r"|(?<![\w.>])sleep\s*\(")
TYPE_NAME = re.compile(r"\b(?:class|struct|union|concept|enum(?:\s+(?:class|struct))?)"
                       r"\s+(?:alignas\([^)]*\)\s*|\[\[[^\]]*\]\]\s*)*([A-Z]\w*)"
                       r"|\busing\s+([A-Z]\w*)\s*=")
VAGUE_NAME = re.compile(r"(?:Manager|Util|Utils|Helper|Helpers|Impl|Base)$")
VAGUE_FILE = re.compile(r"(?:^|_)(?:manager|util|utils|helper|helpers|impl)$")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)
GENERATED = re.compile(r"_generated\.h$|/embedded_\w+\.h$|^crucible_version\.h$")
PUBLIC_TYPE = re.compile(r"^(?:template\b.*>\s*)?(?:class|struct|enum)\b(?:[^;]*$|.*\{)")

TOKEN = re.compile(
    r'(?P<raw>R"(?P<delimiter>[^()\\\s]{0,16})\(.*?\)(?P=delimiter)")'
    r"|(?P<block>/\*.*?\*/)"
    r"|(?P<line>//[^\n]*)"
    r'|(?P<string>"(?:\\.|[^"\\\n])*")'
    r"|(?P<char>(?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])*')",
    re.DOTALL)


@dataclass(order=True)
class Violation:
    path: str
    line: int
    rule: str
    what: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}: {self.what}"


@dataclass
class Module:
    path: str
    line: int
    depends: list = field(default_factory=list)


class Source:
    """One text file, and for C++ the same text without comments and without literals."""

    def __init__(self, root, path):
        self.path = path.relative_to(root).as_posix()
        self.text = path.read_text(encoding="utf-8")
        self.lines = self.text.splitlines()
        self.is_cpp = path.suffix in CPP
        self.raw_lines = set()  # numbers of lines that a raw string begins on, covers or ends on
        self.uncommented = self.code = self.text
        if self.is_cpp:
            self.uncommented = TOKEN.sub(lambda token: self._blank(token, False), self.text)
            self.code = TOKEN.sub(lambda token: self._blank(token, True), self.text)

    def _blank(self, token, literals):
        """Replaces all but the line breaks, so that places stay what they were."""
        if token.group("raw"):
            first = self.line_of(token.start())
            self.raw_lines.update(range(first, first + token.group().count("\n") + 1))
        if not literals and not token.group("block") and not token.group("line"):
            return token.group()
        return re.sub(r"[^\n]", " ", token.group())

    def line_of(self, offset):
        return self.text.count("\n", 0, offset) + 1


def read_sources(root):
    files = [root / name for name in TOP_FILES]
    for folder in FOLDERS:
        files += sorted((root / folder).rglob("*"))
    for file in files:
        if not file.is_file() or "__pycache__" in file.parts:
            continue
        is_script = file.suffix == "" and file.read_bytes()[:2] == b"#!"
        if file.suffix in KNOWN or file.name == "CMakeLists.txt" or is_script:
            yield Source(root, file)


def cmake_calls(text, name):
    """(line, words) of every call of the CMake command `name`."""
    text = re.sub(r"#[^\n]*", lambda comment: " " * len(comment.group()), text)
    for call in re.finditer(rf"^[ \t]*{name}\s*\(([^)]*)\)", text, re.MULTILINE):
        yield text.count("\n", 0, call.start()) + 1, call.group(1).split()


def read_modules(root):
    modules = []
    for line, words in cmake_calls((root / "src/CMakeLists.txt").read_text(), "crucible_module"):
        module = Module(words[0], line)
        section = ""
        for word in words[1:]:
            if word in ("DEPENDS", "LIBS", "FLATBUFFERS"):
                section = word
            elif section == "DEPENDS":
                module.depends.append(word)
        modules.append(module)
    return modules


def check_layers(modules):
    """The declarations themselves: only modules above, and the runtime knows nothing of the lab."""
    above = set()
    for module in modules:
        where = ("src/CMakeLists.txt", module.line)
        for dependency in module.depends:
            if dependency not in above:
                yield Violation(*where, "layers", f"{module.path} depends on {dependency}, "
                                "which is not declared above it")
            if module.path.startswith("runtime/") and dependency.startswith("lab/"):
                yield Violation(*where, "layers", f"{module.path} depends on {dependency}: "
                                "the runtime never uses the lab")
        if module.path in above:
            yield Violation(*where, "layers", f"{module.path} is declared twice")
        above.add(module.path)


def module_of(path, modules):
    """The declared module that holds `path` (below src/), the deepest one first."""
    fitting = [module for module in modules if path.startswith(module.path + "/")]
    return max(fitting, key=lambda module: len(module.path), default=None)


def check_includes(root, source, modules):
    folder, _, inner = source.path.partition("/")
    if not source.is_cpp or folder not in ("src", "include"):
        return
    in_app = folder == "src" and inner.startswith("app/")
    module = module_of(inner, modules) if folder == "src" else None
    if folder == "src" and not in_app and module is None:
        yield Violation(source.path, 1, "layers",
                        "its folder is no module; declare it in src/CMakeLists.txt")
        return
    for include in INCLUDE.finditer(source.uncommented):
        quoted, angled = include.groups()
        line = source.line_of(include.start())
        if angled is not None:
            if (root / "src" / angled).is_file() or (root / "include" / angled).is_file():
                yield Violation(source.path, line, "includes",
                                f'<{angled}> is ours: write "{angled}"')
            continue
        if (root / "include" / quoted).is_file():
            continue
        generated = GENERATED.search(quoted)
        if not generated and not (root / "src" / quoted).is_file():
            yield Violation(source.path, line, "includes",
                            f'"{quoted}" is no file below src/ or include/; '
                            "write the path from there")
            continue
        if in_app:
            continue
        if folder == "include":
            yield Violation(source.path, line, "layers",
                            f'"{quoted}": public headers include only public headers')
            continue
        target = module_of(quoted, modules)
        if target is None or (target is not module and target.path not in module.depends):
            named = target.path if target else quoted.rpartition("/")[0]
            yield Violation(source.path, line, "layers",
                            f'"{quoted}": {module.path} does not depend on {named} '
                            "(src/CMakeLists.txt)")


def check_size(source):
    if len(source.lines) > LINES_MAX:
        yield Violation(source.path, len(source.lines), "file length",
                        f"{len(source.lines)} lines, at most {LINES_MAX}")
    for number, line in enumerate(source.lines, 1):
        if len(line) > COLUMNS_MAX and number not in source.raw_lines:
            yield Violation(source.path, number, "line length",
                            f"{len(line)} columns, at most {COLUMNS_MAX}")


def check_names(source):
    if not source.is_cpp:
        return
    stem = Path(source.path).stem
    if VAGUE_FILE.search(stem):
        yield Violation(source.path, 1, "names", f"a file called '{stem}' says nothing of its job")
    for found in TYPE_NAME.finditer(source.code):
        name = found.group(1) or found.group(2)
        if VAGUE_NAME.search(name):
            yield Violation(source.path, source.line_of(found.start()), "names",
                            f"'{name}' says nothing of its job")


def check_text(source):
    """Rules about single lines."""
    if not source.is_cpp:
        return
    if source.path.startswith(("src/", "include/")):
        sleeps = [source.line_of(found.start()) for found in SLEEP.finditer(source.code)]
        if source.path in MAY_SLEEP and not sleeps:
            yield Violation(source.path, 1, "sleeping",
                            "it no longer sleeps; take it off the list in tests/tidy/tidy.py")
        for line in sleeps if source.path not in MAY_SLEEP else ():
            yield Violation(source.path, line, "sleeping",
                            "wait for what is needed, or for a due time through base::Clock")
    for number, line in enumerate(source.lines, 1):
        if UNFINISHED.search(line) and number not in source.raw_lines:
            yield Violation(source.path, number, "unfinished", line.strip())


def check_logging(source):
    if not source.is_cpp or not source.path.startswith(("src/", "include/")):
        return
    for include in INCLUDE.finditer(source.uncommented):
        if (include.group(2) or "").startswith("spdlog/") and source.path not in MAY_USE_SPDLOG:
            yield Violation(source.path, source.line_of(include.start()), "logging",
                            'log through "base/log.h": a constant message, and fields')


def check_header(source):
    if not source.path.endswith(".h"):
        return
    if not source.text.startswith("#pragma once\n"):
        yield Violation(source.path, 1, "headers", "begins with '#pragma once'")
    if source.path.startswith("src/"):
        for include in INCLUDE.finditer(source.uncommented):
            if include.group(2) == "nlohmann/json.hpp":
                yield Violation(source.path, source.line_of(include.start()), "headers",
                                "<nlohmann/json.hpp> costs every includer a second; "
                                "use <nlohmann/json_fwd.hpp>")
    if source.path.startswith("include/"):
        for number, line in enumerate(source.lines, 1):
            if PUBLIC_TYPE.match(line) and not source.lines[number - 2].startswith("///"):
                yield Violation(source.path, number, "documentation",
                                "a public type has a /// comment: meaning, units, threads, errors")


def check_registration(root, sources, modules):
    """What is in tests/ and benches/ runs, and what runs is there."""
    def lists_below(folder):
        return {path.relative_to(root).as_posix(): path.read_text()
                for path in (root / folder).rglob("CMakeLists.txt")}

    tests = lists_below("tests")
    registered = {}
    for name, text in tests.items():
        for line, words in cmake_calls(text, "crucible_test"):
            registered[words[0]] = (name, line)
    tested = set()
    for source in sources:
        path = Path(source.path)
        folder = path.parent.relative_to("tests").as_posix() if path.parts[0] == "tests" else None
        if folder and path.name.endswith("_test.cpp"):
            tested.add(folder)
            if folder not in registered:
                yield Violation(source.path, 1, "registration", f"no crucible_test({folder}) in "
                                "tests/CMakeLists.txt: it never runs")
        elif folder and path.name.endswith(("_test.py", "_test.sh")):
            if not any(path.name in text for text in tests.values()):
                yield Violation(source.path, 1, "registration",
                                "no CMakeLists.txt below tests/ names it: it never runs")
    for folder, where in registered.items():
        if folder not in tested:
            yield Violation(*where, "registration", f"tests/{folder} has no *_test.cpp")
    for module in modules:
        if module.path not in registered:
            yield Violation("src/CMakeLists.txt", module.line, "registration",
                            f"{module.path} has no crucible_test({module.path})")

    suites = {words[0] for text in lists_below("benches").values()
              for _, words in cmake_calls(text, "crucible_bench")}
    for source in sources:
        path = Path(source.path)
        if path.parts[0] == "benches" and path.name == "main.cpp" and path.parts[1] not in suites:
            yield Violation(source.path, 1, "registration",
                            f"no crucible_bench({path.parts[1]}) in benches/CMakeLists.txt")


def check_tree(root):
    root = Path(root)
    modules = read_modules(root)
    sources = list(read_sources(root))
    found = list(check_layers(modules))
    for source in sources:
        found += check_includes(root, source, modules)
        found += check_size(source)
        found += check_names(source)
        found += check_text(source)
        found += check_logging(source)
        found += check_header(source)
    found += check_registration(root, sources, modules)
    return sorted(found)


def main(arguments):
    if len(arguments) > 1 or arguments[:1] in (["--help"], ["-h"]):
        print(__doc__.strip())
        return 0 if len(arguments) == 1 else 2
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parents[2]
    if not (root / "src/CMakeLists.txt").is_file():
        print(f"tidy.py: {root}: no src/CMakeLists.txt there", file=sys.stderr)
        return 2
    found = check_tree(root)
    for violation in found:
        print(violation)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
