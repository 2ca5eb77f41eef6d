#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "crucible/event.h"
#include "crucible/service.h"

namespace crucible::lab {

/// Exact fate of the events of one run. sent = handled + rejected + lost.
struct Delivery {
    std::uint64_t planned = 0;  ///< due by the plan
    std::uint64_t sent = 0;     ///< handed to the target (accepted or refused by it)
    std::uint64_t handled = 0;  ///< acknowledged as handled
    std::uint64_t rejected =
        0;                   ///< refused at send, or acknowledged as rejected, failed or expired
    std::uint64_t lost = 0;  ///< accepted and never acknowledged
    std::uint64_t duplicated = 0;  ///< acknowledgements beyond an event's first
    /// Handled after a later event of the same priority had been. Events that were not handled have
    /// no place in the order: a refusal comes at once and would make every earlier event look late.
    std::array<std::uint64_t, kPriorityCount> reordered{};

    std::uint64_t reordered_total() const noexcept;
    Delivery& operator+=(const Delivery& other) noexcept;
    friend bool operator==(const Delivery&, const Delivery&) = default;
};

/// Keeps the fate of every event one client sends. Events are numbered 0, 1, 2, … in the order
/// they are due; that number is the token. sent() and refused() come from the sending thread,
/// acknowledged() from the target's thread, one call at a time; the two sides may run at once.
/// Lock-free but for one lock in 131,072 events. Events in flight and lost ones take memory, with
/// their neighbours: 64 KiB for each 131,072 events of which one has not ended. What has ended is
/// kept as a count.
class Ledger {
public:
    /// Tokens are below this: 2^32 events of one client are two days at 25,000/s.
    static constexpr std::uint64_t kTokensMax = std::uint64_t{1} << 32;

    /// `planned`: how many events are due by the plan. 0 where that is not known (closed loop);
    /// more may be sent in either case.
    explicit Ledger(std::uint64_t planned);
    ~Ledger();
    Ledger(const Ledger&) = delete;
    Ledger& operator=(const Ledger&) = delete;

    /// About to hand event `token` over. Call before the send: an acknowledgement can overtake its
    /// return. Once for each token.
    void sent(std::uint64_t token, Priority priority) noexcept;
    /// The send of `token` failed at once. If it has been acknowledged nevertheless, that stands
    /// and this counts as a duplicate and returns false.
    bool refused(std::uint64_t token) noexcept;
    /// Returns true for the first acknowledgement of a sent event, false for a duplicate or a token
    /// never sent (which counts as `unknown`).
    bool acknowledged(std::uint64_t token, Outcome outcome) noexcept;

    std::uint64_t in_flight() const noexcept;  ///< sent, not ended; from any thread
    std::uint64_t unknown() const noexcept;    ///< acknowledgements of events never sent

    std::size_t memory_bytes() const;  ///< of the events' states; from any thread

    /// Everything still in flight counts as lost: call when no acknowledgement can come any more.
    Delivery close() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace crucible::lab
