#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/rng.h"
#include "crucible/error.h"
#include "crucible/time.h"

namespace crucible::lab {

/// How long the service of one event takes around its mean.
enum class Distribution : std::uint8_t {
    constant,
    exponential,
    lognormal,  ///< with a coefficient of variation of 1, as the exponential's
};
Result<Distribution> parse_distribution(std::string_view name);
std::string_view to_string(Distribution distribution) noexcept;

/// A stop of the whole system for `length`, `period` after its start and every `period` again.
struct Stall {
    Duration length{};
    Duration period{};  ///< zero: never
};

/// What a QueueModel is; a plain value that processes may share.
struct QueueOptions {
    Duration service{};  ///< its mean
    Distribution distribution = Distribution::constant;
    std::uint64_t workers = 1;    ///< at least 1
    std::uint64_t queue_max = 0;  ///< events that may wait; 0: no bound
    Duration interval{};          ///< at least this between two begins of service; 0: no such limit
    Stall stall;
    /// What waits for longer is asked for once more, and served twice; 0: nothing is.
    Duration retry{};
    std::uint64_t seed = 1;
};

/// What it knows besides; all zero at the start.
struct QueueState {
    std::uint64_t accepted = 0;
    std::int64_t first_ns = 0;       ///< the first arrival: stalls count from it
    std::int64_t last_begin_ns = 0;  ///< of service
};

/// One waiting line and equal servers, first come first served, as arithmetic: each arrival is told
/// when its service will end. Nothing is executed, so the answer is exact. With `retry` it is
/// metastable: a long line makes twice the work of each event, which above half of its capacity
/// keeps the line long. Not thread-safe.
class QueueModel {
public:
    /// `ends`: [workers] and `begins`: [queue_max], all zero at the start, are kept by the caller,
    /// as is `state`.
    QueueModel(const QueueOptions& options, QueueState& state, std::span<std::int64_t> ends,
               std::span<std::int64_t> begins) noexcept
        : options_(&options), state_(&state), ends_(ends), begins_(begins) {}

    /// An event arrives at `at`, not before the one before it. When its service ends; nothing when
    /// as many wait as may.
    std::optional<TimePoint> arrive(TimePoint at) noexcept;

private:
    std::int64_t service_ns() const noexcept;
    /// Time of work that has passed at `time`: stalls do not count.
    std::int64_t worked(std::int64_t time) const noexcept;
    /// The earliest time at which so much work has passed.
    std::int64_t time_of(std::int64_t work) const noexcept;

    const QueueOptions* options_;
    QueueState* state_;
    std::span<std::int64_t> ends_;    ///< a heap: the earliest first
    std::span<std::int64_t> begins_;  ///< a ring
};

}  // namespace crucible::lab
