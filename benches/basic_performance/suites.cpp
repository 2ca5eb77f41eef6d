#include "basic_performance/suites.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <time.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "basic_performance/stage.h"
#include "support/micro_bench.h"

namespace crucible::bench {
namespace {

using benchmark::State;

constexpr std::uint64_t kPayloads[] = {512, 2048, 8192};
constexpr std::size_t kBatches[] = {100, 1000, 5000};
constexpr Kind kKinds[] = {Kind::router, Kind::coordinator};
constexpr runtime::Work kWorks[] = {runtime::Work::none, runtime::Work::real};
constexpr Duration kRequestLimit = std::chrono::minutes(1);

void skip(State& state, const Error& error) {
    const auto text = fmt::format("{}: {}", crucible::to_string(error.code), error.message);
    state.SkipWithError(text.c_str());
}

/// Finding the service instance of an event, nothing else.
void route(State& state, std::uint64_t payload_bytes) {
    auto directory = base::TempDir::make("bench");
    if (!directory) return skip(state, directory.error());
    auto services = runtime::ServiceSet::open(
        {.data_directory = directory->path(), .services = 12, .work = runtime::Work::none});
    if (!services) return skip(state, services.error());
    auto stage = Stage::open({.payload_bytes = payload_bytes});
    if (!stage) return skip(state, stage.error());
    // More events than a branch predictor learns by heart.
    const auto events = (*stage)->next_events(1000);
    std::size_t next = 0;
    bool all_found = true;
    const auto before = allocations();
    for (auto _ : state) {
        const auto service = (*services)->route(events[next]);
        all_found &= service.has_value();
        benchmark::DoNotOptimize(service);
        next = next + 1 == events.size() ? 0 : next + 1;
    }
    const auto used = allocations() - before;
    if (!all_found) return state.SkipWithError("an event found no service");
    state.SetItemsProcessed(state.iterations());
    report_events(state, static_cast<std::uint64_t>(state.iterations()), used);
}

/// What the clock runs for.
enum class Until : std::uint8_t {
    accepted,  ///< publish() has returned for every event
    handled,   ///< every event is acknowledged: its work is done
};

/// One iteration is a batch of fresh events, made and checked while the clock stands. The batch
/// before the first is not measured: it fills pools, caches and prepared statements.
void publish(State& state, const StageOptions& options, std::size_t batch, Until until) {
    auto opened = Stage::open(options);
    if (!opened) return skip(state, opened.error());
    Stage& stage = **opened;
    Result<> done = stage.publish(stage.next_events(batch));
    if (done) done = stage.finish();
    if (!done) return skip(state, done.error());

    Allocations used;
    for (auto _ : state) {
        state.PauseTiming();
        const auto events = stage.next_events(batch);
        const auto before = allocations();
        state.ResumeTiming();

        done = stage.publish(events);
        if (done && until == Until::handled) done = stage.finish();

        state.PauseTiming();
        used += allocations() - before;
        if (done && until == Until::accepted) done = stage.finish();
        state.ResumeTiming();
        if (!done) {
            skip(state, done.error());
            break;
        }
    }
    const auto events = static_cast<std::uint64_t>(state.iterations()) * batch;
    state.SetItemsProcessed(static_cast<std::int64_t>(events));
    state.SetBytesProcessed(static_cast<std::int64_t>(events * options.payload_bytes));
    report_events(state, events, used);
}

bool answered(State& state, const Result<Response>& response) {
    if (!response) {
        skip(state, response.error());
    } else if (response->outcome != Outcome::handled) {
        skip(state, Error{Errc::failed, response->reason});
    } else {
        return true;
    }
    return false;
}

/// One iteration is one request and its response. Fresh events are made while the clock stands.
void request(State& state, const StageOptions& options) {
    constexpr std::size_t kRefill = 200;
    auto opened = Stage::open(options);
    if (!opened) return skip(state, opened.error());
    Stage& stage = **opened;
    std::span<const Event> events = stage.next_events(kRefill);
    for (const auto& event : events) {
        if (!answered(state, stage.coordinator().request(event, kRequestLimit))) return;
    }
    std::size_t next = events.size();
    Allocations used;
    Allocations before = allocations();
    for (auto _ : state) {
        if (next == events.size()) {
            state.PauseTiming();
            used += allocations() - before;
            events = stage.next_events(kRefill);
            next = 0;
            before = allocations();
            state.ResumeTiming();
        }
        const auto response = stage.coordinator().request(events[next++], kRequestLimit);
        benchmark::DoNotOptimize(response);
        if (!answered(state, response)) break;
    }
    used += allocations() - before;
    state.SetItemsProcessed(state.iterations());
    report_events(state, static_cast<std::uint64_t>(state.iterations()), used);
}

Duration process_cpu() noexcept {
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

/// Several threads ask one coordinator. Without work, so that the same events may be asked again
/// and no thread has to stop to make new ones.
class ConcurrentRequests {
public:
    explicit ConcurrentRequests(Kind kind) : kind_(kind) {}

    void operator()(State& state) {
        if (state.thread_index() == 0) open(state);
        // The loop starts with a barrier: what thread 0 opened is there for the others.
        std::size_t next = static_cast<std::size_t>(state.thread_index()) * 17;
        for (auto _ : state) {
            if (stage_ == nullptr) {
                state.SkipWithError("the coordinator could not be opened");
                break;
            }
            const auto response =
                stage_->coordinator().request(events_[next % events_.size()], kRequestLimit);
            benchmark::DoNotOptimize(response);
            if (!answered(state, response)) break;
            ++next;
        }
        // It ends with a barrier too: nobody uses the stage any more.
        if (state.thread_index() != 0 || stage_ == nullptr) return;
        // Google Benchmark averages the threads' own times, which is too little where they did not
        // all run at once.
        const std::chrono::duration<double> wall = base::monotonic_now() - started_;
        const std::chrono::duration<double> cpu = process_cpu() - cpu_before_;
        const auto events = static_cast<std::uint64_t>(state.iterations() * state.threads());
        state.counters["items_per_second"] = static_cast<double>(events) / wall.count();
        state.counters["cpu_per_event"] = cpu.count() / static_cast<double>(events);
        report_events(state, events, allocations() - before_);
        stage_.reset();
    }

private:
    void open(State& state) {
        auto opened = Stage::open({.kind = kind_});
        if (!opened) return skip(state, opened.error());
        stage_ = std::move(*opened);
        events_ = stage_->next_events(1000);
        for (const auto& event : events_) {
            if (!answered(state, stage_->coordinator().request(event, kRequestLimit))) return;
        }
        before_ = allocations();
        cpu_before_ = process_cpu();
        started_ = base::monotonic_now();
    }

    Kind kind_;
    std::unique_ptr<Stage> stage_;
    std::span<const Event> events_;
    Allocations before_;
    Duration cpu_before_{};
    TimePoint started_;
};

void register_batches(std::uint64_t payload_bytes, std::size_t batch) {
    const auto size = fmt::format("events:{}/payload:{}", batch, payload_bytes);
    add(fmt::format("publish/coordinator/work:none/{}", size), [=](State& state) {
        publish(state, {.payload_bytes = payload_bytes}, batch, Until::accepted);
    });
    for (const Kind kind : kKinds) {
        for (const auto work : kWorks) {
            add(fmt::format("handle/{}/work:{}/{}", to_string(kind), to_string(work), size),
                [=](State& state) {
                    publish(state, {.kind = kind, .work = work, .payload_bytes = payload_bytes},
                            batch, Until::handled);
                });
        }
    }
}

void register_requests() {
    for (const Kind kind : kKinds) {
        for (const auto work : kWorks) {
            for (const auto payload_bytes : kPayloads) {
                add(fmt::format("request/{}/work:{}/payload:{}", to_string(kind), to_string(work),
                                payload_bytes),
                    [=](State& state) {
                        request(state,
                                {.kind = kind, .work = work, .payload_bytes = payload_bytes});
                    });
            }
        }
        const auto shared = std::make_shared<ConcurrentRequests>(kind);
        for (const int threads : {1, 2, 4, 8}) {
            add(fmt::format("concurrent_request/{}/work:none/payload:2048", to_string(kind)),
                [shared](State& state) { (*shared)(state); })
                ->Threads(threads);
        }
    }
}

}  // namespace

void register_benchmarks() {
    for (const auto payload_bytes : kPayloads) {
        add(fmt::format("route/payload:{}", payload_bytes),
            [=](State& state) { route(state, payload_bytes); });
    }
    register_routing_benchmarks();
    for (const auto payload_bytes : kPayloads) {
        for (const auto batch : kBatches) register_batches(payload_bytes, batch);
    }
    register_requests();
    for (const auto work : kWorks) {
        for (const std::uint32_t workers : {1u, 2u, 4u, 8u}) {
            add(fmt::format("concurrent_handle/coordinator/work:{}/workers:{}", to_string(work),
                            workers),
                [=](State& state) {
                    publish(state, {.work = work, .workers = workers}, 1000, Until::handled);
                });
        }
    }
}

}  // namespace crucible::bench
