#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace crucible::lab::scale {

// How the trials at one load are put together to one answer, as MLRsearch does (RFC 9971). Its loss
// ratio is here whatever share of a trial broke an objective: events lost, or 1 and 0 for a
// percentile beyond and within its limit.

/// What a load has to stand to count as held.
struct LoadGoal {
    double final_trial_duration = 1;  ///< seconds from which a trial is of full length, > 0
    double duration_sum = 1;  ///< seconds of full-length trials that decide, >= the one above
    double loss_ratio = 0;    ///< in [0, 1): a trial with more is one of high loss
    double exceed_ratio = 0;  ///< in [0, 1): share of the time that may be of high loss
};

struct TrialAtLoad {
    double duration = 1;    ///< seconds, > 0
    double loss_ratio = 0;  ///< in [0, 1]
};

enum class LoadClass : std::uint8_t {
    undecided,    ///< the trials still to come could make it either
    lower_bound,  ///< held, however the trials still missing would end
    upper_bound,  ///< broken, however they would
};
std::string_view to_string(LoadClass load_class) noexcept;

/// RFC 9971, appendix on load classification, as its code has it. Where trials are shorter than the
/// goal's, time of low loss makes up for exceed_ratio / (1 - exceed_ratio) of time of high loss,
/// and only what is left of high loss counts.
LoadClass classify_load(std::span<const TrialAtLoad> trials, const LoadGoal& goal);

/// RFC 9971, appendix on conditional throughput: `load` times what is left of it after the loss
/// that all but exceed_ratio of the full-length time stays within; time still missing lost all.
/// nullopt without a trial of full length.
std::optional<double> conditional_throughput(double load, std::span<const TrialAtLoad> trials,
                                             const LoadGoal& goal);

}  // namespace crucible::lab::scale
