#include "lab/run/plan.h"

namespace crucible::lab {

std::uint64_t Phase::events() const noexcept {
    return pattern ? whole_events(*pattern) : 0;
}

std::uint64_t Phase::warmup_events() const noexcept {
    return pattern ? lab::warmup_events(*pattern, warmup) : 0;
}

Phase steady_phase(base::Rate rate, std::uint64_t events, Duration warmup) {
    return {.name = "steady", .pattern = Pattern::steady(rate, rate.due(events)), .warmup = warmup};
}

Phase maximum_phase(Duration duration, Duration warmup) {
    return {.name = "maximum", .pattern = {}, .closed_duration = duration, .warmup = warmup};
}

}  // namespace crucible::lab
