#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <vector>

#include "crucible/time.h"

namespace crucible::lab {

/// When one event was due and when it was sent.
struct EventTimes {
    TimePoint due;
    TimePoint sent;
};

/// Keeps the times of events by token until they end, in memory for those in flight and their
/// neighbours only: a run may last for days. put() comes from the sending thread with tokens rising
/// from 0 in steps of 1; take() from any thread, once for each token, after its put().
class InFlightTimes {
public:
    /// Tokens are below this, as the ledger's are.
    static constexpr std::uint64_t kTokensMax = std::uint64_t{1} << 32;

    InFlightTimes();
    ~InFlightTimes();
    InFlightTimes(const InFlightTimes&) = delete;
    InFlightTimes& operator=(const InFlightTimes&) = delete;

    void put(std::uint64_t token, const EventTimes& times);
    EventTimes take(std::uint64_t token) noexcept;

    /// Blocks of memory made so far; they are used again.
    std::size_t blocks() const;

private:
    static constexpr std::uint64_t kBlockTokens = 4096;
    struct Block {
        std::array<EventTimes, kBlockTokens> times;
        std::atomic<std::uint32_t> remaining{kBlockTokens};
    };
    struct Free {
        void operator()(void* memory) const noexcept { std::free(memory); }
    };

    Block* begin_block();
    std::atomic_ref<Block*> entry(std::uint64_t token) const noexcept {
        return std::atomic_ref(directory_.get()[token / kBlockTokens]);
    }

    std::unique_ptr<Block*, Free> directory_;  ///< 8 MiB of addresses; untouched pages cost nothing
    Block* current_ = nullptr;                 ///< of the sender
    mutable std::mutex mutex_;
    std::vector<std::unique_ptr<Block>> blocks_;
    std::vector<Block*> unused_;
};

}  // namespace crucible::lab
