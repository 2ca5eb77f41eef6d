#include "lab/run/in_flight_times.h"

#include "base/assert.h"

namespace crucible::lab {

InFlightTimes::InFlightTimes()
    // calloc, because a block this large comes as pages that are made when first written.
    : directory_(static_cast<Block**>(std::calloc(kTokensMax / kBlockTokens, sizeof(Block*)))) {
    CRUCIBLE_ASSERT(directory_ != nullptr);
}

InFlightTimes::~InFlightTimes() = default;

InFlightTimes::Block* InFlightTimes::begin_block() {
    const std::lock_guard lock(mutex_);
    if (unused_.empty()) {
        blocks_.push_back(std::make_unique<Block>());
        unused_.reserve(blocks_.size());  // take() may not allocate
        return blocks_.back().get();
    }
    Block* const block = unused_.back();
    unused_.pop_back();
    block->remaining.store(kBlockTokens, std::memory_order_relaxed);
    return block;
}

void InFlightTimes::put(std::uint64_t token, const EventTimes& times) {
    CRUCIBLE_ASSERT(token < kTokensMax);
    if (token % kBlockTokens == 0) {
        current_ = begin_block();
        entry(token).store(current_, std::memory_order_release);
    }
    current_->times[token % kBlockTokens] = times;
}

EventTimes InFlightTimes::take(std::uint64_t token) noexcept {
    Block* const block = entry(token).load(std::memory_order_acquire);
    const EventTimes times = block->times[token % kBlockTokens];
    // The last one to leave a block gives it back; every event of it has been put by then.
    if (block->remaining.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        const std::lock_guard lock(mutex_);
        unused_.push_back(block);
    }
    return times;
}

std::size_t InFlightTimes::blocks() const {
    const std::lock_guard lock(mutex_);
    return blocks_.size();
}

}  // namespace crucible::lab
