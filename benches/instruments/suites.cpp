#include "instruments/suites.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/rng.h"
#include "instruments/analysis.h"
#include "lab/pace/pacer.h"
#include "lab/pace/schedule.h"
#include "lab/record/histogram.h"
#include "lab/record/ledger.h"
#include "lab/run/phase_run.h"
#include "lab/workload/workload.h"
#include "support/micro_bench.h"

namespace crucible::bench {
namespace {

using namespace std::chrono_literals;
using benchmark::State;

/// One event for each iteration.
void report_each(State& state, const Allocations& before) {
    const auto used = allocations() - before;
    state.SetItemsProcessed(state.iterations());
    report_events(state, static_cast<std::uint64_t>(state.iterations()), used);
}

void read_clock(State& state) {
    const auto before = allocations();
    for (auto _ : state) benchmark::DoNotOptimize(base::monotonic_now());
    report_each(state, before);
}

/// As of a system with a median of 100 us and a long tail; more than a branch predictor learns.
std::vector<Duration> latencies() {
    auto random = base::Rng::at(1, 1, 1);
    std::vector<Duration> values(1 << 16);
    for (auto& value : values) {
        const double normal = std::sqrt(-2 * std::log(1 - random.uniform())) *
                              std::cos(6.283185307179586 * random.uniform());
        value = Duration(std::llround(100e3 * std::exp(normal)));
    }
    return values;
}

void record(State& state) {
    const auto values = latencies();
    lab::Histogram histogram;
    histogram.reserve();
    std::size_t next = 0;
    const auto before = allocations();
    for (auto _ : state) {
        histogram.record(values[next]);
        next = (next + 1) % values.size();
    }
    report_each(state, before);
}

lab::Histogram filled() {
    lab::Histogram histogram;
    for (const auto value : latencies()) histogram.record(value);
    return histogram;
}

void take_snapshot(State& state) {
    const auto histogram = filled();
    const auto before = allocations();
    for (auto _ : state) benchmark::DoNotOptimize(histogram.snapshot());
    report_each(state, before);
}

void merge(State& state) {
    const auto histogram = filled();
    const auto before = allocations();
    for (auto _ : state) {
        lab::Histogram all;
        for (int worker = 0; worker < 8; ++worker) all.merge(histogram);
        benchmark::DoNotOptimize(all);
    }
    report_each(state, before);
}

/// With 64 events in flight.
void keep_ledger(State& state) {
    constexpr std::uint64_t kInFlight = 64;
    lab::Ledger ledger(0);
    std::uint64_t token = 0;
    const auto before = allocations();
    for (auto _ : state) {
        ledger.sent(token, Priority::normal);
        if (token >= kInFlight) ledger.acknowledged(token - kInFlight, Outcome::handled);
        ++token;
    }
    report_each(state, before);
}

void find_due_times(State& state, std::string_view pattern, std::string_view arrivals) {
    auto parsed_pattern = lab::Pattern::parse(pattern);
    const auto parsed_arrivals = lab::parse_arrivals(arrivals);
    if (!parsed_pattern || !parsed_arrivals) return state.SkipWithError("not a pattern");
    lab::Schedule schedule(*std::move(parsed_pattern), 0ns, *parsed_arrivals, 1);
    std::uint64_t index = 0;
    const auto before = allocations();
    for (auto _ : state) benchmark::DoNotOptimize(schedule.due(index++));
    report_each(state, before);
}

void make_events(State& state, std::uint64_t payload_bytes) {
    lab::Workload workload({.payload = lab::PayloadSizes::fixed(payload_bytes)});
    Event event;
    std::uint64_t index = 0;
    const auto before = allocations();
    for (auto _ : state) {
        workload.fill(index++, 0, 1, event);
        benchmark::DoNotOptimize(event);
    }
    report_each(state, before);
}

/// 10,000 waits a second.
void wait(State& state, lab::Pacing pacing) {
    base::set_precise_timers();
    base::SteadyClock clock;
    lab::Pacer pacer(clock, pacing, lab::wake_margin(clock));
    lab::Histogram lateness;
    lateness.reserve();
    const auto before = allocations();
    TimePoint due = clock.now();
    for (auto _ : state) {
        due += 100us;
        lateness.record(pacer.wait_until(due) - due);
    }
    const auto microseconds = [&lateness](double p) {
        return std::chrono::duration<double, std::micro>(lateness.quantile(p)).count();
    };
    state.counters["late_p50_us"] = microseconds(0.5);
    state.counters["late_p99_us"] = microseconds(0.99);
    report_each(state, before);
}

/// Everything is handled at once.
class NoSystem final : public Target {
public:
    NoSystem(CompletionHandler handler, bool uses_events)
        : handler_(std::move(handler)), uses_events_(uses_events) {}
    Result<> send(const Event&, std::uint64_t token) override {
        const Completion completion{token, Outcome::handled};
        handler_({&completion, 1}, base::monotonic_now());
        return {};
    }
    Result<> drain(Duration) override { return {}; }
    bool uses_events() const noexcept override { return uses_events_; }

private:
    CompletionHandler handler_;
    bool uses_events_;
};

/// A client in closed loop for 20 ms at a time.
void inject(State& state, bool uses_events) {
    constexpr Duration kLoad = 20ms;
    const auto phase = lab::maximum_phase(kLoad);
    lab::Workload workload({});
    base::SteadyClock clock;
    lab::Pacer pacer(clock, lab::Pacing::precise, 0ns);
    std::uint64_t events = 0;
    Duration spent{};
    Allocations used;
    for (auto _ : state) {
        state.PauseTiming();
        lab::PhaseRun run(phase, {.events_before = events}, clock.now(), workload, clock, pacer);
        NoSystem target(
            [&run](std::span<const Completion> batch, TimePoint at) { run.completed(batch, at); },
            uses_events);
        const auto before = allocations();
        const TimePoint begin = clock.now();
        state.ResumeTiming();
        run.run(target);
        state.PauseTiming();
        spent += clock.now() - begin;
        used += allocations() - before;
        events += run.handled();
        state.ResumeTiming();
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(events));
    state.counters["ns_per_event"] =
        std::chrono::duration<double, std::nano>(spent).count() / static_cast<double>(events);
    report_events(state, events, used);
}

}  // namespace

void register_benchmarks() {
    add("clock", read_clock);
    add("histogram/record", record);
    add("histogram/snapshot", take_snapshot);
    add("histogram/merge/histograms:8", merge);
    add("ledger/send_and_end", keep_ledger);
    for (const auto& [name, pattern, arrivals] :
         {std::tuple("constant", "steady:10000,1h", "constant"),
          std::tuple("poisson", "steady:10000,1h", "poisson"),
          std::tuple("ramp", "ramp:1000,10000,1h", "constant")}) {
        add(fmt::format("schedule/{}", name),
            [pattern = pattern, arrivals = arrivals](State& state) {
                find_due_times(state, pattern, arrivals);
            });
    }
    for (const std::uint64_t payload_bytes : {64, 1024, 8192}) {
        add(fmt::format("workload/payload:{}", payload_bytes),
            [payload_bytes](State& state) { make_events(state, payload_bytes); });
    }
    add("wait/precise/every:100us", [](State& state) { wait(state, lab::Pacing::precise); });
    add("wait/coalesced/every:100us", [](State& state) { wait(state, lab::Pacing::coalesced); });
    add("injector/content:none", [](State& state) { inject(state, false); });
    add("injector/content:1024", [](State& state) { inject(state, true); });
    register_analysis();
}

}  // namespace crucible::bench
