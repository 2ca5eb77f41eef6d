#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "crucible/event.h"
#include "crucible/service.h"

namespace crucible::lab {

/// Exact fate of the events of one run. sent = handled + rejected + lost.
struct Delivery {
    std::uint64_t planned = 0;     ///< due by the plan
    std::uint64_t sent = 0;        ///< handed to the target (accepted or refused by it)
    std::uint64_t handled = 0;     ///< acknowledged as handled
    std::uint64_t rejected = 0;    ///< refused at send, or acknowledged as rejected, failed or expired
    std::uint64_t lost = 0;        ///< accepted and never acknowledged
    std::uint64_t duplicated = 0;  ///< acknowledgements beyond an event's first
    std::array<std::uint64_t, kPriorityCount> reordered{};  ///< acknowledged after a later event of the same priority

    std::uint64_t reordered_total() const noexcept;
    Delivery& operator+=(const Delivery& other) noexcept;
    friend bool operator==(const Delivery&, const Delivery&) = default;
};

/// Keeps the fate of every event one client sends. Events are numbered 0, 1, 2, … in the order they are due; that
/// number is the token. sent() and refused() come from the sending thread, acknowledged() from the target's
/// thread; the two may run at once.
class Ledger {
public:
    explicit Ledger(std::uint64_t planned);
    ~Ledger();
    Ledger(const Ledger&) = delete;
    Ledger& operator=(const Ledger&) = delete;

    /// About to hand event `token` over. Call before the send: an acknowledgement can overtake its return.
    void sent(std::uint64_t token, Priority priority) noexcept;
    /// The send of `token` failed at once.
    void refused(std::uint64_t token) noexcept;
    /// Returns true for the first acknowledgement of a sent event, false for a duplicate or a token never sent
    /// (which counts as `unknown`).
    bool acknowledged(std::uint64_t token, Outcome outcome) noexcept;

    std::uint64_t in_flight() const noexcept;  ///< sent, not ended
    std::uint64_t unknown() const noexcept;    ///< acknowledgements of events never sent

    /// Everything still in flight counts as lost: call when no acknowledgement can come any more.
    Delivery close() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace crucible::lab
