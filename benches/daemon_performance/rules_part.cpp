// What rules cost: the daemon's throughput with many of them, and a decision alone.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/clock.h"
#include "daemon_performance/daemon_publisher.h"
#include "daemon_performance/parts.h"
#include "daemon_performance/rule_mix.h"
#include "daemon_performance/trial.h"
#include "runtime/route/rule_file.h"
#include "runtime/route/rule_table.h"
#include "support/crucibled_process.h"
#include "support/publisher_events.h"

namespace crucible::bench {
namespace {

constexpr std::size_t kRules[] = {10, 100, 1'000, 10'000, 100'000};
constexpr std::size_t kRulesSmoke = 1'000;  ///< at most
/// Records come from the sources that so many rules are about.
constexpr std::size_t kRulesOfSources = 10'000;
/// More than a branch predictor learns by heart.
constexpr std::size_t kEvents = 4096;
constexpr std::size_t kMeanPayload = 1280;
struct MatchingRules {
    Matching matching;
    std::size_t rules;  ///< that match each event
};
constexpr MatchingRules kMatchingRules[] = {{Matching::one, 1}, {Matching::three, 3}};
constexpr std::size_t kDecisionsBetweenLooks = 1024;

/// The instances of a daemon with six services.
std::vector<runtime::InstanceInfo> instances() {
    std::vector<runtime::InstanceInfo> all;
    for (const auto category : {Category::filesystem, Category::database, Category::external,
                                Category::mcp, Category::service, Category::system})
        all.push_back({fmt::format("{}-1", to_string(category)), {category}});
    return all;
}

NextEvent in_turn(const std::vector<Event>& events) {
    return [&events, at = std::size_t{0}]() mutable -> const Event& {
        at = at + 1 == events.size() ? 0 : at + 1;
        return events[at];
    };
}

/// Records of the sources of `events`, which the database inserts.
NextEvent records_from(const std::vector<Event>& events) {
    return [record = Event{}, records = records(1, kMeanPayload),
            source = in_turn(events)]() mutable -> const Event& {
        record = records();
        record.source = source().source;
        return record;
    };
}

Result<double> daemon_throughput(std::string_view work, const std::filesystem::path& file,
                                 NextEvent next, Duration length) {
    const auto daemon = start_crucibled({.work = work, .rules = file});
    if (!daemon) return std::unexpected(daemon.error());
    auto publisher = DaemonPublisher::connect(crucibled_socket(*daemon), std::move(next));
    if (!publisher) return std::unexpected(publisher.error());
    return measure_throughput(**publisher, kMeanPayload, length);
}

/// Seconds for a decision on events that `matching` rules match.
Result<double> decision_time(const runtime::RuleTable& table, const std::vector<Event>& events,
                             std::size_t matching, Duration length) {
    const runtime::InstanceStates states(instances().size());
    const runtime::RouteState now{.instances = &states};
    std::uint64_t decisions = 0;
    std::uint64_t matched = 0;
    std::size_t at = 0;
    const TimePoint begin = base::monotonic_now();
    TimePoint end = begin;
    while (end - begin < length) {
        for (std::size_t i = 0; i < kDecisionsBetweenLooks; ++i) {
            matched += table.route(runtime::view_of(events[at]), now).ranks().size();
            at = at + 1 == events.size() ? 0 : at + 1;
        }
        decisions += kDecisionsBetweenLooks;
        end = base::monotonic_now();
    }
    // It also keeps the decisions from being optimized away.
    if (matched != decisions * matching)
        return std::unexpected(Error{Errc::failed, "the rules do not match as they should"});
    return std::chrono::duration<double>(end - begin).count() / static_cast<double>(decisions);
}

/// All that is made before the rounds, of one number of rules.
struct RuleCount {
    std::size_t rules = 0;
    std::filesystem::path file;
    std::filesystem::path records_file;  ///< the same rules, and one for records
    std::shared_ptr<const runtime::RuleTable> table;
};

Result<> prepare(const Options& options, const base::TempDir& directory,
                 std::vector<RuleCount>& counts) {
    for (const std::size_t count : kRules) {
        if (options.smoke && count > kRulesSmoke) continue;
        counts.push_back({.rules = count,
                          .file = directory.path() / fmt::format("{}.toml", count),
                          .records_file = directory.path() / fmt::format("{}-records.toml", count),
                          .table = nullptr});
        auto set = rule_mix(count);
        auto table = runtime::RuleTable::compile(set, instances());
        if (!table) return std::unexpected(table.error());
        counts.back().table = *std::move(table);
        if (auto written = base::write_file(counts.back().file, runtime::format_rules(set));
            !written)
            return written;
        set.rules.push_back(rule_for_records());
        if (auto written = base::write_file(counts.back().records_file, runtime::format_rules(set));
            !written)
            return written;
    }
    return {};
}

void ask(const Options& options, Rounds& rounds, const MatchingRules& kind,
         const std::vector<RuleCount>& counts) {
    const auto length = options.trial_length();
    std::vector<Arm> daemons;
    std::vector<Arm> decisions;
    for (const auto& count : counts) {
        const auto name = fmt::format("{} rules", count.rules);
        const auto events = std::make_shared<const std::vector<Event>>(
            events_for(count.rules, kind.matching, kEvents, options.seed));
        daemons.push_back({name, "crucibled --rules, --work none", [&, events] {
                               return one_value(
                                   daemon_throughput("none", count.file, in_turn(*events), length));
                           }});
        decisions.push_back({name, "RuleTable::route() in one thread", [&, events] {
                                 return one_value(
                                     decision_time(*count.table, *events, kind.rules, length / 2));
                             }});
    }
    const auto matching = fmt::format("{} matching rule{}", kind.rules, kind.rules == 1 ? "" : "s");
    rounds.ask({.part = "rules",
                .text = fmt::format("one publisher, 512 B and 2 KiB, {}", matching),
                .measures = {throughput_measure()},
                .arms = std::move(daemons),
                .first_to_other = false,
                .ratio_label = "to 10"});
    rounds.ask({.part = "rules",
                .text = fmt::format("a decision alone, {}", matching),
                .measures = {{"routing_time", "s", "lower", "ns", 1e9}},
                .arms = std::move(decisions),
                .first_to_other = false,
                .ratio_label = "to 10"});
}

/// Each event a record, and a row in SQLite. The sources are the same whatever the number of rules,
/// as rows of many sources are slower to insert than those of few.
void ask_with_work(const Options& options, Rounds& rounds, const std::vector<RuleCount>& counts) {
    const auto length = options.trial_length();
    const auto events = std::make_shared<const std::vector<Event>>(
        events_for(kRulesOfSources, Matching::one, kEvents, options.seed));
    std::vector<Arm> daemons;
    for (const auto& count : counts) {
        daemons.push_back(
            {fmt::format("{} rules", count.rules), "crucibled --rules, --work real", [&, events] {
                 return one_value(
                     daemon_throughput("real", count.records_file, records_from(*events), length));
             }});
    }
    rounds.ask({.part = "rules",
                .text = "one publisher, records of 1,280 B, one more rule, which matches",
                .measures = {throughput_measure()},
                .arms = std::move(daemons),
                .first_to_other = false,
                .ratio_label = "to 10"});
}

}  // namespace

void rules_part(const Options& options, Rounds& rounds) {
    const auto directory = base::TempDir::make("rules");
    if (!directory) return rounds.fail("rules", directory.error());
    std::vector<RuleCount> counts;
    if (const auto prepared = prepare(options, *directory, counts); !prepared)
        return rounds.fail("rules", prepared.error());
    for (const auto& kind : kMatchingRules) ask(options, rounds, kind, counts);
    ask_with_work(options, rounds, counts);
}

}  // namespace crucible::bench
