#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "base/clock.h"
#include "lab/target/system.h"
#include "lab/target/target.h"

namespace crucible::lab {

/// A client of an endpoint, and what came back to it.
struct TargetClient {
    TargetClient() {
        event.category = Category::database;
        event.type = "record.created";
        event.source = "client-0";
        event.payload = "{}";
    }
    explicit TargetClient(const std::string& endpoint) : TargetClient() { open(endpoint); }

    void open(const std::string& endpoint) {
        auto opened =
            open_target(endpoint, 0, [this](std::span<const Completion> batch, TimePoint) {
                for (const auto& [token, outcome] : batch) {
                    ++outcomes[outcome];
                    ++answers[token];
                }
            });
        if (opened) {
            target = *std::move(opened);
        } else {
            error = opened.error();
        }
    }

    /// Sends `event` so often, each with an id of its own; the first refusal.
    Result<> send(int count) {
        Result<> first;
        for (int i = 0; i < count; ++i) {
            event.id.bytes[15] = static_cast<std::uint8_t>(i);
            const auto sent = target->send(event, next_token++);
            refused += !sent;
            if (first && !sent) first = sent;
        }
        return first;
    }

    /// Sends until the target says, other than that it is full, why it takes no more; a minute at
    /// most.
    Error send_until_refused() {
        const TimePoint limit = base::monotonic_now() + std::chrono::minutes(1);
        while (base::monotonic_now() < limit) {
            const auto sent = send(1);
            if (!sent && sent.error().code != Errc::overloaded) return sent.error();
            target->serve(base::monotonic_now() + std::chrono::milliseconds(1));
        }
        return {};
    }

    bool each_answered_once() const {
        for (const auto& [token, count] : answers)
            if (count != 1) return false;
        return answers.size() == next_token;
    }

    Event event;  ///< what is sent
    std::unique_ptr<Target> target;
    Error error;
    std::map<Outcome, int> outcomes;
    std::map<std::uint64_t, int> answers;
    std::uint64_t next_token = 0;
    int refused = 0;
};

}  // namespace crucible::lab
