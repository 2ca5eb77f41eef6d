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

/// Of what owns memory; `course` has it in each of the rounds.
json figures_json(const std::vector<OwnerFigures>& course,
                  const std::vector<MemoryFigures>& rounds) {
    const auto each = [&course](const auto& figure) { return over_course(course, figure); };
    const auto per_event = per_event_of(course, rounds);
    // Rounds of which it is not known are the extreme ones: then there is no figure at all.
    const bool has_peaks = std::ranges::all_of(
        rounds, [](const MemoryFigures& round) { return round.why_no_peaks.empty(); });
    return {
        {"live_bytes", each([](const auto& one) { return one.live_bytes; })},
        {"live_blocks", each([](const auto& one) { return one.live_blocks; })},
        {"peak_bytes", each([](const auto& one) { return one.peak_bytes; })},
        {"allocations_per_event", per_event([](const auto& one) { return one.allocations; })},
        {"bytes_per_event", per_event([](const auto& one) { return one.bytes; })},
        {"peak_bytes_per_event",
         has_peaks ? each([](const auto& one) { return one.peak_per_event; }) : over_rounds({})},
        {"grown_per_event",
         per_event([](const auto& one) { return one.bytes - one.freed_bytes; })}};
}

}  // namespace

json owners_json(const std::vector<MemoryFigures>& rounds) {
    const auto courses = courses_of(rounds, &MemoryFigures::owners, [](const OwnerFigures& owner) {
        return std::pair(owner.place, owner.owner);
    });
    json result = json::array();
    for (const auto& [key, course] : courses) {
        json owner = figures_json(course, rounds);
        owner.update({{"place", key.first},
                      {"owner", key.second},
                      {"stage", to_string(stage_of(key.second))}});
        result.push_back(std::move(owner));
    }
    return result;
}

json stages_json(const std::vector<MemoryFigures>& rounds) {
    std::vector<std::vector<OwnerFigures>> courses(rounds.empty() ? 0 : kStages.size());
    for (const auto& round : rounds) {
        const auto stages = by_stage(round);
        for (std::size_t i = 0; i < stages.size(); ++i) courses[i].push_back(stages[i]);
    }
    json result = json::array();
    for (const auto& course : courses) {
        json stage = figures_json(course, rounds);
        stage["stage"] = course.front().owner;
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
        std::vector<OwnerFigures> course;
        std::vector<std::vector<MetricValue>> metrics;
        if (!found.why_not_all.empty()) {
            auto& absent = metrics.emplace_back();
            for (const auto& info : allocation_metrics())
                absent.push_back({.info = &info, .value = {}, .absent = found.why_not_all});
        }
        for (const auto& round : rounds) {
            course.push_back(round.total);
            metrics.push_back(allocation_values(round));
        }
        json one = figures_json(course, rounds);
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
