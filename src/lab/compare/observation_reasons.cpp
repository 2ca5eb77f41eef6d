#include "lab/compare/observation_reasons.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "lab/compare/overall.h"

namespace crucible::lab {
namespace {

/// All files of both sides, the baseline's first.
std::vector<const StoredFile*> files_of(const StoredResult& baseline,
                                        const StoredResult& candidate) {
    std::vector<const StoredFile*> files;
    for (const auto* result : {&baseline, &candidate}) {
        for (const auto& file : result->files) files.push_back(&file);
    }
    return files;
}

/// "cpu: A against B": where the file differs from the first of all.
std::string machine_difference(const StoredFile& first, const StoredFile& other) {
    for (const auto& [name, value] : first.machine) {
        const auto found =
            std::ranges::find(other.machine, name, &std::pair<std::string, std::string>::first);
        if (found == other.machine.end())
            return fmt::format("{}: {} against what {} does not say", name, value, other.path);
        if (found->second != value)
            return fmt::format("{}: {} against {} ({})", name, value, found->second, other.path);
    }
    return {};
}

std::string facts(const StoredFile& file) {
    std::vector<std::string> parts;
    for (const auto& [name, value] : file.machine)
        parts.push_back(fmt::format("{} {}", name, value));
    return fmt::format("{}", fmt::join(parts, ", "));
}

Check same_machine(const std::vector<const StoredFile*>& files, std::string& withheld) {
    Check check{.name = "same_machine"};
    const auto unknown =
        std::ranges::find_if(files, [](const StoredFile* file) { return file->machine.empty(); });
    if (unknown != files.end()) {
        check.passed = false;
        check.detail =
            fmt::format("not known: {} does not say where it was measured", (*unknown)->path);
        return check;
    }
    for (const auto* file : files) {
        check.detail = machine_difference(*files.front(), *file);
        if (check.detail.empty()) continue;
        check.passed = false;
        withheld = "not measured on the same machine, " + check.detail;
        return check;
    }
    check.passed = true;
    check.detail = facts(*files.front());
    return check;
}

Check same_scenario(const StoredResult& baseline) {
    Check check{.name = "same_scenario", .passed = true};
    const auto& scenarios = baseline.scenarios;
    switch (baseline.kind) {
        case StoredKind::crucible_run:
            check.detail = fmt::format("{} scenario{} with the same load", scenarios.size(),
                                       scenarios.size() == 1 ? "" : "s");
            break;
        case StoredKind::google_benchmark:
            check.detail =
                fmt::format("{} benchmark{} of the same name{}", scenarios.size(),
                            scenarios.size() == 1 ? "" : "s", scenarios.size() == 1 ? "" : "s");
            break;
        case StoredKind::k6_summary:
            check.passed = false;
            check.detail = scenarios.front().load.empty()
                               ? "not known: a k6 summary does not say what was sent"
                               : "as many virtual users; a k6 summary does not say what they sent";
            break;
    }
    return check;
}

Check same_version(const std::vector<const StoredFile*>& files) {
    Check check{.name = "same_version", .passed = true};
    for (const auto* file : files) {
        if (file->version == files.front()->version) continue;
        check.passed = false;
        check.detail = fmt::format("{} against {}: what differs may be how it was measured",
                                   files.front()->version, file->version);
        return check;
    }
    check.detail = files.front()->version;
    return check;
}

/// Passes where no file has such a remark; else the remarks with their files.
Check without_remarks(std::string name, const std::vector<const StoredFile*>& files,
                      std::vector<std::string> StoredFile::*remarks, std::string good) {
    constexpr std::size_t kShown = 5;
    Check check{.name = std::move(name)};
    std::vector<std::string> found;
    for (const auto* file : files) {
        for (const auto& remark : file->*remarks)
            found.push_back(fmt::format("{}: {}", file->path, remark));
    }
    check.passed = found.empty();
    const auto more =
        found.size() > kShown ? fmt::format("; and {} more", found.size() - kShown) : std::string();
    found.resize(std::min(found.size(), kShown));
    check.detail =
        check.passed ? std::move(good) : fmt::format("{}", fmt::join(found, "; ")) + more;
    return check;
}

std::string fact(const std::string& scenario, const ObservedMetric& metric) {
    auto text = fmt::format("{}: {} looks {}", scenario, metric.name, to_string(metric.verdict));
    if (metric.ratio) {
        text += ", " + percent_text(*metric.ratio);
    } else if (metric.difference) {
        text += fmt::format(", {:+.3g} {}", metric.difference->value, metric.unit);
    }
    return text;
}

/// The command that measures both in turn, where their URLs are known and not the same.
std::string proof_text(const StoredResult& baseline, const StoredResult& candidate) {
    const auto& first = baseline.files.front().target;
    const auto& second = candidate.files.front().target;
    if (first.empty())
        return "for a proof, measure both in turn, as crucible compare A B does with two targets";
    if (first == second)
        return fmt::format(
            "both measured {}: for a proof, have both versions at hand and measure "
            "them in turn, as crucible compare A B does with a target for each",
            first);
    return fmt::format(
        "for a proof, measure both in turn: crucible compare {} {}, with the load "
        "options of these runs",
        base::shell_word(first), base::shell_word(second));
}

struct Tally {
    std::size_t better = 0;
    std::size_t worse = 0;
    std::size_t within = 0;
    std::size_t open = 0;
    std::vector<std::string> facts;
    std::optional<std::uint32_t> repetitions_needed;
    bool without_interval = false;

