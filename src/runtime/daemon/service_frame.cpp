#include "runtime/daemon/service_frame.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "runtime/daemon/bytes.h"
#include "runtime/service/external_places.h"

namespace crucible::runtime::protocol {
namespace {

constexpr std::size_t kReasonBytes = 2048;
/// A frame is ended when it has so much, so that the daemon can begin with it.
constexpr std::size_t kSettleFrameBytes = 256u << 10;

/// Precedes a subscription's name.
struct SubscriptionHead {
    std::uint32_t categories = 0;  ///< bit i: the enumerator i
    std::uint32_t credits = 0;
};
static_assert(sizeof(SubscriptionHead) == 8);

std::unexpected<Error> refuse_frame(Errc code, std::string message) {
    return std::unexpected(Error{code, std::move(message)});
}

bool known(Settled settled) noexcept {
    return settled <= static_cast<Settled>(Outcome::expired) || settled == kNotNow ||
           settled == kForGood;
}

Settled settled_of(const HandleResult& result) noexcept {
    if (result.outcome == Outcome::failed && result.for_good) return kForGood;
    if (result.outcome == Outcome::failed && result.not_now) return kNotNow;
    return static_cast<Settled>(result.outcome);
}

}  // namespace

void append_subscription(Buffer& out, const Subscription& subscription) {
    SubscriptionHead head{.credits = subscription.credits};
    for (const Category category : subscription.categories)
        head.categories |= 1u << static_cast<unsigned>(category);
    const std::size_t body = sizeof head + subscription.name.size();
    append_object(out, FrameHeader{static_cast<std::uint32_t>(body), Kind::subscribe, {}, 0});
    append_object(out, head);
    append_text(out, subscription.name);
    append_padding(out, body);
}

Result<Subscription> read_subscription(const Frame& frame) {
    if (frame.body.size() < sizeof(SubscriptionHead))
        return refuse_frame(Errc::corrupt, "a subscription of a broken length");
    const auto head = read_object<SubscriptionHead>(frame.body);
    Subscription subscription{.name = std::string(as_text(frame.body.subspan(sizeof head))),
                              .categories = {},
                              .credits = head.credits};
    if (head.categories >> kCategoryCount != 0)
        return refuse_frame(Errc::corrupt, "a subscription to an unknown category");
    for (std::size_t i = 0; i < kCategoryCount; ++i)
        if ((head.categories >> i & 1u) != 0)
            subscription.categories.push_back(static_cast<Category>(i));
    if (!is_service_name(subscription.name)) {
        return refuse_frame(Errc::invalid_argument,
                            "a service's name is 1 to 64 letters, digits, '.', '_' or '-', and "
                            "begins with a letter or digit");
    }
    if (subscription.categories.empty())
        return refuse_frame(Errc::invalid_argument, "a service serves at least one category");
    if (subscription.credits < 1 || subscription.credits > kCreditsMax) {
        return refuse_frame(Errc::invalid_argument, fmt::format("{} credits: 1 to {} are allowed",
                                                                subscription.credits, kCreditsMax));
    }
    return subscription;
}

void SettlementWriter::begin(Buffer& out) {
    begun_ = true;
    extensible_ = false;
    frame_ = out.size();
    append_object(out, FrameHeader{0, Kind::settle, {}, 0});
}

void SettlementWriter::add(Buffer& out, std::uint64_t delivery, const HandleResult& result) {
    if (result.response.size() > kEventBytesMax) {
        const HandleResult too_large{
            Outcome::failed, {}, "the response is larger than an event may be"};
        return add(out, delivery, too_large);
    }
    const auto reason = std::string_view(result.reason).substr(0, kReasonBytes);
    const bool plain = result.response.empty() && reason.empty();
    if (begun_ && plain && extensible_) {
        auto last = read_object<SettlementHead>(std::span(out).subspan(last_));
        if (last.settled == settled_of(result) && last.delivery + last.count == delivery &&
            last.count < UINT32_MAX) {
            ++last.count;
            std::memcpy(out.data() + last_, &last, sizeof last);
            return;
        }
    }
    if (begun_ && out.size() - frame_ > kSettleFrameBytes) finish(out);
    if (!begun_) begin(out);
    last_ = out.size();
    extensible_ = plain;
    const std::size_t texts = result.response.size() + reason.size();
    append_object(
        out, SettlementHead{.delivery = delivery,
                            .settled = settled_of(result),
                            .response_bytes = static_cast<std::uint32_t>(result.response.size()),
                            .reason_bytes = static_cast<std::uint32_t>(reason.size())});
    append_text(out, result.response);
    append_text(out, reason);
    append_padding(out, texts);
}

void SettlementWriter::finish(Buffer& out) {
    if (!std::exchange(begun_, false)) return;
    const auto body = static_cast<std::uint32_t>(out.size() - frame_ - sizeof(FrameHeader));
    std::memcpy(out.data() + frame_, &body, sizeof body);
}

Result<> read_settlements(const Frame& frame, std::vector<Settlement>& out) {
    auto rest = frame.body;
    while (!rest.empty()) {
        if (rest.size() < sizeof(SettlementHead))
            return refuse_frame(Errc::corrupt, "settlements of a broken length");
        const auto head = read_object<SettlementHead>(rest);
        const std::size_t texts = std::size_t{head.response_bytes} + head.reason_bytes;
        if (padded(texts) > rest.size() - sizeof head)
            return refuse_frame(Errc::corrupt, "settlements of a broken length");
        if (!known(head.settled) || head.count == 0 ||
            (head.count > 1 && head.response_bytes > 0) || head.response_bytes > kEventBytesMax)
            return refuse_frame(Errc::corrupt, "a broken settlement");
        out.push_back({.delivery = head.delivery,
                       .count = head.count,
                       .settled = head.settled,
                       .response = as_text(rest.subspan(sizeof head, head.response_bytes)),
                       .reason = as_text(
                           rest.subspan(sizeof head + head.response_bytes, head.reason_bytes))});
        rest = rest.subspan(sizeof head + padded(texts));
    }
    return {};
}

HandleResult result_of(const Settlement& settlement) {
    const bool not_now = settlement.settled == kNotNow;
    if (not_now && settlement.reason.empty())
        return {.outcome = Outcome::failed, .reason = "not now", .not_now = true};
    const bool for_good = settlement.settled == kForGood;
    return {
        .outcome = not_now || for_good ? Outcome::failed : static_cast<Outcome>(settlement.settled),
        .response = std::string(settlement.response),
        .reason = std::string(settlement.reason.substr(0, kReasonBytes)),
        .not_now = not_now,
        .for_good = for_good};
}

}  // namespace crucible::runtime::protocol
