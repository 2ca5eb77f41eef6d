#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crucible/error.h"
#include "crucible/event.h"
#include "crucible/service.h"
#include "runtime/daemon/protocol.h"

/// The frames between the daemon and services outside it, as docs/formats/protocol.md describes
/// them. A delivery is an event as in a publish (event_frame.h).
namespace crucible::runtime::protocol {

/// Most deliveries that a service can have at once.
inline constexpr std::uint32_t kCreditsMax = 65'536;

/// Who a client wants to be.
struct Subscription {
    std::string name;
    std::vector<Category> categories;  ///< that it serves
    std::uint32_t credits = 0;         ///< deliveries that it takes before it settles one
};

void append_subscription(Buffer& out, const Subscription& subscription);
/// - Errc::corrupt: a broken frame. - Errc::invalid_argument: a name that none can have, no
/// category, credits that are not 1 to kCreditsMax; the message says what is allowed.
Result<Subscription> read_subscription(const Frame& frame);

/// What became of a delivery: an Outcome, or one of these, which are `failed` with a reservation.
using Settled = std::uint8_t;
inline constexpr Settled kNotNow = 4;
inline constexpr Settled kForGood = 5;

/// The end of the deliveries `delivery`, `delivery` + 1, …; a response only where that is one.
/// Behind it the response and the reason, then zeros up to kAlignment.
struct SettlementHead {
    std::uint64_t delivery = 0;
    std::uint32_t count = 1;
    Settled settled = 0;
    std::uint8_t zero[3] = {};
    std::uint32_t response_bytes = 0;
    std::uint32_t reason_bytes = 0;
};
static_assert(sizeof(SettlementHead) == 24);

/// Collects settlements into frames, with one entry for deliveries that follow each other and ended
/// alike without a response.
class SettlementWriter {
public:
    /// A response that is too large for an event makes it `failed`; a long reason is cut off.
    void add(Buffer& out, std::uint64_t delivery, const HandleResult& result);
    /// Ends the frame begun in `out`; nothing when none is.
    void finish(Buffer& out);

private:
    void begin(Buffer& out);

    bool begun_ = false;
    std::size_t frame_ = 0;  ///< where it begins
    std::size_t last_ = 0;   ///< where the last entry does
    bool extensible_ = false;
};

struct Settlement {
    std::uint64_t delivery = 0;
    std::uint32_t count = 1;
    Settled settled = 0;
    std::string_view response;
    std::string_view reason;
};

/// Appends what the frame says to `out`; the texts refer to it.
/// - Errc::corrupt: broken lengths, an unknown way to end, a response for several.
Result<> read_settlements(const Frame& frame, std::vector<Settlement>& out);

/// `settlement` as the end of an attempt.
HandleResult result_of(const Settlement& settlement);

}  // namespace crucible::runtime::protocol
