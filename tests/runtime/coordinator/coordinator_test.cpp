#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "../dispatch/gated_service.h"
#include "base/file.h"
#include "runtime/coordinator/data_coordinator.h"
#include "runtime/coordinator/simple_request_router.h"

namespace crucible::runtime {
namespace {

using ::testing::ElementsAre;
using testing::GatedService;
using testing::kGenerousLimit;
using testing::make_event;

/// Collects acknowledgements and notices when two calls of the handler overlap.
class Acknowledged {
public:
    AcknowledgementHandler handler() {
        return [this](std::span<const Acknowledgement> batch) {
            if (inside_.fetch_add(1) != 0) overlapped_ = true;
            all_.insert(all_.end(), batch.begin(),
                        batch.end());  // unguarded: the promise is one call at a time
            inside_.fetch_sub(1);
        };
    }
    const std::vector<Acknowledgement>& all() const { return all_; }
    bool overlapped() const { return overlapped_; }

private:
    std::vector<Acknowledgement> all_;
    std::atomic<int> inside_ = 0;
    std::atomic<bool> overlapped_ = false;
};

class CoordinatorTest : public ::testing::Test {
protected:
    /// Services that do no work, and gated ones named "gated-0" and so on.
    std::unique_ptr<ServiceSet> open_services(std::size_t gated = 1) {
        ServiceOptions options;
        options.data_directory = directory_.path();
        options.work = Work::none;
        auto services = ServiceSet::open(options);
        EXPECT_TRUE(services) << services.error().message;
        for (std::size_t i = 0; i < gated; ++i) {
            auto service = std::make_unique<GatedService>("gated-" + std::to_string(i));
            gated_.push_back(service.get());
            EXPECT_TRUE((*services)->add(std::move(service)));
        }
        return std::move(*services);
    }
    std::unique_ptr<Coordinator> make(CoordinatorOptions options = {}, std::size_t gated = 1) {
        auto coordinator =
            make_data_coordinator(options, open_services(gated), acknowledged_.handler());
        EXPECT_TRUE(coordinator) << coordinator.error().message;
        return std::move(*coordinator);
    }
    static Event event_for(const std::string& target, std::string payload = "a") {
        Event event = make_event(std::move(payload));
        event.targets = {target};
        return event;
    }

    base::TempDir directory_ = *base::TempDir::make("coordinator");
    Acknowledged acknowledged_;
    std::vector<GatedService*> gated_;
};

TEST_F(CoordinatorTest, AcknowledgesAnEventOnceItIsHandled) {
    const auto coordinator = make();

    ASSERT_TRUE(coordinator->publish(event_for("gated-0", "hello"), 42));
    ASSERT_TRUE(coordinator->drain(kGenerousLimit));

    EXPECT_THAT(gated_[0]->payloads(), ElementsAre("hello"));
    ASSERT_EQ(acknowledged_.all().size(), 1u);
    EXPECT_EQ(acknowledged_.all()[0].token, 42u);
    EXPECT_EQ(acknowledged_.all()[0].outcome, Outcome::handled);
}

// The interface promises one call at a time, from however many workers; users keep unguarded state
// in the handler.
TEST_F(CoordinatorTest, CallsTheHandlerOneAtATime) {
    const auto coordinator = make({.workers = 4, .batch_max = 1}, 4);
    std::vector<std::jthread> publishers;
    for (std::uint64_t publisher = 0; publisher < 2; ++publisher) {
        publishers.emplace_back([&, publisher] {
            for (std::uint64_t i = 0; i < 2000; ++i) {
                EXPECT_TRUE(coordinator->publish(event_for("gated-" + std::to_string(i % 4)),
                                                 publisher * 2000 + i));
            }
        });
    }
    publishers.clear();
    ASSERT_TRUE(coordinator->drain(kGenerousLimit));

    EXPECT_FALSE(acknowledged_.overlapped());
    EXPECT_EQ(acknowledged_.all().size(), 4000u);
}

TEST_F(CoordinatorTest, AnswersRequestsWithoutAcknowledgements) {
    const auto coordinator = make();

    const auto response = coordinator->request(event_for("gated-0", "question"), kGenerousLimit);
    ASSERT_TRUE(response);
    EXPECT_EQ(response->payload, "echo question");
    const auto failed = coordinator->request(event_for("gated-0", "fail"), kGenerousLimit);
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->outcome, Outcome::failed);
    EXPECT_EQ(failed->reason, "asked to fail");
    EXPECT_TRUE(acknowledged_.all().empty());
}

// The caller's limit ends the wait, not the work; the late response finds nobody and harms nobody.
TEST_F(CoordinatorTest, RequestTimesOut) {
    const auto coordinator = make();
    gated_[0]->close_gate();

    const auto response = coordinator->request(event_for("gated-0"), std::chrono::milliseconds(1));

    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code, Errc::timeout);
    gated_[0]->open_gate();
    ASSERT_TRUE(coordinator->drain(kGenerousLimit));
    EXPECT_EQ(coordinator->request(event_for("gated-0", "next"), kGenerousLimit)->payload,
              "echo next");
}

