#include "runtime/service/service_set.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <set>
#include <thread>

#include "fixture.h"
#include "runtime/service/deal.h"

namespace crucible::runtime {
namespace {

class ServiceSetTest : public ServiceTest {};

std::array<int, 6> dealt(std::uint32_t services) {
    std::array<int, 6> counts{};
    for (const auto& categories : deal_categories(services)) {
        ++counts[static_cast<std::size_t>(categories.front())];
    }
    return counts;
}

// The four scenarios' numbers of services, by the production mix 30/25/20/10/10/5.
TEST_F(ServiceSetTest, DealsInstancesByTheMix) {
    EXPECT_EQ(dealt(6), (std::array{1, 1, 1, 1, 1, 1}));
    EXPECT_EQ(dealt(10), (std::array{3, 2, 2, 1, 1, 1}));
    EXPECT_EQ(dealt(50), (std::array{15, 13, 10, 5, 5, 2}));
    EXPECT_EQ(dealt(100), (std::array{30, 25, 20, 10, 10, 5}));
    const std::vector<std::vector<Category>> three = {{Category::filesystem, Category::system},
                                                      {Category::database, Category::service},
                                                      {Category::external, Category::mcp}};
    EXPECT_EQ(deal_categories(3), three);
}

// Whatever the number of services, no event of the six categories is without one, and names are
// unique.
TEST_F(ServiceSetTest, HasAHandlerForEveryCategory) {
    for (std::uint32_t services = 1; services <= 100; ++services) {
        const auto set = open({.services = services, .work = Work::none});
        ASSERT_EQ(set->services().size(), services);
        std::set<std::string_view> names;
        for (const auto& service : set->services()) names.insert(service->name());
        EXPECT_EQ(names.size(), services);
        for (const auto& share : kProductionMix) {
            Event event = this->event(share.category, "x", "");
            const auto found = set->route(event);
            ASSERT_TRUE(found);
            if (services >= 6) {
                EXPECT_EQ(set->services()[*found]->category(), share.category);
            }
            event.targets = {std::string(set->services()[services - 1]->name())};
            EXPECT_EQ(set->route(event), services - 1);
        }
    }
    EXPECT_TRUE(std::filesystem::is_empty(data())) << "work=none touched the data directory";
}

// One source always meets the same instance, which keeps its order; four clients are spread over
// four instances.
TEST_F(ServiceSetTest, RoutesBySource) {
    const auto set = open({.services = 100, .work = Work::none});
    std::set<std::size_t> used;
    for (int client = 0; client < 4; ++client) {
        Event created = event(Category::database, "record.created", "{}");
        created.source = "client-" + std::to_string(client);
        Event deleted = created;
        deleted.type = "record.deleted";
        ASSERT_TRUE(set->route(created));
        EXPECT_EQ(*set->route(created), *set->route(deleted));
        used.insert(*set->route(created));
    }
    EXPECT_EQ(used.size(), 4u);
    Event nowhere = event(Category::custom, "x", "");
    EXPECT_EQ(set->route(nowhere).error().code, Errc::not_found);
    nowhere.targets = {"nobody"};
    EXPECT_EQ(set->route(nowhere).error().code, Errc::not_found);
}

class CustomService final : public Service {
public:
    std::string_view name() const noexcept override { return "mine"; }
    Category category() const noexcept override { return Category::custom; }
    void handle(std::span<const Event* const>, std::span<HandleResult>) override {}
};

TEST_F(ServiceSetTest, TakesServicesOfTheEmbeddingProgram) {
    const auto set = open({.work = Work::none});
    ASSERT_TRUE(set->add(std::make_unique<CustomService>()));
    EXPECT_EQ(set->route(event(Category::custom, "x", "")), 6u);
    EXPECT_EQ(set->add(std::make_unique<CustomService>()).error().code, Errc::already_exists);
}

// With three services one instance serves two categories: each event of a mixed batch meets its
// own.
TEST_F(ServiceSetTest, ServesSeveralCategoriesInOneBatch) {
    const auto set = open({.services = 3});
    const auto results = handle(
        *set,
        {event(Category::database, "record.created", R"({"key":"a","fields":{}})"),
         event(Category::service, "status.changed", R"({"component":"c","status":"starting"})"),
         event(Category::database, "record.created", R"({"key":"a","fields":{}})"),
         event(Category::mcp, "tool.called", "{}"),
         event(Category::service, "status.changed", R"({"component":"c","status":"sleepy"})")});
    EXPECT_EQ(results[0].outcome, Outcome::handled);
    EXPECT_EQ(results[1].outcome, Outcome::handled);
    EXPECT_EQ(results[1].response,
              R"({"component":"c","state":"starting","configuration_version":0})");
    EXPECT_EQ(results[2].outcome, Outcome::failed);
    EXPECT_EQ(results[3].outcome, Outcome::rejected);
    EXPECT_EQ(results[4].outcome, Outcome::rejected);
}

// Instances run in parallel and share database, log, journal and outbox: each thread has instances
// of its own.
TEST_F(ServiceSetTest, InstancesWorkInParallel) {
    constexpr int kThreads = 4;
    constexpr int kEvents = 50;
    const auto set = open({.process_name = "p", .services = 100});
    std::array<std::vector<Event>, kThreads> events;
    for (int thread = 0; thread < kThreads; ++thread) {
        auto& mine = events[static_cast<std::size_t>(thread)];
        for (int i = 0; i < kEvents; ++i) {
            const auto key = std::to_string(i);
            mine.push_back(event(Category::database, "record.created",
                                 R"({"key":")" + key + R"(","fields":{}})"));
            mine.push_back(event(Category::service, "status.changed",
                                 R"({"component":")" + key + R"(","status":"starting"})"));
            mine.push_back(event(Category::system, "metrics.reported",
                                 R"({"metrics":[{"name":"m","value":1}]})"));
        }
        for (auto& one : mine) {
            one.source = "client-" + std::to_string(thread);
            one.targets = {std::string(to_string(one.category)) + "-" + std::to_string(thread + 1)};
        }
    }
    std::array<int, kThreads> handled{};
    {
        std::vector<std::jthread> threads;
        for (std::size_t thread = 0; thread < kThreads; ++thread) {
            threads.emplace_back([&, thread] {
                for (const auto& one : events[thread]) {
                    handled[thread] += handle(*set, one).outcome == Outcome::handled ? 1 : 0;
                }
            });
        }
    }
    for (const int count : handled) EXPECT_EQ(count, 3 * kEvents);
    EXPECT_EQ(std::ranges::count(content(data() / "log/p.log"), '\n'), kThreads * kEvents);
    EXPECT_EQ(std::ranges::count(content(data() / "health/p.jsonl"), '\n'), kThreads * kEvents);
}

TEST_F(ServiceSetTest, RefusesWhatCannotBeOpened) {
    EXPECT_EQ(ServiceSet::open({.data_directory = data(), .services = 0}).error().code,
              Errc::invalid_argument);
    EXPECT_EQ(ServiceSet::open({.data_directory = data(), .process_name = "../x"}).error().code,
              Errc::invalid_argument);
    ASSERT_TRUE(base::write_file(data() / "vault", "a file where a directory should be"));
    EXPECT_FALSE(ServiceSet::open({.data_directory = data()}));
    EXPECT_EQ(parse_work("some").error().code, Errc::invalid_argument);
    EXPECT_EQ(parse_durability("full"), Durability::full);
}

}  // namespace
}  // namespace crucible::runtime
