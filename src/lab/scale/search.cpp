#include "lab/scale/search.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "lab/scale/search_course.h"

namespace crucible::lab::scale {
namespace {

Error bad_option(std::string_view name, double value, std::string_view allowed) {
    return {Errc::invalid_argument,
            fmt::format("breaking-point search: {} is {:g}; allowed: {}", name, value, allowed)};
}

std::optional<Error> range_error(const SearchOptions& options) {
    if (!(options.lowest > 0) || !std::isfinite(options.lowest)) {
        return bad_option("the lowest load", options.lowest, "above 0");
    }
    if (!(options.highest > options.lowest) || !std::isfinite(options.highest)) {
        return bad_option("the highest load", options.highest,
                          fmt::format("above the lowest, {:g}", options.lowest));
    }
    if (options.whole_numbers && std::floor(options.highest) <= std::ceil(options.lowest)) {
        return bad_option("the highest load", options.highest,
                          fmt::format("a whole number above the lowest, {:g}", options.lowest));
    }
    return std::nullopt;
}

std::optional<Error> option_error(const SearchOptions& options) {
    struct Limits {
        std::string_view name;
        double value;
        double above;
        double most;
        std::string_view allowed;
    };
    constexpr double kAny = 1e9;
    const Limits limits[] = {
        {"the ramp's factor", options.ramp_factor, 1, 10, "above 1, at most 10"},
        {"the precision", options.precision, 0.000999, 0.5, "0.001 to 0.5"},
        {"the level", options.level, 0.5, 0.999, "above 0.5, at most 0.999"},
        {"the number of trials", double(options.trials_max), 9, 10'000, "10 to 10000"},
        {"the number of invalid trials in a row", double(options.invalid_in_row_max), 0, 1000,
         "1 to 1000"},
        {"the goal's trial duration", options.goal.final_trial_duration, 0, kAny, "above 0"},
        {"the goal's duration sum", options.goal.duration_sum, 0, kAny, "above 0"},
        {"the overload's factor", options.overload_factor, 1, 10, "above 1, at most 10"},
        {"the number of trials to recover in", double(options.recovery_max), 0, 1000, "1 to 1000"},
        {"the number of loads on the way down", double(options.descents_max), 0, 100, "1 to 100"},
        {"the soak's share", options.soak_share, 0, 1, "above 0, at most 1"},
        {"the number of soaks", double(options.soaks_max), 0, 100, "1 to 100"},
        {"the number of trials once reopened", double(options.reopened_max), 0, 10'000,
         "1 to 10000"},
    };
    for (const auto& limit : limits) {
        if (!(limit.value > limit.above && limit.value <= limit.most)) {
            return bad_option(limit.name, limit.value, limit.allowed);
        }
    }
    if (!(options.goal.loss_ratio >= 0 && options.goal.loss_ratio < 1)) {
        return bad_option("the goal's loss ratio", options.goal.loss_ratio, "0 to below 1");
    }
    if (!(options.goal.exceed_ratio >= 0 && options.goal.exceed_ratio < 1)) {
        return bad_option("the goal's exceed ratio", options.goal.exceed_ratio, "0 to below 1");
    }
    return std::nullopt;
}

}  // namespace

std::string_view to_string(Stage stage) noexcept {
    switch (stage) {
        case Stage::ramp:
            return "ramp";
        case Stage::refine:
            return "refine";
        case Stage::confirm:
            return "confirm";
        case Stage::overload:
            return "overload";
        case Stage::recover:
            return "recover";
        case Stage::descend:
            return "descend";
        case Stage::soak:
            return "soak";
    }
    return "ramp";
}

std::string_view to_string(Validity validity) noexcept {
    switch (validity) {
        case Validity::valid:
            return "valid";
        case Validity::injector_late:
            return "injector_late";
        case Validity::offered_mismatch:
            return "offered_mismatch";
        case Validity::unsteady:
            return "unsteady";
        case Validity::not_judged:
            return "not_judged";
        case Validity::client_failed:
            return "client_failed";
        case Validity::not_started:
            return "not_started";
    }
    return "valid";
}

std::string_view to_string(Ending ending) noexcept {
    switch (ending) {
        case Ending::running:
            return "running";
        case Ending::found:
            return "found";
        case Ending::trials_spent:
            return "trials_spent";
        case Ending::soak_failed:
            return "soak_failed";
        case Ending::above_highest:
            return "above_highest";
        case Ending::below_lowest:
            return "below_lowest";
        case Ending::injector_limited:
            return "injector_limited";
    }
    return "running";
}

Result<BreakingPointSearch> BreakingPointSearch::create(const SearchOptions& options) {
    if (auto error = range_error(options)) return std::unexpected(*std::move(error));
    if (auto error = option_error(options)) return std::unexpected(*std::move(error));
    return BreakingPointSearch(std::make_unique<Course>(options));
}

BreakingPointSearch::BreakingPointSearch(std::unique_ptr<Course> course)
    : course_(std::move(course)) {}
BreakingPointSearch::BreakingPointSearch(BreakingPointSearch&&) noexcept = default;
BreakingPointSearch& BreakingPointSearch::operator=(BreakingPointSearch&&) noexcept = default;
BreakingPointSearch::~BreakingPointSearch() = default;

std::optional<Probe> BreakingPointSearch::next() const {
    return course_->probe();
}

void BreakingPointSearch::add(double load, const Outcome& outcome) {
    course_->add(load, outcome);
}

BreakingPoint BreakingPointSearch::result() const {
    return course_->result();
}

}  // namespace crucible::lab::scale