TEST_F(CoordinatorTest, CountsEveryEventOnce) {
    const auto coordinator =
        make({.workers = 1, .queue_events_max = 3, .retry = {.attempts_max = 1}});
    gated_[0]->close_gate();
    ASSERT_TRUE(coordinator->publish(event_for("gated-0"), 0));
    ASSERT_TRUE(coordinator->publish(event_for("gated-0", "fail"), 1));
    Event late = event_for("gated-0");
    late.deadline = WallTime{} + std::chrono::seconds(1);
    ASSERT_TRUE(coordinator->publish(late, 2));
    ASSERT_TRUE(coordinator->publish(event_for("nobody"), 3));
    const auto refused = coordinator->publish(event_for("gated-0"), 4);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::overloaded);
    EXPECT_EQ(coordinator->stats().queued, 3u);
    gated_[0]->open_gate();
    ASSERT_TRUE(coordinator->drain(kGenerousLimit));

    const auto stats = coordinator->stats();
    EXPECT_EQ(stats.published, 4u);
    EXPECT_EQ(stats.handled, 1u);
    EXPECT_EQ(stats.failed, 1u);
    EXPECT_EQ(stats.expired, 1u);
    EXPECT_EQ(stats.rejected, 1u);
    EXPECT_EQ(stats.queued, 0u);
    EXPECT_EQ(acknowledged_.all().size(), 4u);
}

TEST_F(CoordinatorTest, RefusesAnEventOverTheLimit) {
    const auto coordinator = make();

    const auto published =
        coordinator->publish(event_for("gated-0", std::string(kEventBytesMax + 1, 'x')), 0);

    ASSERT_FALSE(published);
    EXPECT_EQ(published.error().code, Errc::invalid_argument);
    EXPECT_EQ(coordinator->stats().published, 0u);
}

TEST_F(CoordinatorTest, RefusesOptionsThatCannotWork) {
    const auto coordinator = make_data_coordinator({.workers = 0}, open_services(), {});

    ASSERT_FALSE(coordinator);
    EXPECT_EQ(coordinator.error().message, "workers must be at least 1");
}

// With Overflow::block a full queue makes its publisher wait, and refuses nothing.
TEST_F(CoordinatorTest, APublisherWaitsForRoom) {
    const auto coordinator =
        make({.workers = 1, .queue_events_max = 2, .overflow = Overflow::block});
    gated_[0]->close_gate();
    std::atomic<std::uint64_t> published = 0;
    std::jthread publisher([&] {
        for (std::uint64_t token = 0; token < 5; ++token, ++published)
            EXPECT_TRUE(coordinator->publish(event_for("gated-0"), token));
    });
    ASSERT_TRUE(gated_[0]->wait_for_batches(1));
    while (published < 2) std::this_thread::yield();
    EXPECT_EQ(coordinator->stats().published, 2u);

    gated_[0]->open_gate();
    publisher.join();
    ASSERT_TRUE(coordinator->drain(kGenerousLimit));

    EXPECT_EQ(acknowledged_.all().size(), 5u);
    EXPECT_EQ(coordinator->stats().handled, 5u);
}

// The same rule file as the daemon's, read when the coordinator is made.
TEST_F(CoordinatorTest, RoutesByARuleFile) {
    const auto file = directory_.path() / "rules.toml";
    ASSERT_TRUE(base::write_file(file, R"(version = 1
[[rule]]
id = "elsewhere"
type = "test.event"
deliver = ["gated-1"]
)"));
    const auto coordinator = make({.rules = file}, 2);
    ASSERT_TRUE(coordinator->publish(event_for("gated-0"), 0));
    ASSERT_TRUE(coordinator->drain(kGenerousLimit));
    EXPECT_TRUE(gated_[0]->payloads().empty());
    EXPECT_THAT(gated_[1]->payloads(), ElementsAre("a"));

    const auto refused = make_data_coordinator({.rules = file}, open_services(0), {});
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().message.starts_with(file.string() + ": rule 'elsewhere'"))
        << refused.error().message;
}

