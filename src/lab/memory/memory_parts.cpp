#include "lab/memory/memory_parts.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "lab/compare/judge_metric.h"
#include "lab/memory/stage.h"
#include "lab/stats/robust.h"

namespace crucible::lab {
namespace {

constexpr std::array kCompared{Arm::baseline, Arm::control, Arm::candidate};

/// What undivided() has.
const std::string kTotal = "total";

using Divide = std::vector<OwnerFigures> (*)(const MemoryFigures&);

std::vector<OwnerFigures> undivided(const MemoryFigures& figures) {
    return {figures.total};
}

/// Why an arm has no figures, as its own metrics say it.
std::string why_none(const ArmResult& arm) {
    for (const auto& value : arm.metrics) {
        if (value.info->name == part_metrics().front().name && !value.absent.empty())
            return value.absent;
    }
    return "not counted: a trial failed, events were lost, or its counts do not add up";
}

std::vector<MetricValue> part_values_of(const std::optional<MemoryFigures>& figures, Divide divide,
                                        const std::string& part, const ArmResult& arm) {
    if (figures) {
        const auto parts = divide(*figures);
        const auto found = std::ranges::find(parts, part, &OwnerFigures::owner);
        // An owner that this architecture has not.
        return part_values(found == parts.end() ? OwnerFigures{} : *found, *figures);
    }
    std::vector<MetricValue> values;
    for (const auto& info : part_metrics())
        values.push_back({.info = &info, .value = {}, .absent = why_none(arm)});
    return values;
}

class PartComparison {
public:
    PartComparison(const MemoryProfile& profile, const CompareOptions& options)
        : profile_(profile), options_(options) {}

    std::vector<ComparedPart> run() {
        const auto scenario = [](const CountedRound& round) { return &round.scenario; };
        begin("stage");
        for (const Stage stage : kStages)
            weigh_part(scenario, by_stage, std::string(to_string(stage)));
        conclude();
        begin("owner");
        for (const auto& name : owner_names()) weigh_part(scenario, by_name, name);
        conclude();
        begin("category");
        std::set<Category> categories;
        for (const auto& target : profile_.targets)
            for (const auto& [category, rounds] : target.alone) categories.insert(category);
        for (const Category category : categories) {
            const auto alone = [category](const CountedRound& round) -> const ArmFigures* {
                const auto found = round.alone.find(category);
                return found == round.alone.end() ? nullptr : &found->second;
            };
            weigh_part(alone, undivided, kTotal);
            weighed_.back().part = to_string(category);
        }
        conclude();
        return std::move(parts_);
    }

private:
    using Choose = std::function<const ArmFigures*(const CountedRound&)>;
    struct Weighed {
        std::string part;
        std::vector<WeighedMetric> metrics;
    };

    std::set<std::string> owner_names() const {
        std::set<std::string> names;
        for (const auto& round : profile_.counted) {
            for (const auto& figures : round.scenario) {
                if (!figures) continue;
                for (const auto& owner : figures->owners) names.insert(owner.owner);
            }
        }
        return names;
    }

    void begin(std::string division) {
        division_ = std::move(division);
        weighed_.clear();
    }

    std::vector<Round> rounds_of(const Choose& choose, Divide divide,
                                 const std::string& part) const {
        static const ArmFigures none;
        std::vector<Round> rounds;
        for (std::size_t r = 0; r < profile_.rounds.size(); ++r) {
            const auto& measured = profile_.rounds[r];
            const ArmFigures* const chosen = choose(profile_.counted[r]);
            const ArmFigures& figures = chosen == nullptr ? none : *chosen;
            Round round;
            round.index = measured.index;
            round[Arm::harness].valid = measured[Arm::harness].valid;
            for (const Arm arm : kCompared) {
                round[arm].valid = measured[arm].valid;
                round[arm].metrics = part_values_of(figures[static_cast<std::size_t>(arm)], divide,
                                                    part, measured[arm]);
            }
            rounds.push_back(std::move(round));
        }
        return rounds;
    }

    /// What the baseline has of it in all; none where no round says so.
    static std::optional<double> middle(const std::vector<Round>& rounds, std::size_t metric) {
        std::vector<double> values;
        for (const auto& round : rounds) {
            const auto& value = round[Arm::baseline].metrics[metric].value;
            if (round.valid() && value) values.push_back(*value);
        }
        return values.empty() ? std::nullopt : std::optional(stats::median(values));
    }

    void weigh_part(const Choose& choose, Divide divide, const std::string& part) {
        const auto rounds = rounds_of(choose, divide, part);
        const auto wholes = rounds_of(choose, undivided, kTotal);
        Weighed weighed{.part = part, .metrics = {}};
        for (std::size_t i = 0; i < part_metrics().size(); ++i)
            weighed.metrics.push_back(
                weigh_metric(rounds, part_metrics()[i], options_, middle(wholes, i)));
        weighed_.push_back(std::move(weighed));
    }

    void conclude() {
        std::vector<WeighedMetric*> family;
        for (auto& part : weighed_)
            for (auto& metric : part.metrics) family.push_back(&metric);
        correct_family(family, stats::Adjustment::benjamini_hochberg);
        for (auto& part : weighed_) {
            ComparedPart compared{.division = division_, .part = part.part, .metrics = {}};
            for (auto& metric : part.metrics) {
                add_intervals(metric, options_);
                decide(metric, family.size(), options_);
                compared.metrics.push_back(std::move(metric.result));
            }
            parts_.push_back(std::move(compared));
        }
    }

    const MemoryProfile& profile_;
    const CompareOptions& options_;
    std::string division_;
    std::vector<Weighed> weighed_;
    std::vector<ComparedPart> parts_;
};

}  // namespace

std::vector<OwnerFigures> by_name(const MemoryFigures& figures) {
    std::map<std::string, OwnerFigures> parts;
    for (const auto& owner : figures.owners) {
        auto& part = parts[owner.owner];
        part.owner = owner.owner;
        part += owner;
    }
    std::vector<OwnerFigures> all;
    for (auto& [name, part] : parts) all.push_back(std::move(part));
    return all;
}

std::vector<OwnerFigures> by_stage(const MemoryFigures& figures) {
    std::vector<OwnerFigures> parts;
    for (const Stage stage : kStages) parts.push_back({.owner = std::string(to_string(stage))});
    for (const auto& owner : figures.owners)
        parts[static_cast<std::size_t>(stage_of(owner.owner))] += owner;
    return parts;
}

std::vector<ComparedPart> compare_parts(const MemoryProfile& profile,
                                        const CompareOptions& options) {
    if (profile.targets.size() != 2) return {};
    return PartComparison(profile, options).run();
}

}  // namespace crucible::lab
