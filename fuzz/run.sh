#!/usr/bin/env bash
# Builds the fuzzers with clang and libFuzzer and runs them, three at a time, each for some seconds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
    cat <<'TEXT'
Usage: fuzz/run.sh [SECONDS [NAME…]]

Runs every fuzzer for SECONDS (default 60), or those named: runtime/daemon/frame. What was found
worth keeping stays in build/fuzz/corpus and is where the next run begins. Ends with one line for
each fuzzer. An input that crashes, leaks, takes longer than 10 s or more than 2 GiB is kept in
build/fuzz/found and named; put it into fuzz/corpus/<name>/ with the fix.

Exit codes: 0 nothing found, 1 something found, 2 bad usage or packages missing, else the build's.
TEXT
}

fail() {
    echo "fuzz/run.sh: $1" >&2
    exit 2
}

case ${1:-} in
--help | -h)
    usage
    exit 0
    ;;
esac
seconds=${1:-60}
[[ $seconds =~ ^[1-9][0-9]{0,5}$ ]] || fail "'$seconds' must be a whole number of seconds"
[ $# -eq 0 ] || shift
names=("$@")
if [ ${#names[@]} -eq 0 ]; then
    while read -r file; do
        names+=("${file%_fuzzer.cpp}")
    done < <(cd fuzz && find . -name '*_fuzzer.cpp' -printf '%P\n' | sort)
fi
for name in "${names[@]}"; do
    [ -f "fuzz/${name}_fuzzer.cpp" ] || fail "no fuzz/${name}_fuzzer.cpp"
done

./scripts/install_dependencies.sh
./scripts/install_dependencies.sh clang-19 libclang-rt-19-dev
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz

build=$PWD/build/fuzz
mkdir -p "$build/found" "$build/logs"

fuzz() { # NAME
    local stem=${1//\//_}
    local program=$build/bin/fuzz_$stem corpus=$build/corpus/$1 dictionary=fuzz/$1.dict options=()
    mkdir -p "$corpus"
    "$program" --write-seeds "$corpus"
    [ ! -f "$dictionary" ] || options+=("-dict=$dictionary")
    [ ! -d "fuzz/corpus/$1" ] || options+=("fuzz/corpus/$1")
    "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=8192 \
        -print_final_stats=1 -artifact_prefix="$build/found/$stem-" "$corpus" "${options[@]}"
}

# The n-th log belongs to the n-th name: three take turns over the list. One more than the cores of
# a small machine, as they wait for a daemon's threads at times.
run_every_third() { # FIRST
    local i
    for ((i = $1; i < ${#names[@]}; i += 3)); do
        local log=$build/logs/${names[i]//\//_}.log status=0
        fuzz "${names[i]}" >"$log" 2>&1 || status=$?
        echo "exit code $status" >>"$log"
    done
}
run_every_third 0 &
run_every_third 1 &
run_every_third 2
wait

found=0
for name in "${names[@]}"; do
    log=$build/logs/${name//\//_}.log
    executions=$(sed -n "s/^stat::number_of_executed_units: *//p" "$log" | tail -1)
    last=$(grep -E '^#[0-9]+.* cov: ' "$log" | tail -1 || true)
    coverage=$(sed -nE 's/.* cov: ([0-9]+) .*/\1/p' <<<"$last")
    inputs=$(sed -nE 's/.* corp: ([0-9]+).*/\1/p' <<<"$last")
    printf '%-32s %10s executions, %5s edges covered, %5s inputs in the corpus\n' "$name" \
        "${executions:-?}" "${coverage:-?}" "${inputs:-?}"
    if [ "$(tail -1 "$log")" != "exit code 0" ]; then
        found=1
        grep -E 'assertion failed|^SUMMARY|runtime error|Test unit written to' "$log" |
            sed "s|^|    |" || echo "    $(tail -1 "$log"); see $log"
    fi
done
exit "$found"
