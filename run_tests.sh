#!/usr/bin/env bash
# Installs what is missing, builds, and runs all tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
    cat <<'TEXT'
Usage: ./run_tests.sh [--preset dev|release|asan|tsan] [ctest options]

Installs missing packages, builds the preset (default dev) in build/<preset> and runs all tests.

  ./run_tests.sh                          everything
  ./run_tests.sh -R '^lab/stats'          tests whose name matches
  ./run_tests.sh -LE bench                all but the benches' smoke runs
  ./run_tests.sh --preset asan            with AddressSanitizer and UBSan
  ./run_tests.sh --preset tsan            with ThreadSanitizer

Exit codes: 0 all passed, 2 bad usage or packages missing, else that of the build or of ctest.
TEXT
}

fail() {
    echo "run_tests.sh: $1" >&2
    exit 2
}

preset=dev
while [ $# -gt 0 ]; do
    case $1 in
    --help | -h)
        usage
        exit 0
        ;;
    --preset)
        [ $# -ge 2 ] || fail "--preset needs one of dev, release, asan, tsan"
        preset=$2
        shift 2
        ;;
    --preset=*)
        preset=${1#--preset=}
        shift
        ;;
    *) break ;; # the rest is ctest's
    esac
done
case $preset in
dev | release | asan | tsan) ;;
*) fail "unknown preset '$preset': dev, release, asan or tsan" ;;
esac
case ${1:-} in
'' | -*) ;;
*) fail "unexpected '$1'; see ./run_tests.sh --help" ;;
esac

./scripts/install_dependencies.sh

# GCC 12's ThreadSanitizer cannot place its memory under the address randomisation of newer kernels.
# The build runs the tests' executables too, to list their tests.
as_is=()
if [ "$preset" = tsan ] && setarch --addr-no-randomize true 2>/dev/null; then
    as_is=(setarch --addr-no-randomize)
fi
cmake --preset "$preset"
"${as_is[@]}" cmake --build --preset "$preset"
exec "${as_is[@]}" ctest --preset "$preset" --parallel 2 "$@"
