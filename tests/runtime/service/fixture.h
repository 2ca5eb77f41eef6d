#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "runtime/service/digest.h"
#include "runtime/service/service_set.h"

namespace crucible::runtime {

/// A directory of its own for every test, and events made short.
class ServiceTest : public testing::Test {
protected:
    void SetUp() override {
        auto directory = base::TempDir::make("service");
        ASSERT_TRUE(directory);
        directory_ = std::make_unique<base::TempDir>(std::move(*directory));
    }

    const std::filesystem::path& data() const { return directory_->path(); }

    std::unique_ptr<ServiceSet> open(ServiceOptions options = {}) {
        options.data_directory = data();
        auto set = ServiceSet::open(options);
        EXPECT_TRUE(set) << set.error().message;
        return set ? std::move(*set) : nullptr;
    }

    /// An event with an id of its own.
    Event event(Category category, std::string type, std::string payload) {
        Event made;
        ++events_;
        made.id.bytes[14] = static_cast<std::uint8_t>(events_ >> 8);
        made.id.bytes[15] = static_cast<std::uint8_t>(events_);
        made.category = category;
        made.type = std::move(type);
        made.source = "client-0";
        made.payload = std::move(payload);
        return made;
    }

    static std::vector<HandleResult> handle(ServiceSet& set, const std::vector<Event>& events) {
        std::vector<const Event*> pointers;
        for (const auto& one : events) pointers.push_back(&one);
        // As a worker would: memory that an earlier event has used.
        std::vector<HandleResult> results(events.size(), {Outcome::expired, "old", "old"});
        const auto service = set.route(events.front());
        EXPECT_TRUE(service);
        set.services()[*service]->handle(pointers, results);
        return results;
    }

    static HandleResult handle(ServiceSet& set, const Event& one) {
        return handle(set, std::vector<Event>{one}).front();
    }

    static std::string hash(std::string_view content) {
        const auto text = content_hash(content);
        return {text.data(), text.size()};
    }

    static std::string content(const std::filesystem::path& path) {
        return base::read_file(path).value_or("<no such file>");
    }

private:
    std::unique_ptr<base::TempDir> directory_;
    int events_ = 0;
};

}  // namespace crucible::runtime