    std::size_t all() const { return better + worse + within + open; }
};

void count(const std::string& scenario, const ObservedMetric& metric, Tally& tally) {
    switch (metric.verdict) {
        case MetricVerdict::better:
            ++tally.better;
            tally.facts.push_back(fact(scenario, metric));
            break;
        case MetricVerdict::worse:
            ++tally.worse;
            tally.facts.push_back(fact(scenario, metric));
            break;
        case MetricVerdict::equivalent:
        case MetricVerdict::changed_within_margin:
            ++tally.within;
            break;
        case MetricVerdict::inconclusive:
            ++tally.open;
            break;
    }
    if (!metric.repetitions_needed) return;
    tally.repetitions_needed =
        std::max(tally.repetitions_needed.value_or(0), *metric.repetitions_needed);
    tally.without_interval |= metric.difference && !std::isfinite(metric.difference->ci_low);
}

Tally tally_of(const Observation& observation) {
    Tally tally;
    for (const auto& scenario : observation.scenarios) {
        for (const auto& metric : scenario.metrics) {
            if (metric.gated) count(scenario.name, metric, tally);
        }
    }
    return tally;
}

void add_findings(const StoredResult& baseline, const Observation& observation,
                  std::vector<std::string>& reasons) {
    constexpr std::size_t kShown = 20;
    auto tally = tally_of(observation);
    for (const auto& scenario : observation.scenarios) {
        if (scenario.baseline_repetitions > 0 && scenario.candidate_repetitions > 0) continue;
        reasons.push_back(
            fmt::format("{}: no repetition of the {} counts", scenario.name,
                        scenario.baseline_repetitions == 0 ? "baseline" : "candidate"));
    }
    const bool own = baseline.kind == StoredKind::crucible_run;
    reasons.push_back(fmt::format("of {} {}, {} better, {} worse, {} within the margin, {} open",
                                  tally.all(),
                                  own ? "gated metrics, by their looks"
                                      : "metrics, judged as one family (Holm), by their looks",
                                  tally.better, tally.worse, tally.within, tally.open));
    const std::size_t more = tally.facts.size() - std::min(tally.facts.size(), kShown);
    tally.facts.resize(tally.facts.size() - more);
    for (auto& text : tally.facts) reasons.push_back(std::move(text));
    if (more > 0) reasons.push_back(fmt::format("and {} more that look better or worse", more));
    if (!tally.repetitions_needed) return;
    reasons.push_back(
        tally.without_interval
            ? fmt::format("fewer repetitions than an interval needs: at least {} of each",
                          *tally.repetitions_needed)
            : fmt::format("too few repetitions for a difference among so many metrics: at least {} "
                          "of each",
                          *tally.repetitions_needed));
}

}  // namespace

std::vector<Check> observation_checks(const StoredResult& baseline, const StoredResult& candidate,
                                      std::string& withheld) {
    const auto files = files_of(baseline, candidate);
    std::vector<Check> checks{same_machine(files, withheld), same_scenario(baseline)};
    const bool versions =
        std::ranges::any_of(files, [](const StoredFile* file) { return !file->version.empty(); });
    if (versions) checks.push_back(same_version(files));
    checks.push_back(without_remarks("inputs_whole", files, &StoredFile::flaws,
                                     "nothing failed, nothing was interrupted"));
    if (baseline.kind == StoredKind::google_benchmark) {
        checks.push_back(without_remarks("same_context", files, &StoredFile::warnings,
                                         "a library built for release, no CPU scaling"));
    }
    return checks;
}

std::vector<std::string> observation_reasons(const StoredResult& baseline,
                                             const StoredResult& candidate,
                                             const Observation& observation) {
    std::vector<std::string> reasons{
        "observational: the two were not measured in turn, so that a drift of the machine between "
        "them looks like a difference (13 to 48 % of identical systems are called different where "
        "5 % are meant)",
        proof_text(baseline, candidate)};
    if (!observation.withheld.empty()) {
        reasons.push_back("nothing is said of any metric: " + observation.withheld);
        return reasons;
    }
    add_findings(baseline, observation, reasons);
    return reasons;
}

}  // namespace crucible::lab
