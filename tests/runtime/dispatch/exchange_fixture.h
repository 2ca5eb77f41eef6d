#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "gated_service.h"
#include "runtime/dispatch/exchange.h"
#include "runtime/route/rule_file.h"

namespace crucible::runtime::testing {

struct Told {
    std::uint64_t token;
    Outcome outcome;
    std::string reason;
};

/// An exchange over services "gated-0" and so on, which serve the category custom, with what it
/// said of the ends.
class ExchangeFixture {
public:
    explicit ExchangeFixture(ExchangeOptions options = {}, std::size_t gated = 1) {
        if (options.dispatch.workers != 1)
            options.dispatch.workers = static_cast<std::uint32_t>(gated);
        services_ = *ServiceSet::open({.data_directory = {}, .work = Work::none});
        for (std::size_t i = 0; i < gated; ++i) {
            auto service = std::make_unique<GatedService>("gated-" + std::to_string(i));
            gated_.push_back(service.get());
            EXPECT_TRUE(services_->add(std::move(service)));
        }
        exchange_.emplace(options, *services_, [this](std::span<const Completion> completions) {
            const std::lock_guard lock(mutex_);
            for (const auto& [owner, token, result, bytes] : completions)
                told_.push_back({token, result->outcome, result->reason});
        });
    }
    ~ExchangeFixture() {
        for (auto* service : gated_) service->open_gate();
    }

    Exchange& exchange() { return *exchange_; }
    GatedService& service(std::size_t index = 0) { return *gated_[index]; }

    /// How it ended at once; nothing when the end is still to come.
    Result<std::optional<HandleResult>> take(const Event& event, std::uint64_t token = 0) {
        return exchange_->take({event.id, view_of(event), 7, token, base::monotonic_now()},
                               *exchange_->rules().table(), [&](Event& target) -> Result<> {
                                   target = event;
                                   return {};
                               });
    }
    bool taken(const Event& event, std::uint64_t token = 0) {
        const auto result = take(event, token);
        return result && !*result;
    }
    void use_rules(std::string_view text) {
        auto rules = parse_rules("version = 1\n" + std::string(text), "test");
        ASSERT_TRUE(rules) << rules.error().message;
        const auto replaced = exchange_->rules().replace(std::move(*rules));
        ASSERT_TRUE(replaced) << replaced.error().message;
    }
    bool drain() { return exchange_->drain(kGenerousLimit).has_value(); }
    std::vector<Told> told() {
        const std::lock_guard lock(mutex_);
        auto sorted = told_;
        std::ranges::sort(sorted, {}, &Told::token);
        return sorted;
    }
    std::size_t handled() { return count(Outcome::handled); }
    std::size_t count(Outcome outcome) {
        const auto all = told();
        return static_cast<std::size_t>(std::ranges::count(all, outcome, &Told::outcome));
    }

private:
    std::unique_ptr<ServiceSet> services_;
    std::vector<GatedService*> gated_;
    std::mutex mutex_;
    std::vector<Told> told_;
    std::optional<Exchange> exchange_;
};

inline Event event_of(std::uint8_t number, std::string payload = "a",
                      Priority priority = Priority::normal) {
    Event event = make_event(std::move(payload), priority);
    event.id.bytes[0] = 1;
    event.id.bytes[15] = number;
    return event;
}

/// No retries, so that a failure is the end.
inline ExchangeOptions once() {
    ExchangeOptions options;
    options.retry.attempts_max = 1;
    return options;
}

/// Retries that take no time worth mentioning.
inline ExchangeOptions impatient(std::uint32_t attempts) {
    ExchangeOptions options;
    options.retry = {.attempts_max = attempts,
                     .base = std::chrono::microseconds(1),
                     .cap = std::chrono::microseconds(2)};
    return options;
}

}  // namespace crucible::runtime::testing
