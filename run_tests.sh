#!/usr/bin/env bash
# Installs what is missing, builds, and runs all tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
    cat <<'TEXT'
Usage: ./run_tests.sh [--preset dev|release|asan|tsan] [ctest options]

Installs missing packages, builds the preset (default dev) and runs all tests.

  ./run_tests.sh                          everything
  ./run_tests.sh -R 'lab/stats'           tests whose name matches
  ./run_tests.sh --preset asan            with AddressSanitizer and UBSan
  ./run_tests.sh --preset tsan            with ThreadSanitizer

Exit codes: 0 all passed, 2 bad usage or packages missing, else the build's or ctest's.
TEXT
}

preset=dev
while [ $# -gt 0 ]; do
    case $1 in
    --help | -h) usage; exit 0 ;;
    --preset)
        preset=${2:-}
        shift
        ;;
    *) break ;;
    esac
    shift
done
case $preset in
dev | release | asan | tsan) ;;
*)
    echo "run_tests.sh: --preset '$preset': dev, release, asan or tsan" >&2
    exit 2
    ;;
esac

./scripts/install_dependencies.sh
cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset"
exec ctest --preset "$preset" --parallel 2 "$@"
