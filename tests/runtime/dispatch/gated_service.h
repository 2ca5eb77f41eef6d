#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "crucible/service.h"

namespace crucible::runtime::testing {

/// How long a test waits for something that happens at once unless the code is broken.
inline constexpr std::chrono::seconds kGenerousLimit{30};

inline Event make_event(std::string payload, Priority priority = Priority::normal,
                        std::string source = "client-0") {
    Event event;
    event.category = Category::custom;
    event.priority = priority;
    event.type = "test.event";
    event.source = std::move(source);
    event.payload = std::move(payload);
    return event;
}

/// Records the payloads it is handed, batch by batch. While the gate is closed it holds the worker
/// inside handle(), so that a test decides what waits behind it.
class GatedService final : public Service {
public:
    explicit GatedService(std::string name = "gated", Category category = Category::custom,
                          std::size_t batch_max = 64)
        : name_(std::move(name)), category_(category), batch_max_(batch_max) {}

    std::string_view name() const noexcept override { return name_; }
    Category category() const noexcept override { return category_; }
    std::size_t batch_max() const noexcept override { return batch_max_; }

    CheckResult check() override {
        const std::lock_guard lock(mutex_);
        ++checks_;
        return check_result_;
    }
    void answer_checks_with(CheckResult result) {
        const std::lock_guard lock(mutex_);
        check_result_ = result;
    }

    void handle(std::span<const Event* const> events, std::span<HandleResult> results) override {
        std::unique_lock lock(mutex_);
        auto& batch = batches_.emplace_back();
        for (std::size_t i = 0; i < events.size(); ++i) {
            batch.push_back(events[i]->payload);
            results[i].response = "echo " + events[i]->payload;
            if (events[i]->payload == "throw") throw std::runtime_error("it broke");
            if (events[i]->payload == "fail") results[i] = {Outcome::failed, {}, "asked to fail"};
            if (events[i]->payload == "impossible")
                results[i] = {
                    .outcome = Outcome::failed, .reason = "it cannot be done", .for_good = true};
        }
        changed_.notify_all();
        changed_.wait(lock, [this] { return open_; });
    }

    void close_gate() {
        const std::lock_guard lock(mutex_);
        open_ = false;
    }
    void open_gate() {
        const std::lock_guard lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }
    /// Waits until `count` batches were begun.
    bool wait_for_batches(std::size_t count) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, kGenerousLimit, [&] { return batches_.size() >= count; });
    }
    std::vector<std::vector<std::string>> batches() const {
        const std::lock_guard lock(mutex_);
        return batches_;
    }
    std::size_t checks() const {
        const std::lock_guard lock(mutex_);
        return checks_;
    }
    std::vector<std::string> payloads() const {
        std::vector<std::string> all;
        for (const auto& batch : batches()) all.insert(all.end(), batch.begin(), batch.end());
        return all;
    }

private:
    const std::string name_;
    const Category category_;
    const std::size_t batch_max_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = true;
    CheckResult check_result_ = CheckResult::passed;
    std::size_t checks_ = 0;
    std::vector<std::vector<std::string>> batches_;
};

}  // namespace crucible::runtime::testing
