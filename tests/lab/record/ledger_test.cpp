#include "lab/record/ledger.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <map>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/rng.h"

namespace crucible::lab {
namespace {

void send_all(Ledger& ledger, std::uint64_t count, Priority priority = Priority::normal) {
    for (std::uint64_t token = 0; token < count; ++token) ledger.sent(token, priority);
}

// Every outcome ends in exactly one column, and the columns add up to what was sent.
TEST(Ledger, SplitsSentIntoHandledRejectedAndLost) {
    Ledger ledger(7);
    send_all(ledger, 6);
    ledger.refused(0);
    EXPECT_TRUE(ledger.acknowledged(1, Outcome::handled));
    EXPECT_TRUE(ledger.acknowledged(2, Outcome::rejected));
    EXPECT_TRUE(ledger.acknowledged(3, Outcome::failed));
    EXPECT_TRUE(ledger.acknowledged(4, Outcome::expired));
    EXPECT_EQ(ledger.in_flight(), 1u);
    EXPECT_EQ(ledger.close(),
              (Delivery{.planned = 7, .sent = 6, .handled = 1, .rejected = 4, .lost = 1}));
    EXPECT_EQ(ledger.unknown(), 0u);
}

// A second acknowledgement is a duplicate whatever it says, and never ends anything twice.
TEST(Ledger, CountsEveryAcknowledgementBeyondTheFirst) {
    Ledger ledger(2);
    send_all(ledger, 2);
    EXPECT_TRUE(ledger.acknowledged(0, Outcome::handled));
    EXPECT_FALSE(ledger.acknowledged(0, Outcome::handled));
    EXPECT_FALSE(ledger.acknowledged(0, Outcome::failed));
    ledger.refused(1);
    EXPECT_FALSE(ledger.acknowledged(1, Outcome::handled));
    EXPECT_EQ(ledger.close(),
              (Delivery{.planned = 2, .sent = 2, .handled = 1, .rejected = 1, .duplicated = 3}));
}

// A target that acknowledges and then reports that the send failed has spoken twice; the first word
// stands.
TEST(Ledger, KeepsAnAcknowledgementThatOvertookARefusal) {
    Ledger ledger(1);
    ledger.sent(0, Priority::low);
    EXPECT_TRUE(ledger.acknowledged(0, Outcome::handled));
    ledger.refused(0);
    EXPECT_EQ(ledger.close(), (Delivery{.planned = 1, .sent = 1, .handled = 1, .duplicated = 1}));
}

// Tokens nobody sent: next to a sent one, in a chunk never touched, beyond all tokens. None may
// count as an event, and one sent later must still be able to end.
TEST(Ledger, CountsUnknownTokensApart) {
    Ledger ledger(0);
    ledger.sent(0, Priority::high);
    EXPECT_FALSE(ledger.acknowledged(1, Outcome::handled));
    EXPECT_FALSE(ledger.acknowledged(50'000'000, Outcome::handled));
    EXPECT_FALSE(ledger.acknowledged(Ledger::kTokensMax, Outcome::handled));
    EXPECT_FALSE(ledger.acknowledged(~std::uint64_t{0}, Outcome::handled));
    EXPECT_EQ(ledger.unknown(), 4u);
    ledger.sent(1, Priority::high);
    EXPECT_TRUE(ledger.acknowledged(1, Outcome::handled));
    EXPECT_EQ(ledger.close(), (Delivery{.sent = 2, .handled = 1, .lost = 1}));
}

// Order is kept within a priority: a critical event may overtake a low one, and only handled events
// have a place.
TEST(Ledger, CountsReorderingWithinAPriority) {
    Ledger ledger(8);
    const std::array priorities{Priority::low,      Priority::critical, Priority::low,
                                Priority::critical, Priority::normal,   Priority::low,
                                Priority::high,     Priority::low};
    for (std::uint64_t token = 0; token < priorities.size(); ++token)
        ledger.sent(token, priorities[token]);
    for (const std::uint64_t token : {3u, 1u, 5u, 0u, 2u, 4u, 6u})
        ledger.acknowledged(token, Outcome::handled);
    // 1 came after 3, both critical; 0 and 2 came after 5, all low.
    const auto delivery = ledger.close();
    EXPECT_EQ(delivery.reordered, (std::array<std::uint64_t, kPriorityCount>{1, 0, 0, 2}));
    EXPECT_EQ(delivery.reordered_total(), 3u);

    Ledger refusing(3);
    send_all(refusing, 3);
    refusing.acknowledged(2, Outcome::rejected);
    refusing.acknowledged(0, Outcome::handled);
    refusing.acknowledged(1, Outcome::handled);
    EXPECT_EQ(refusing.close().reordered_total(), 0u);
}

// A million events with faults planted at known places are accounted for to the last one. It spans
// a chunk boundary.
TEST(Ledger, FindsEveryPlantedFaultAmongAMillionEvents) {
    constexpr std::uint64_t kEvents = 1'100'000;
    Ledger ledger(kEvents);
    Delivery want{.planned = kEvents, .sent = kEvents};
    for (std::uint64_t token = 0; token < kEvents; ++token) {
        ledger.sent(token, static_cast<Priority>(token % kPriorityCount));
    }
    for (std::uint64_t base = 0; base < kEvents; base += 100) {
        for (std::uint64_t i = 0; i < 100; ++i) {
            const std::uint64_t token = base + i;
            if (i == 13) continue;               // lost
            if (i == 20) ledger.refused(token);  // rejected
            if (i == 20 || i == 40) continue;    // 40 comes after 44: reordered
            EXPECT_TRUE(ledger.acknowledged(token, Outcome::handled));
            if (i == 44) {
                EXPECT_TRUE(ledger.acknowledged(base + 40, Outcome::handled));
            }
            if (i == 70) {
                EXPECT_FALSE(ledger.acknowledged(token, Outcome::handled));
            }
        }
    }
    constexpr std::uint64_t kHundreds = kEvents / 100;
    want.lost = kHundreds;
    want.rejected = kHundreds;
    want.handled = 98 * kHundreds;
    want.duplicated = kHundreds;
    want.reordered[0] = kHundreds;
    EXPECT_EQ(ledger.close(), want);
    EXPECT_EQ(ledger.in_flight(), kHundreds);
}

/// The same account kept the plain way.
struct Model {
    struct Entry {
        Priority priority;
        bool ended = false;
    };
    std::map<std::uint64_t, Entry> entries;
    std::array<std::optional<std::uint64_t>, kPriorityCount> highest;
    Delivery delivery;
    std::uint64_t unknown = 0;

