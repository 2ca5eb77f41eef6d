#!/usr/bin/env bash
# The benches' runner: builds, measures, and leaves a report in benchmark_results/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
project=$(pwd -P)
results=benchmark_results
bin=build/release/bin
# What bench_daemon_performance and bench_allocation_overhead compare with, besides what the tests
# need.
peers=(mosquitto dbus-broker libzmq3-dev heaptrack)

usage() {
    cat <<'TEXT'
Usage: ./benches/run_performance_tests.sh quick|full [options of crucible compare]
       ./benches/run_performance_tests.sh report|cleanup [--results]|help

  quick     installs what is missing, builds, runs every bench briefly, and compares coordinator:
            with daemon: under the medium scenario; under 10 minutes after the build
  full      the same with every scenario, 20 rounds each (or what the options say), every bench at
            full length, and the brokers that one of them compares with; hours
  report    prints the newest result again
  cleanup   removes build/release; with --results the results as well
  help      this text

Results: benchmark_results/<time>-quick/ (or -full/): report.html, report.md and result.json of the
comparison, and a .json and a .txt for each bench.
Exit codes: 0 done, 2 bad usage or packages missing, 3 this machine is too noisy now, 5 a target
failed, 130 interrupted (partial result kept).
TEXT
}

fail() {
    echo "run_performance_tests.sh: $1" >&2
    exit 2
}

# A suite is a folder: benches/<suite> makes bin/bench_<suite>.
suites=()
for main in benches/*/main.cpp; do suites+=("$(basename "$(dirname "$main")")"); done

build() {
    ./scripts/install_dependencies.sh
    cmake --preset release
    cmake --build --preset release --target crucible crucibled "${suites[@]/#/bench_}"
}

# measure NAME "OPTIONS OF THE BENCHES" OPTIONS-OF-COMPARE…
measure() {
    local out suite
    out=$results/$(date -u +%Y%m%dT%H%M%SZ)-$1
    mkdir -p "$out"
    for suite in "${suites[@]}"; do
        echo "== bench_$suite $2" >&2
        # shellcheck disable=SC2086  # the options are words
        "$bin/bench_$suite" $2 --json "$out/$suite.json" >"$out/$suite.txt"
    done
    echo "== crucible compare coordinator: daemon:" >&2
    "$bin/crucible" compare coordinator: daemon: --out "$out" "${@:3}"
}

report() {
    local newest=''
    if [ -d "$results" ]; then
        newest=$(find "$results" -mindepth 2 -maxdepth 2 -name result.json -printf '%T@ %h\n' |
            sort -n | tail -n 1 | cut -d ' ' -f 2-)
    fi
    [ -n "$newest" ] || fail "no result in $results/ yet; run: $0 quick"
    [ -x "$bin/crucible" ] || build
    "$bin/crucible" report "$newest"
    echo "Report: $newest/report.html"
}

# Removes a folder of this project, and nothing that a link leads to elsewhere.
remove() {
    [ -e "$1" ] || return 0
    [ "$(realpath -- "$1")" = "$project/$1" ] || fail "$1 leads out of the project; not removed"
    echo "Removing $1 ($(du -sh -- "$1" | cut -f 1))"
    rm -rf -- "$1"
}

word=${1:-}
[ $# -eq 0 ] || shift
case $word in
quick)
    build
    measure quick --smoke "$@"
    ;;
full)
    ./scripts/install_dependencies.sh "${peers[@]}"
    build
    [ $# -gt 0 ] || set -- --rounds 20
    measure full '' --scenario light --scenario medium --scenario heavy --scenario stress "$@"
    ;;
report)
    [ $# -eq 0 ] || fail "report takes no '$1'"
    report
    ;;
cleanup)
    [ $# -eq 0 ] || [ "$*" = --results ] || fail "cleanup takes --results or nothing, not '$*'"
    remove build/release
    [ $# -eq 0 ] || remove "$results"
    ;;
help | --help | -h) usage ;;
'')
    usage >&2
    exit 2
    ;;
*) fail "unknown word '$word': quick, full, report, cleanup or help" ;;
esac
