#!/usr/bin/env bash
# The benches' runner: builds, measures, and leaves a report in benchmark_results/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
    cat <<'TEXT'
Usage: ./benches/run_performance_tests.sh quick|full|cleanup|report|help

  quick     installs what is missing, builds, compares coordinator: with daemon: under the medium
            scenario and runs the in-process bench briefly; under 10 minutes after the build
  full      every scenario with 20 rounds and every bench at full length; hours
  report    prints the newest result again
  cleanup   removes build/release; with --results the results as well
  help      this text

Results: benchmark_results/<time>-quick/ with report.html, report.md, result.json.
Exit codes: those of crucible (0 done, 2 bad usage, 3 machine too noisy, 5 a target failed).
TEXT
}

build() {
    ./scripts/install_dependencies.sh
    cmake --preset release >/dev/null
    cmake --build --preset release
}

results=benchmark_results
bin=build/release/bin

quick() {
    build
    local out
    out=$results/$(date -u +%Y%m%dT%H%M%SZ)-quick
    mkdir -p "$out"
    "$bin/bench_basic_performance" --smoke --json "$out/basic_performance.json" >"$out/basic_performance.txt"
    "$bin/crucible" compare coordinator: daemon: --out "$out"
}

full() {
    build
    local out
    out=$results/$(date -u +%Y%m%dT%H%M%SZ)-full
    mkdir -p "$out"
    "$bin/bench_basic_performance" --json "$out/basic_performance.json" | tee "$out/basic_performance.txt"
    "$bin/bench_comparison_analysis" --json "$out/comparison_analysis.json"
    "$bin/crucible" compare coordinator: daemon: --rounds 20 --out "$out" \
        --scenario light --scenario medium --scenario heavy --scenario stress
}

report() {
    local newest
    newest=$(find "$results" -mindepth 2 -maxdepth 2 -name result.json 2>/dev/null | sort | tail -n 1)
    if [ -z "$newest" ]; then
        echo "run_performance_tests.sh: no result in $results/ yet; run: $0 quick" >&2
        exit 2
    fi
    if [ ! -x "$bin/crucible" ]; then build; fi
    "$bin/crucible" report "$newest"
    echo "Report: $(dirname "$newest")/report.html"
}

cleanup() {
    echo "removing build/release" >&2
    rm -rf build/release
    if [ "${1:-}" = --results ]; then
        echo "removing $results" >&2
        rm -rf "$results"
    fi
}

case ${1:-help} in
quick | full | report) "$1" ;;
cleanup) cleanup "${2:-}" ;;
help | --help | -h) usage ;;
*)
    echo "run_performance_tests.sh: unknown word '$1': quick, full, cleanup, report or help" >&2
    exit 2
    ;;
esac
