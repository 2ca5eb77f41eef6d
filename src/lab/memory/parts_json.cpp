#include "lab/memory/parts_json.h"

#include <algorithm>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "lab/compare/json_parts.h"
#include "lab/memory/stage.h"

namespace crucible::lab {
namespace {

using nlohmann::json;

/// One part in each round, with the round that it is of.
using PartRounds = std::vector<std::pair<OwnerFigures, const MemoryFigures*>>;

json over(const PartRounds& course, double (*figure)(const OwnerFigures&, double events)) {
    std::vector<double> values;
    for (const auto& [part, round] : course) values.push_back(figure(part, round->events));
    return over_rounds(values);
}

json figures_json(const PartRounds& course) {
    // Rounds of which it is not known are the extreme ones: then there is no figure at all.
    const bool has_peaks = std::ranges::all_of(
        course, [](const auto& entry) { return entry.second->why_no_peaks.empty(); });
    const bool has_events = std::ranges::all_of(
        course, [](const auto& entry) { return entry.second->why_no_per_event.empty(); });
    const PartRounds none;
    const PartRounds& of_events = has_events ? course : none;
    return {
        {"live_bytes", over(course, [](const auto& one, double) { return one.live_bytes; })},
        {"live_blocks", over(course, [](const auto& one, double) { return one.live_blocks; })},
        {"peak_bytes", over(course, [](const auto& one, double) { return one.peak_bytes; })},
        {"allocations_per_event",
         over(of_events, [](const auto& one, double events) { return one.allocations / events; })},
        {"bytes_per_event",
         over(of_events, [](const auto& one, double events) { return one.bytes / events; })},
        {"peak_bytes_per_event", over(has_peaks ? course : none,
                                      [](const auto& one, double) { return one.peak_per_event; })},
        {"grown_per_event", over(of_events, [](const auto& one, double events) {
             return (one.bytes - one.freed_bytes) / events;
         })}};
}

/// Of each part that any round has, what each round has of it: in one in which it did not occur,
/// nothing.
template <typename Part, typename Key>
auto courses_of(const std::vector<MemoryFigures>& rounds, std::vector<Part> MemoryFigures::*parts,
                const Key& key_of) {
    std::map<decltype(key_of(Part{})), std::vector<Part>> courses;
    for (std::size_t i = 0; i < rounds.size(); ++i) {
        for (const auto& part : rounds[i].*parts) {
            auto& course = courses[key_of(part)];
            course.resize(rounds.size());
            course[i] = part;
        }
    }
    return courses;
}

template <typename Part, typename Figure>
json over_course(const std::vector<Part>& course, const Figure& figure) {
    std::vector<double> values;
    for (const auto& part : course) values.push_back(figure(part));
    return over_rounds(values);
}

/// What makes a figure per event of one of its parts: no value where a round says why it has none.
template <typename Part>
auto per_event_of(const std::vector<Part>& course, const std::vector<MemoryFigures>& rounds) {
    return [&](const auto& figure) {
        std::vector<double> values;
        for (std::size_t i = 0; i < rounds.size(); ++i) {
            if (!rounds[i].why_no_per_event.empty()) return over_rounds({});
            values.push_back(figure(course[i]) / rounds[i].events);
        }
        return over_rounds(values);
    };
}

}  // namespace

json owners_json(const std::vector<MemoryFigures>& rounds) {
    std::vector<std::pair<std::string, std::string>> owners;
    for (const auto& round : rounds) {
        for (const auto& owner : round.owners) {
            const std::pair key{owner.place, owner.owner};
            if (std::ranges::find(owners, key) == owners.end()) owners.push_back(key);
        }
    }
    std::ranges::sort(owners);
    json result = json::array();
    for (const auto& [place, name] : owners) {
        PartRounds course;
        for (const auto& round : rounds) {
            const auto found = std::ranges::find_if(round.owners, [&](const OwnerFigures& one) {
                return one.place == place && one.owner == name;
            });
            // In a round in which it did not occur it has nothing.
            course.emplace_back(found == round.owners.end() ? OwnerFigures{} : *found, &round);
        }
        json owner = figures_json(course);
        owner.update({{"place", place}, {"owner", name}, {"stage", to_string(stage_of(name))}});
        result.push_back(std::move(owner));
    }
    return result;
}

json stages_json(const std::vector<MemoryFigures>& rounds) {
    std::vector<PartRounds> courses(rounds.empty() ? 0 : kStages.size());
    for (const auto& round : rounds) {
        const auto stages = by_stage(round);
        for (std::size_t i = 0; i < stages.size(); ++i) courses[i].emplace_back(stages[i], &round);
    }
    json result = json::array();
    for (const auto& course : courses) {
        json stage = figures_json(course);
        stage["stage"] = course.front().first.owner;
        result.push_back(std::move(stage));
    }
    return result;
}

json sizes_json(const std::vector<MemoryFigures>& rounds) {
    const auto courses = courses_of(rounds, &MemoryFigures::sizes, [](const SizeFigures& size) {
        return std::pair(size.usable_from, size.usable_to);
    });
    json result = json::array();
    for (const auto& [bounds, course] : courses) {
        const auto [from, to] = bounds;
        const auto least = static_cast<double>(from);
        const auto per_event = per_event_of(course, rounds);
        result.push_back(
            {{"usable_bytes_from", from},
             {"usable_bytes_to",
              to == std::numeric_limits<std::size_t>::max() ? json(nullptr) : json(to)},
             {"allocations_per_event", per_event([](const auto& one) { return one.allocations; })},
             {"usable_bytes_per_event",
              per_event([least](const auto& one) { return one.allocations * least; })},
             {"live_blocks",
              over_course(course, [](const auto& one) { return one.live_blocks; })}});
    }
    return result;
}

json threads_json(const std::vector<MemoryFigures>& rounds) {
    const auto courses = courses_of(
        rounds, &MemoryFigures::threads,
        [](const ThreadFigures& thread) { return std::pair(thread.place, thread.name); });
    json result = json::array();
    for (const auto& [key, course] : courses) {
        const auto per_event = per_event_of(course, rounds);
        result.push_back(
            {{"place", key.first},
             {"thread", key.second},
             {"threads", over_course(course, [](const auto& one) { return one.threads; })},
             {"allocations_per_event", per_event([](const auto& one) { return one.allocations; })},
             {"bytes_per_event", per_event([](const auto& one) { return one.bytes; })},
             {"freed_bytes_per_event",
              per_event([](const auto& one) { return one.freed_bytes; })}});
    }
    return result;
}

json categories_json(const std::map<Category, CategoryAlone>& alone) {
    json result = json::array();
    for (const auto& [category, found] : alone) {
        static const std::vector<MemoryFigures> none;
        const auto& rounds = found.why_not_all.empty() ? found.figures : none;
        PartRounds course;
        std::vector<std::vector<MetricValue>> metrics;
        if (!found.why_not_all.empty()) {
            auto& absent = metrics.emplace_back();
            for (const auto& info : allocation_metrics())
                absent.push_back({.info = &info, .value = {}, .absent = found.why_not_all});
        }
        for (const auto& round : rounds) {
            course.emplace_back(round.total, &round);
            metrics.push_back(allocation_values(round));
        }
        json one = figures_json(course);
        one.update({{"category", to_string(category)},
                    {"rounds", rounds.size()},
                    {"metrics", metrics_over_rounds(metrics)},
                    {"stages", stages_json(rounds)}});
        result.push_back(std::move(one));
    }
    return result;
}

json in_flight_json(const std::vector<MemoryFigures>& rounds) {
    std::vector<double> few;
    std::vector<double> many;
    for (const auto& round : rounds) {
        if (!round.why_no_peaks.empty()) return nullptr;
        few.push_back(round.few_in_flight);
        many.push_back(round.many_in_flight);
    }
    if (few.empty()) return nullptr;
    return {{"few", over_rounds(few)}, {"many", over_rounds(many)}};
}

json compared_parts_json(const std::vector<ComparedPart>& parts) {
    json result = json::array();
    for (const auto& part : parts) {
        json metrics = json::array();
        for (const auto& metric : part.metrics) metrics.push_back(compared_metric_json(metric));
        result.push_back(
            {{"division", part.division}, {"part", part.part}, {"metrics", std::move(metrics)}});
    }
    return result;
}

}  // namespace crucible::lab
