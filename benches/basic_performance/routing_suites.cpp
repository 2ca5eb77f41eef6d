#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/rng.h"
#include "basic_performance/suites.h"
#include "runtime/event/uuid.h"
#include "runtime/route/rule_table.h"
#include "runtime/route/seen_events.h"
#include "support/micro_bench.h"

namespace crucible::bench {
namespace {

using benchmark::State;
using namespace runtime;

constexpr std::size_t kRules[] = {10, 10'000, 100'000};
/// More than a branch predictor learns by heart.
constexpr std::size_t kEvents = 1000;

std::vector<InstanceInfo> instances() {
    return {{"database-1", {Category::database}}, {"database-2", {Category::database}}};
}

Pattern pattern(const std::string& text) {
    return *Pattern::parse(text);
}

/// Rules of five kinds, each about events of its own.
RuleSet rules(std::size_t count) {
    RuleSet set;
    for (std::size_t i = 0; i < count; ++i) {
        Rule rule{.id = fmt::format("rule-{}", i), .action = ToPool{"database"}};
        const std::size_t number = i / 5;
        switch (i % 5) {
            case 0:
                rule.filter.type = pattern(fmt::format("record-{}.created", number));
                break;
            case 1:
                rule.filter.type = pattern(fmt::format("record-{}.**", number));
                rule.filter.payload_bytes_min = 4096;
                break;
            case 2:
                rule.filter.source = pattern(fmt::format("client-{}", number));
                rule.filter.event_priorities = {Priority::critical};
                break;
            case 3:
                rule.filter.type = pattern("record.*");
                rule.filter.source = pattern(fmt::format("client-{}", number));
                break;
            case 4:
                rule.filter.targets = {fmt::format("service-{}", number)};
                break;
        }
        set.rules.push_back(std::move(rule));
    }
    return set;
}

/// Half of them about something that a rule is about.
std::vector<Event> events(std::size_t rules) {
    base::Rng random(1);
    std::vector<Event> made(kEvents);
    for (auto& event : made) {
        const std::uint64_t number = random.below(2 * rules / 5);
        event.category = Category::database;
        event.type = fmt::format("record-{}.created", number);
        event.source = fmt::format("client-{}", number);
        event.payload.resize(random.below(8192));
    }
    return made;
}

/// The decision for one event: what a coordinator does before its queue.
void route_by_rules(State& state, std::size_t count) {
    const auto table = RuleTable::compile(rules(count), instances());
    if (!table) return state.SkipWithError(table.error().message.c_str());
    const auto made = events(count);
    const InstanceStates states(instances().size());
    const RouteState now{.instances = &states};
    // Half of the events, by chance; none would mean that the cost of no match is measured.
    const auto matching = std::ranges::count_if(
        made, [&](const Event& event) { return !(*table)->route(view_of(event), now).empty(); });
    if (matching < static_cast<std::ptrdiff_t>(kEvents / 4))
        return state.SkipWithError("too few events match a rule");
    std::size_t next = 0;
    std::uint64_t lookups = 0;
    const auto before = allocations();
    for (auto _ : state) {
        const Decision decision = (*table)->route(view_of(made[next]), now);
        benchmark::DoNotOptimize(decision.ranks().data());
        lookups += decision.cost.lookups;
        next = next + 1 == made.size() ? 0 : next + 1;
    }
    const auto used = allocations() - before;
    const auto routed = static_cast<std::uint64_t>(state.iterations());
    state.SetItemsProcessed(state.iterations());
    state.counters["lookups_per_event"] =
        static_cast<double>(lookups) / static_cast<double>(routed);
    report_events(state, routed, used);
}

void pick(State& state, Strategy strategy) {
    constexpr std::size_t kMembers = 8;
    std::vector<Pool::Member> members;
    for (std::size_t i = 0; i < kMembers; ++i)
        members.push_back({i, static_cast<std::uint32_t>(i + 1), static_cast<std::int32_t>(i / 2)});
    Pool pool(members);
    const InstanceStates states(kMembers);
    std::vector<std::string> sources;
    for (std::size_t i = 0; i < 64; ++i) sources.push_back(fmt::format("client-{}", i));
    std::size_t next = 0;
    const auto before = allocations();
    for (auto _ : state) {
        auto chosen = pool.pick(strategy, sources[next], states);
        benchmark::DoNotOptimize(chosen);
        next = (next + 1) % sources.size();
    }
    const auto used = allocations() - before;
    state.SetItemsProcessed(state.iterations());
    report_events(state, static_cast<std::uint64_t>(state.iterations()), used);
}

/// Looking for an event that was not seen (and noting it), or for one that was.
void see(State& state, std::size_t events_max, bool repeated) {
    SeenEvents seen({.events_max = events_max, .window = std::chrono::hours(1)}, HashKey::random());
    base::Rng random(1);
    const TimePoint now = base::monotonic_now();
    std::vector<Uuid> ids;
    for (std::size_t i = 0; i < events_max; ++i)
        ids.push_back(make_uuid_v7(WallTime(std::chrono::hours(1)), random));
    for (const auto& id : ids) seen.see(id, now);
    // A new id differs from the old ones in these bits alone.
    std::uint64_t fresh = 0;
    Uuid id = ids.front();
    const auto before = allocations();
    for (auto _ : state) {
        if (repeated) {
            id = ids[random.below(ids.size())];
        } else {
            ++fresh;
            for (std::size_t i = 0; i < 6; ++i)
                id.bytes[i] = static_cast<std::uint8_t>(fresh >> (8 * i));
        }
        auto sighting = seen.see(id, now);
        benchmark::DoNotOptimize(sighting);
    }
    const auto used = allocations() - before;
    state.SetItemsProcessed(state.iterations());
    report_events(state, static_cast<std::uint64_t>(state.iterations()), used);
}

}  // namespace

void register_routing_benchmarks() {
    for (const std::size_t count : kRules) {
        add(fmt::format("rules/rules:{}", count),
            [=](State& state) { route_by_rules(state, count); });
    }
    for (std::size_t i = 0; i < kStrategyCount; ++i) {
        const auto strategy = static_cast<Strategy>(i);
        add(fmt::format("pick/{}/members:8", runtime::to_string(strategy)),
            [=](State& state) { pick(state, strategy); });
    }
    for (const std::size_t events_max : {1000u, 1'000'000u}) {
        add(fmt::format("seen/first/events:{}", events_max),
            [=](State& state) { see(state, events_max, false); });
        add(fmt::format("seen/repeated/events:{}", events_max),
            [=](State& state) { see(state, events_max, true); });
    }
}

}  // namespace crucible::bench