// One client's mistakes are no reason to keep the others' events away from the services.
TEST_F(CoordinatorTest, AClientThatIsWrongHurtsNobodyElse) {
    auto services = ServiceSet::open({.data_directory = directory_.path()});
    ASSERT_TRUE(services) << services.error().message;
    const auto coordinator =
        make_data_coordinator({}, std::move(*services), acknowledged_.handler());
    ASSERT_TRUE(coordinator) << coordinator.error().message;
    const auto publish = [&](const std::string& source, Category category, std::string type,
                             std::string payload) {
        Event event = make_event(std::move(payload), Priority::normal, source);
        event.category = category;
        event.type = std::move(type);
        ASSERT_TRUE((*coordinator)->publish(event, 0));
        ASSERT_TRUE((*coordinator)->drain(kGenerousLimit));
    };
    const std::string call =
        R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"query","arguments":)";
    for (int i = 0; i < 10; ++i) {
        publish("client-0", Category::database, "record.deleted", R"({"key":"none"})");
        publish("client-0", Category::filesystem, "file.deleted", R"({"path":"none"})");
        publish("client-0", Category::mcp, "tool.called", call + "{}}}");
        publish("client-0", Category::service, "status.changed",
                R"({"component":"none","status":"healthy"})");
    }
    EXPECT_EQ((*coordinator)->stats().failed, 40u);

    publish("client-1", Category::database, "record.created", R"({"key":"k","fields":{}})");
    publish("client-1", Category::filesystem, "file.created",
            R"({"path":"empty","content":"","content_hash":"2d06800538d394c2"})");
    publish("client-1", Category::mcp, "tool.called", call + R"({"key":"k"}}})");
    publish("client-1", Category::service, "status.changed",
            R"({"component":"c","status":"starting"})");
    EXPECT_EQ((*coordinator)->stats().handled, 4u);
}

// The router acknowledges before publish() returns: that is its whole point.
TEST_F(CoordinatorTest, RouterHandlesInTheCallersThread) {
    const auto router = make_simple_request_router(open_services(), acknowledged_.handler());

    ASSERT_TRUE(router->publish(event_for("gated-0", "a"), 1));
    ASSERT_EQ(acknowledged_.all().size(), 1u);
    EXPECT_EQ(acknowledged_.all()[0].outcome, Outcome::handled);
    ASSERT_TRUE(router->publish(event_for("gated-0", "throw"), 2));
    EXPECT_EQ(acknowledged_.all()[1].outcome, Outcome::failed);
    ASSERT_TRUE(router->publish(event_for("nobody"), 3));
    EXPECT_EQ(acknowledged_.all()[2].outcome, Outcome::rejected);
    Event late = event_for("gated-0");
    late.deadline = WallTime{} + std::chrono::seconds(1);
    ASSERT_TRUE(router->publish(late, 4));
    EXPECT_EQ(acknowledged_.all()[3].outcome, Outcome::expired);
    EXPECT_EQ(router->request(event_for("gated-0", "q"), kGenerousLimit)->payload, "echo q");

    EXPECT_TRUE(router->drain(kGenerousLimit));
    const auto stats = router->stats();
    EXPECT_EQ(stats.published, 5u);
    EXPECT_EQ(stats.handled, 2u);
    EXPECT_EQ(stats.failed, 1u);
    EXPECT_EQ(stats.rejected, 1u);
    EXPECT_EQ(stats.expired, 1u);
    EXPECT_EQ(stats.queued, 0u);
}

// A service keeps unguarded state: it is called from one thread at a time though every caller
// brings its own.
TEST_F(CoordinatorTest, RouterRunsAServiceOneCallAtATime) {
    const auto router = make_simple_request_router(open_services(), acknowledged_.handler());
    std::vector<std::jthread> publishers;
    for (int publisher = 0; publisher < 3; ++publisher) {
        publishers.emplace_back([&] {
            for (std::uint64_t i = 0; i < 1000; ++i)
                EXPECT_TRUE(router->publish(event_for("gated-0"), i));
        });
    }
    publishers.clear();

    EXPECT_FALSE(acknowledged_.overlapped());
    EXPECT_EQ(router->stats().handled, 3000u);
}

}  // namespace
}  // namespace crucible::runtime
