#include "lab/scale/bottleneck.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/units.h"
#include "lab/scale/bottleneck_rules.h"

namespace crucible::lab::scale {
namespace {

constexpr std::uint64_t kSamplesMin = 30;    ///< below: any share is chance
constexpr std::uint64_t kSamplesGood = 100;  ///< a share of 0.5 is known to 0.1
constexpr double kClear = 1.25;              ///< of a threshold: well beyond it
constexpr double kClose = 0.8;               ///< of a threshold: almost there

struct Wording {
    Bottleneck bottleneck;
    std::string_view name;
    std::string_view described;
    std::string_view reason;  ///< where it is the verdict
    std::string_view intervention;
};

constexpr std::array<Wording, kBottleneckCount> kWordings{{
    {Bottleneck::client_limited, "client_limited", "the load generator",
     "the load generator could not make the load: the system's own limit lies higher",
     "more --clients, a lower --rate, or cores for the clients alone"},
    {Bottleneck::quota_throttled, "quota_throttled", "a CPU quota",
     "a CPU quota stopped the system's threads while they had work", "a larger quota, or none"},
    {Bottleneck::headroom, "headroom", "nothing",
     "the system did all that was asked of it, as was asked: nothing binds at this load", ""},
    {Bottleneck::memory_pressure, "memory_pressure", "memory",
     "the system's threads waited for memory: pages had to be made, read or reclaimed first",
     "more memory, a larger limit, or a smaller working set"},
    {Bottleneck::io, "io", "storage",
     "the system's threads were blocked in storage for most of the time",
     "durability=normal where the system has it, larger batches, or a faster disk"},
    {Bottleneck::lock_contention, "lock_contention", "a lock",
     "the system's threads waited for a lock that another of them held",
     "less work under the lock, or shards with a lock each; more workers would not help"},
    {Bottleneck::back_pressure, "back_pressure", "what is behind the system",
     "the system waited for somebody else while processors had room",
     "a faster peer, more requests under way to it, or more workers"},
    {Bottleneck::noisy_neighbour, "noisy_neighbour", "other programs",
     "others used the processors while the system's threads were ready and had none",
     "the same measurement without the neighbours"},
    {Bottleneck::cpu_bound, "cpu_bound", "the processors",
     "the processors were in use all the time",
     "less work for each event (work=none shows how much is the handlers'), or more cores"},
    {Bottleneck::workers, "workers", "the number of workers",
     "a thread of the system was busy all the time while processors had room", "one more worker"},
    {Bottleneck::mixed, "mixed", "several resources",
     "several resources were near their limits, and none of them decisive",
     "the interventions of those that came nearest, one at a time"},
    {Bottleneck::unknown, "unknown", "not known",
     "there is a limit, and nothing that was looked at shows what it is", ""},
}};

const Wording& wording_of(Bottleneck bottleneck) {
    return *std::ranges::find(kWordings, bottleneck, &Wording::bottleneck);
}

std::string amount(double value, std::string_view unit) {
    if (unit == "1") return fmt::format("{:.3g} %", value * 100);
    if (unit == "s") return base::format_duration(value);
    return fmt::format("{:.3g} {}", value, unit);
}

/// The way in which it holds, else the one that came nearest.
const Conditions& nearest_way(const RuleWays& rule) {
    return *std::ranges::max_element(rule.ways, {},
                                     [](const Conditions& way) { return nearness(way); });
}

bool holds(const Conditions& way) {
    return std::ranges::all_of(way, &BottleneckFigure::met);
}

std::string why_excluded(const BottleneckRule& rule) {
    std::string why;
    for (const auto& figure : rule.figures) {
        if (rule.holds != figure.met) continue;
        why += (why.empty() ? "" : "; ") + figure.text();
    }
    return why;
}

BottleneckRule ask(const RuleWays& asked) {
    const auto held = std::ranges::find_if(asked.ways, holds);
    BottleneckRule rule{.verdict = asked.verdict, .holds = held != asked.ways.end()};
    rule.figures = rule.holds ? *held : nearest_way(asked);
    rule.why = why_excluded(rule);
    return rule;
}

/// What processors that are busy say more about, where counters are to be had.
std::string stall_cause(const ActivityReport& activity) {
    constexpr double few_instructions = 1;  // of the four or more that a cycle could have
    constexpr double many_misses = 10;      // per 1,000 instructions
    if (!activity.instructions_per_cycle || !activity.cache_misses_per_kilo_instruction) {
        return fmt::format(
            ": CPU-saturated, stall cause unknown ({})",
            activity.why_no_counters.empty() ? "no hardware counters" : activity.why_no_counters);
    }
    const double instructions = *activity.instructions_per_cycle;
    const double misses = *activity.cache_misses_per_kilo_instruction;
    const bool stalled = instructions < few_instructions;
    const char* const cause = !stalled                ? "the processors do work"
                              : misses >= many_misses ? "they wait for memory"
                                                      : "they stall, not for memory";
    return fmt::format(": {}, {:.2f} instructions a cycle, {:.1f} cache misses per 1,000", cause,
                       instructions, misses);
}

/// Rules that came near their thresholds; two of them are a mixture.
std::vector<Bottleneck> near_ones(const std::vector<RuleWays>& rules) {
    std::vector<std::pair<double, Bottleneck>> near;
    for (const auto& rule : rules) {
        if (rule.verdict == Bottleneck::headroom || rule.verdict == Bottleneck::client_limited)
            continue;
        const double how = nearness(nearest_way(rule));
        if (how >= threshold::kNear) near.emplace_back(how, rule.verdict);
    }
    std::ranges::sort(near, std::greater{});
    std::vector<Bottleneck> verdicts;
    for (const auto& [how, verdict] : near) verdicts.push_back(verdict);
    return verdicts;
}

struct Assessed {
    Confidence confidence;
    std::string why;
};

/// Well beyond its threshold; where a share cannot get so far, half-way to its end.
bool is_clear(const BottleneckFigure& figure) {
    if (!figure.observed) return false;
    if (!figure.at_least) return *figure.observed * kClear <= figure.threshold;
    return *figure.observed >=
           std::min(figure.threshold * kClear, (figure.threshold + figure.most) / 2);
}

/// Rules that come before the verdict and could not be asked.
std::string unmeasured_before(const BottleneckJudgement& judgement) {
    std::string names;
    for (const auto& rule : judgement.excluded) {
        if (rule.verdict > judgement.verdict) break;
        const bool unmeasured = std::ranges::none_of(
            rule.figures, [](const auto& figure) { return figure.observed.has_value(); });
        if (unmeasured)
            names += fmt::format("{}{}", names.empty() ? "" : ", ", described(rule.verdict));
    }
    return names.empty() ? names : fmt::format(" but those not measured: {}", names);
}

Assessed confidence_of(const BottleneckJudgement& judgement, const BottleneckEvidence& evidence,
                       const std::vector<RuleWays>& rules) {
    const auto samples = evidence.activity.samples;
    if (samples < kSamplesMin) return {Confidence::low, fmt::format("only {} samples", samples)};
    if (!evidence.activity.why_blind.empty()) return {Confidence::low, evidence.activity.why_blind};
    if (judgement.verdict == Bottleneck::mixed || judgement.verdict == Bottleneck::unknown)
        return {Confidence::low, "no rule holds"};
    for (const auto& rule : rules) {
        if (rule.verdict == judgement.verdict) break;
        if (rule.verdict != Bottleneck::headroom && nearness(nearest_way(rule)) >= kClose)
            return {Confidence::medium, fmt::format("{} came within a fifth of its threshold",
                                                    described(rule.verdict))};
    }
    for (const auto& figure : judgement.evidence)
        if (figure.assumed) return {Confidence::medium, figure.what + ": not measured"};
    if (judgement.verdict != Bottleneck::headroom &&
        !std::ranges::all_of(judgement.evidence, is_clear))
        return {Confidence::medium, "less than a quarter beyond its threshold"};
    if (samples < kSamplesGood)
        return {Confidence::medium, fmt::format("only {} samples", samples)};
    return {Confidence::high, fmt::format("{} samples, clear of all thresholds{}", samples,
                                          unmeasured_before(judgement))};
}

}  // namespace

std::string_view to_string(Bottleneck bottleneck) noexcept {
    return wording_of(bottleneck).name;
}

std::string_view described(Bottleneck bottleneck) noexcept {
    return wording_of(bottleneck).described;
}

std::string_view to_string(Confidence confidence) noexcept {
    switch (confidence) {
        case Confidence::low:
            return "low";
        case Confidence::medium:
            return "medium";
        case Confidence::high:
            return "high";
    }
    std::unreachable();
}

std::string BottleneckFigure::text() const {
    const auto bound =
        fmt::format("{} {}", at_least ? "at least" : "below", amount(threshold, unit));
    if (assumed) return fmt::format("{} not measured, taken for none ({})", what, bound);
    if (!observed) return fmt::format("{} not measured ({})", what, bound);
    return fmt::format("{} {} ({})", what, amount(*observed, unit), bound);
}

BottleneckJudgement judge_bottleneck(const BottleneckEvidence& evidence) {
    const auto rules = rule_ways(evidence);
    BottleneckJudgement judgement;
    bool decided = false;
    for (const auto& each : rules) {
        auto rule = ask(each);
        if (rule.holds && !decided) {
            decided = true;
            judgement.verdict = rule.verdict;
            judgement.evidence = std::move(rule.figures);
        } else {
            judgement.excluded.push_back(std::move(rule));
        }
    }
    const auto near = decided ? std::vector<Bottleneck>() : near_ones(rules);
    if (near.size() >= 2) judgement.verdict = Bottleneck::mixed;
    const auto& wording = wording_of(judgement.verdict);
    judgement.reason = wording.reason;
    judgement.intervention = wording.intervention;
    if (judgement.verdict == Bottleneck::cpu_bound)
        judgement.reason += stall_cause(evidence.activity);
    if (judgement.verdict == Bottleneck::workers) {
        judgement.reason += fmt::format(": {}", evidence.activity.system().busiest_thread);
    }
    if (judgement.verdict == Bottleneck::mixed) {
        judgement.reason += fmt::format(": {} and {}", described(near[0]), described(near[1]));
    }
    if (judgement.verdict != Bottleneck::headroom && !evidence.limit.empty())
        judgement.reason += fmt::format(" ({})", evidence.limit);
    const auto [confidence, why] = confidence_of(judgement, evidence, rules);
    judgement.confidence = confidence;
    judgement.why_confidence = why;
    return judgement;
}

}  // namespace crucible::lab::scale