    void acknowledged(std::uint64_t token, Outcome outcome) {
        const auto found = entries.find(token);
        if (found == entries.end()) {
            ++unknown;
        } else if (std::exchange(found->second.ended, true)) {
            ++delivery.duplicated;
        } else if (outcome != Outcome::handled) {
            ++delivery.rejected;
        } else {
            const auto priority = static_cast<std::size_t>(found->second.priority);
            if (highest[priority] && token < *highest[priority]) ++delivery.reordered[priority];
            highest[priority] = std::max(token, highest[priority].value_or(0));
            ++delivery.handled;
        }
    }
    std::uint64_t in_flight() const { return delivery.sent - delivery.handled - delivery.rejected; }
};

// Any sequence of calls gives what the plain account gives, at every step.
TEST(Ledger, AgreesWithAPlainAccountOnRandomHistories) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        base::Rng rng(seed);
        Ledger ledger(0);
        Model model;
        std::uint64_t next = rng.below(2) == 0 ? 0 : (std::uint64_t{1} << 20) - 500;
        const std::uint64_t first = next;
        for (int step = 0; step < 5'000; ++step) {
            const auto action = rng.below(10);
            if (action < 5) {
                const auto priority = static_cast<Priority>(rng.below(kPriorityCount));
                ledger.sent(next, priority);
                model.entries[next] = {priority};
                ++model.delivery.sent;
                if (rng.below(20) == 0) {
                    ledger.refused(next);
                    model.entries[next].ended = true;
                    ++model.delivery.rejected;
                }
                ++next;
            } else {
                const auto token = first + rng.below(next - first + 5);
                const auto outcome = static_cast<Outcome>(rng.below(4));
                const auto before = model.delivery;
                const auto unknown_before = model.unknown;
                model.acknowledged(token, outcome);
                const bool is_first = model.delivery.duplicated == before.duplicated &&
                                      model.unknown == unknown_before;
                ASSERT_EQ(ledger.acknowledged(token, outcome), is_first);
            }
            ASSERT_EQ(ledger.in_flight(), model.in_flight());
        }
        model.delivery.lost = model.in_flight();
        EXPECT_EQ(ledger.close(), model.delivery);
        EXPECT_EQ(ledger.unknown(), model.unknown);
    }
}

