#include "base/brief_spin.h"

#include <gtest/gtest.h>

namespace crucible::base {
namespace {

int spins_of(BriefSpin& spin, int waits, bool in_time) {
    int spins = 0;
    for (int i = 0; i < waits; ++i) {
        if (!spin.worthwhile()) continue;
        ++spins;
        spin.ended(in_time);
    }
    return spins;
}

// As long as what is waited for comes in time every wait spins.
TEST(BriefSpin, GoesOnWhileItPays) {
    BriefSpin spin;
    EXPECT_EQ(spins_of(spin, 1000, true), 1000);
}

// After some eleven spins in vain ((7/8)^11 < 1/4) it sleeps at once, but for one probe in 64
// waits.
TEST(BriefSpin, StopsWhenItDoesNotPay) {
    BriefSpin spin;
    EXPECT_LE(spins_of(spin, 20, false), 12);
    EXPECT_NEAR(spins_of(spin, 6400, false), 100, 1);
}

// A probe that ends in time does not turn spinning on for good; several do.
TEST(BriefSpin, ComesBackWhenItPaysAgain) {
    BriefSpin spin;
    spins_of(spin, 1000, false);
    EXPECT_LE(spins_of(spin, 64, true), 2);
    spins_of(spin, 64 * 4, true);
    EXPECT_EQ(spins_of(spin, 100, true), 100);
}

}  // namespace
}  // namespace crucible::base
