#include "lab/memory/leak_watch.h"

#include <gtest/gtest.h>

#include <vector>

namespace crucible::lab {
namespace {

using Bytes = std::vector<double>;

// At the moment before the load and after each phase, of which two are an iteration.
TEST(LeakWatch, TakesCoursesAtTheEndsOfIterations) {
    MemoryTrial trial;
    trial.own_bytes = {1, 2, 3, 4, 5};
    trial.worker_bytes = {10, 20, 30, 40, 50};
    LeakWatch watch;
    take_courses(watch, trial, 2);
    EXPECT_EQ(watch.own_bytes, (Bytes{3, 5}));
    EXPECT_EQ(watch.worker_bytes, (Bytes{30, 50}));
}

// A client that could not be read in the middle: what the clients held until then is not what they
// held at the last moment, beside which it would be told.
TEST(LeakWatch, TellsNothingOfClientsThatWereNotReadToTheEnd) {
    MemoryTrial trial;
    trial.own_bytes = {1, 2, 3, 4, 5};
    trial.worker_bytes = {10, 20, 30, 40};
    LeakWatch watch;
    take_courses(watch, trial, 2);
    EXPECT_EQ(watch.own_bytes, (Bytes{3, 5}));
    EXPECT_TRUE(watch.worker_bytes.empty());
}

}  // namespace
}  // namespace crucible::lab
