#include "lab/pace/schedule.h"

#include <fmt/format.h>

#include <chrono>
#include <string>

namespace crucible::lab {

Result<Arrivals> parse_arrivals(std::string_view name) {
    if (name == "constant") return Arrivals::constant;
    if (name == "poisson") return Arrivals::poisson;
    return std::unexpected(Error{Errc::invalid_argument,
                                 fmt::format("arrivals '{}': must be constant or poisson", name)});
}

std::string_view to_string(Arrivals arrivals) noexcept {
    return arrivals == Arrivals::constant ? "constant" : "poisson";
}

Schedule::Schedule(base::Rate rate, Arrivals arrivals, std::uint64_t seed)
    : rate_(rate), arrivals_(arrivals), seed_(seed), gaps_(seed) {}

Duration Schedule::due(std::uint64_t index) {
    if (arrivals_ == Arrivals::constant) return rate_.due(index);
    if (index + 1 < next_index_) {
        gaps_ = base::Rng(seed_);
        next_index_ = 0;
        gaps_sum_ = 0;
    }
    for (; next_index_ <= index; ++next_index_) gaps_sum_ += gaps_.exponential();
    // The gaps are summed with mean 1 and scaled once, so that one seed gives the same pattern at
    // every rate.
    const std::chrono::duration<double> due(gaps_sum_ / rate_.events_per_second());
    return std::chrono::round<Duration>(due);
}

}  // namespace crucible::lab
