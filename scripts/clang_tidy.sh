#!/usr/bin/env bash
# Runs clang-tidy 19 (Debian's; older ones do not know std::expected) over our sources.
#   clang_tidy.sh            what differs from origin/main, or from the last commit without it
#   clang_tidy.sh --all      everything: some 10 s a file
#   clang_tidy.sh FILE.cpp…  these
# Exit codes: 0 nothing found, 1 something found, 2 bad usage or packages missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=build/clang_tidy

files=()
case ${1:-} in
--help | -h)
    sed -n '2,6s/^# //p' "$0"
    exit 0
    ;;
--all) mapfile -t files < <(git ls-files '*.cpp') ;;
'')
    base=HEAD
    if git rev-parse --quiet --verify origin/main >/dev/null; then base=origin/main; fi
    mapfile -t files < <(git diff --name-only --diff-filter=d "$base" -- '*.cpp')
    ;;
-*)
    echo "clang_tidy.sh: unknown option '$1'; see --help" >&2
    exit 2
    ;;
*) files=("$@") ;;
esac
if [ ${#files[@]} -eq 0 ]; then
    echo "clang_tidy.sh: no changed .cpp file" >&2
    exit 0
fi

./scripts/install_dependencies.sh
./scripts/install_dependencies.sh clang-tidy-19
# The compile command of each file by itself, and the generated headers that they include.
cmake --preset dev -B "$build" -DCMAKE_UNITY_BUILD=OFF >/dev/null
ninja -C "$build" -t targets all | sed -n 's/^\(.*\.h\): CUSTOM_COMMAND$/\1/p' |
    xargs --no-run-if-empty ninja -C "$build" >/dev/null

# GCC's own warning options are unknown to clang, and no reason to stop.
status=0
printf '%s\0' "${files[@]}" |
    xargs --null --max-args=1 --max-procs="$(nproc)" clang-tidy-19 -p "$build" --quiet \
        --extra-arg=-Wno-unknown-warning-option 2> >(grep -v 'warnings generated' >&2) || status=1
exit $status
