#include "runtime/daemon/client_places.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace crucible::runtime {
namespace {

// Each client has its own, and one more is told whose, how many and by which option.
TEST(ClientPlaces, LimitsEachClient) {
    ClientPlaces places(2);
    const auto first = places.take("pid 71");
    const auto second = places.take("pid 71");
    ASSERT_TRUE(first && second);
    const auto third = places.take("pid 71");
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().code, Errc::overloaded);
    EXPECT_EQ(third.error().message,
              "pid 71 has 2 connections, the limit for one client ([clients] max_per_client)");
    EXPECT_TRUE(places.take("pid 72"));
}

TEST(ClientPlaces, APlaceIsFreeAgainWhenItGoes) {
    ClientPlaces places(1);
    auto first = places.take("pid 71");
    ASSERT_TRUE(first);
    auto moved = std::move(*first);
    EXPECT_FALSE(places.take("pid 71")) << "it is the same place";
    moved.reset();
    const auto next = places.take("pid 71");
    EXPECT_TRUE(next);
    EXPECT_FALSE(places.take("pid 71"));
}

// A process that is refused again and again, and many that come and go, leave nothing behind.
TEST(ClientPlaces, ForgetsWhoHasNone) {
    ClientPlaces places(1);
    {
        std::vector<ClientPlaces::Place> taken;
        for (int i = 0; i < 1000; ++i) {
            auto place = places.take("pid " + std::to_string(i));
            ASSERT_TRUE(place);
            taken.push_back(std::move(*place));
            EXPECT_FALSE(places.take("pid " + std::to_string(i)));
        }
        EXPECT_EQ(places.clients(), 1000u);
        taken.resize(1);
        EXPECT_EQ(places.clients(), 1u);
    }
    EXPECT_EQ(places.clients(), 0u);
}

}  // namespace
}  // namespace crucible::runtime
