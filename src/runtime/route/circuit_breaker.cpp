#include "runtime/route/circuit_breaker.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace crucible::runtime {
namespace {

constexpr std::uint64_t kStates = 4;  ///< that fit below a period's number

}  // namespace

std::string_view to_string(CircuitBreaker::State state) noexcept {
    switch (state) {
        case CircuitBreaker::State::closed:
            return "closed";
        case CircuitBreaker::State::open:
            return "open";
        case CircuitBreaker::State::half_open:
            return "half_open";
    }
    return "unknown";
}

CircuitBreaker::CircuitBreaker(const Options& options, ChangeHandler on_change)
    : options_(options), on_change_(std::move(on_change)) {
    CRUCIBLE_ASSERT(options.failures_in_a_row >= 1 && options.calls_min >= 1 &&
                    options.probes_max >= 1 && options.probes_to_close >= 1);
    CRUCIBLE_ASSERT(options.failure_share > 0 && options.failure_share <= 1);
    CRUCIBLE_ASSERT(options.window.count() >= std::int64_t{kSlices} &&
                    options.open_for > Duration::zero());
}

CircuitBreaker::State CircuitBreaker::state() const noexcept {
    return static_cast<State>(period_.load() % kStates);
}

bool CircuitBreaker::admits() const noexcept {
    const State now = state();
    return now == State::closed || (now == State::half_open && probes_ < options_.probes_max);
}

void CircuitBreaker::change_to(State state) {
    const std::uint64_t number = period_.load() / kStates + 1;
    period_.store(number * kStates + static_cast<std::uint64_t>(state));
    failures_in_a_row_ = 0;
    slices_.fill({});
    probes_ = 0;
    probes_succeeded_ = 0;
    told_admits_ = admits();
    if (on_change_) on_change_(state, told_admits_);
}

/// Whether calls are admitted may change within a state: the last probe is out, or one is back.
void CircuitBreaker::tell() {
    if (std::exchange(told_admits_, admits()) != told_admits_ && on_change_)
        on_change_(state(), told_admits_);
}

std::optional<CircuitBreaker::Permit> CircuitBreaker::admit(TimePoint now) {
    const std::uint64_t period = period_.load();
    if (static_cast<State>(period % kStates) == State::closed) return Permit{period};
    const std::lock_guard lock(mutex_);
    refresh_locked(now);
    if (!admits()) return std::nullopt;
    if (state() == State::half_open) {
        ++probes_;
        last_probe_at_ = now;
        tell();
    }
    return Permit{period_.load()};
}

void CircuitBreaker::succeeded(Permit permit, TimePoint now) {
    const std::lock_guard lock(mutex_);
    if (!is_current(permit)) return;
    if (state() == State::closed) {
        failures_in_a_row_ = 0;
        count(false, now);
        return;
    }
    --probes_;
    if (++probes_succeeded_ >= options_.probes_to_close) {
        change_to(State::closed);
    } else {
        tell();
    }
}

void CircuitBreaker::failed(Permit permit, TimePoint now) {
    const std::lock_guard lock(mutex_);
    if (!is_current(permit)) return;
    if (state() == State::closed) {
        ++failures_in_a_row_;
        count(true, now);
        if (!failing()) return;
    }
    opened_at_ = now;
    change_to(State::open);
}

void CircuitBreaker::abandoned(Permit permit) {
    const std::lock_guard lock(mutex_);
    if (!is_current(permit) || state() != State::half_open) return;
    --probes_;
    tell();
}

void CircuitBreaker::count(bool failure, TimePoint now) {
    const std::int64_t slice =
        now.time_since_epoch() / (options_.window / static_cast<std::int64_t>(kSlices));
    // Threads may come with their times in another order: the newest slice only moves on.
    const std::int64_t passed =
        std::clamp<std::int64_t>(slice - slice_, 0, static_cast<std::int64_t>(kSlices));
    slice_ = std::max(slice_, slice);
    const auto at = [](std::int64_t number) { return static_cast<std::size_t>(number) % kSlices; };
    for (std::int64_t i = 0; i < passed; ++i) slices_[at(slice_ - i)] = {};
    Slice& newest = slices_[at(slice_)];
    ++newest.calls;
    if (failure) ++newest.failures;
}

bool CircuitBreaker::failing() const noexcept {
    if (failures_in_a_row_ >= options_.failures_in_a_row) return true;
    std::uint64_t calls = 0;
    std::uint64_t failures = 0;
    for (const Slice& slice : slices_) {
        calls += slice.calls;
        failures += slice.failures;
    }
    return calls >= options_.calls_min &&
           static_cast<double>(failures) >= options_.failure_share * static_cast<double>(calls);
}

std::optional<TimePoint> CircuitBreaker::due() const noexcept {
    if (state() == State::open) return opened_at_ + options_.open_for;
    if (state() == State::half_open && !admits()) return last_probe_at_ + options_.open_for;
    return std::nullopt;
}

void CircuitBreaker::refresh_locked(TimePoint now) {
    const auto when = due();
    if (when && now >= *when) change_to(State::half_open);
}

std::optional<TimePoint> CircuitBreaker::wakes_at() const {
    const std::lock_guard lock(mutex_);
    return due();
}

void CircuitBreaker::refresh(TimePoint now) {
    const std::lock_guard lock(mutex_);
    refresh_locked(now);
}

}  // namespace crucible::runtime
