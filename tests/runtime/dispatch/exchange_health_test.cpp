// Whether services can work, as the exchange finds out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <thread>

#include "base/clock.h"
#include "exchange_fixture.h"

namespace crucible::runtime {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using testing::event_of;
using testing::ExchangeFixture;
using testing::kGenerousLimit;

ExchangeOptions checked_every(Duration interval, Duration timeout = kGenerousLimit) {
    ExchangeOptions options = testing::once();
    options.health = {.interval = interval, .timeout = timeout, .rise = 2, .fall = 2};
    return options;
}

bool comes_true(const std::function<bool()>& condition) {
    const TimePoint limit = base::monotonic_now() + kGenerousLimit;
    while (!condition()) {
        if (base::monotonic_now() > limit) return false;
        std::this_thread::sleep_for(100us);
    }
    return true;
}

Health health_of(ExchangeFixture& fixture, std::string_view name) {
    for (const auto& instance : fixture.exchange().instances())
        if (instance.name == name) return instance.health;
    ADD_FAILURE() << "no instance " << name;
    return Health::starting;
}

/// The service that takes an event of this source, by number.
std::size_t home_of(ExchangeFixture& fixture, const Event& event) {
    const auto places = fixture.exchange().places_of(view_of(event));
    EXPECT_TRUE(places);
    return places->front() == "gated-0" ? 0 : 1;
}

// A service that says it cannot work is given nothing more, until it can again.
TEST(ExchangeHealth, AnUnhealthyServiceIsStoodInFor) {
    ExchangeFixture fixture(checked_every(1ms), 2);
    const Event event = event_of(1);
    const std::size_t home = home_of(fixture, event);
    const std::string name = "gated-" + std::to_string(home);
    fixture.service(home).answer_checks_with(CheckResult::failed);
    ASSERT_TRUE(comes_true([&] { return health_of(fixture, name) == Health::unhealthy; }));
    ASSERT_TRUE(fixture.taken(event));
    ASSERT_TRUE(fixture.drain());
    EXPECT_TRUE(fixture.service(home).payloads().empty());
    EXPECT_THAT(fixture.service(1 - home).payloads(), ElementsAre("a"));

    fixture.service(home).answer_checks_with(CheckResult::passed);
    ASSERT_TRUE(comes_true([&] { return health_of(fixture, name) == Health::healthy; }));
    ASSERT_TRUE(fixture.taken(event_of(2, "b")));
    ASSERT_TRUE(fixture.drain());
    EXPECT_THAT(fixture.service(home).payloads(), ElementsAre("b"));
}

// One that hangs in its work answers no check: it is found out without one of its own.
TEST(ExchangeHealth, AServiceThatHangsIsFoundOut) {
    ExchangeFixture fixture(checked_every(1ms, 2ms), 2);
    const Event event = event_of(1);
    const std::size_t home = home_of(fixture, event);
    const std::string name = "gated-" + std::to_string(home);
    fixture.service(home).close_gate();
    ASSERT_TRUE(fixture.taken(event));
    ASSERT_TRUE(comes_true([&] { return health_of(fixture, name) == Health::unhealthy; }));
    // The other may be late with an answer, too, and then nobody stands in.
    const std::string other = "gated-" + std::to_string(1 - home);
    std::uint8_t number = 2;
    ASSERT_TRUE(comes_true([&] {
        if (number == 0 || health_of(fixture, other) == Health::unhealthy) return false;
        if (!fixture.taken(event_of(number++, "b"))) return false;
        std::this_thread::sleep_for(1ms);
        return !fixture.service(1 - home).payloads().empty();
    }));
    EXPECT_EQ(fixture.service(home).batches().size(), 1u);

    fixture.service(home).open_gate();
    ASSERT_TRUE(fixture.drain());
    EXPECT_TRUE(comes_true([&] { return health_of(fixture, name) != Health::unhealthy; }));
}

// One that works, but not well, is still used; and nobody is checked who is not to be.
TEST(ExchangeHealth, ADegradedServiceIsUsed) {
    ExchangeFixture fixture(checked_every(1ms));
    fixture.service().answer_checks_with(CheckResult::degraded);
    ASSERT_TRUE(comes_true([&] { return health_of(fixture, "gated-0") == Health::degraded; }));
    ASSERT_TRUE(fixture.taken(event_of(1)));
    ASSERT_TRUE(fixture.drain());
    EXPECT_EQ(fixture.handled(), 1u);

    ExchangeFixture unchecked(checked_every(Duration::zero()));
    ASSERT_TRUE(unchecked.taken(event_of(1)));
    ASSERT_TRUE(unchecked.drain());
    EXPECT_EQ(unchecked.service().checks(), 0u);
}

}  // namespace
}  // namespace crucible::runtime