// A sender and a completion thread at once, over chunk boundaries, with faults planted by token:
// nothing is counted twice or missed, and the number in flight is never negative (it would wrap).
TEST(Ledger, KeepsTheAccountBetweenTwoThreads) {
    constexpr std::uint64_t kEvents = 2'200'000;
    Ledger ledger(0);
    std::atomic<std::uint64_t> handed_over{0};
    std::thread target([&] {
        std::uint64_t token = 0;
        while (token < kEvents) {
            const auto available = handed_over.load(std::memory_order_acquire);
            for (; token < available; ++token) {
                if (token % 50 == 7) continue;  // refused by the sender
                if (token % 50 == 9) continue;  // lost
                ledger.acknowledged(token, token % 50 == 11 ? Outcome::failed : Outcome::handled);
                if (token % 50 == 13) ledger.acknowledged(token, Outcome::handled);
            }
            std::this_thread::yield();
        }
    });
    std::uint64_t in_flight_max = 0;
    for (std::uint64_t token = 0; token < kEvents; ++token) {
        ledger.sent(token, Priority::normal);
        if (token % 50 == 7) ledger.refused(token);
        handed_over.store(token + 1, std::memory_order_release);
        in_flight_max = std::max(in_flight_max, ledger.in_flight());
    }
    target.join();
    constexpr std::uint64_t kFifties = kEvents / 50;
    EXPECT_LE(in_flight_max, kEvents);
    EXPECT_EQ(ledger.close(), (Delivery{.sent = kEvents,
                                        .handled = 47 * kFifties,
                                        .rejected = 2 * kFifties,
                                        .lost = kFifties,
                                        .duplicated = kFifties}));
}

// One loss, one duplicate and one reordering in a million, among ten million: each is counted, the
// duplicates of events that ended long ago too. Memory is that of a few chunks all the same.
TEST(Ledger, CountsOneInAMillionExactly) {
    constexpr std::uint64_t kMillion = 1'000'000;
    constexpr std::uint64_t kEvents = 10 * kMillion;
    constexpr std::uint64_t kBehind = 50;  // in flight
    Ledger ledger(kEvents);
    const auto acknowledge = [&ledger](std::uint64_t token) {
        const auto place = token % kMillion;
        if (place == 400'000) return;  // lost
        if (place == 500'000) return;  // comes behind the next
        ledger.acknowledged(token, Outcome::handled);
        if (place == 500'001) ledger.acknowledged(token - 1, Outcome::handled);
        if (place == 999'999) ledger.acknowledged(token - 900'000, Outcome::handled);
    };
    for (std::uint64_t token = 0; token < kEvents; ++token) {
        ledger.sent(token, Priority::normal);
        if (token >= kBehind) acknowledge(token - kBehind);
    }
    for (std::uint64_t token = kEvents - kBehind; token < kEvents; ++token) acknowledge(token);
    Delivery expected{
        .planned = kEvents, .sent = kEvents, .handled = kEvents - 10, .lost = 10, .duplicated = 10};
    expected.reordered[static_cast<std::size_t>(Priority::normal)] = 10;
    EXPECT_EQ(ledger.close(), expected);
    EXPECT_EQ(ledger.unknown(), 0u);
    // 10 chunks with a lost event of 76, and a few under way.
    EXPECT_LE(ledger.memory_bytes(), 14u * 64 * 1024);
}

TEST(Delivery, AddsUpColumnByColumn) {
    Delivery sum{.planned = 1, .sent = 2, .handled = 3, .rejected = 4, .lost = 5, .duplicated = 6};
    sum.reordered = {1, 2, 3, 4};
    sum += sum;
    Delivery want{
        .planned = 2, .sent = 4, .handled = 6, .rejected = 8, .lost = 10, .duplicated = 12};
    want.reordered = {2, 4, 6, 8};
    EXPECT_EQ(sum, want);
}

}  // namespace
}  // namespace crucible::lab
