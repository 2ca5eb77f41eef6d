// Signal handlers that allocate.
#include <gtest/gtest.h>

#include "alloc/watched.h"

namespace crucible::alloc {
namespace {

// Between any two calls, in any scope.
TEST(Signals, HandlersAllocateBetweenCalls) {
    run_both("signals", {"raised"}, [](const Ended& ended) {
        expect_ledgers(ended, 2);
        expect_partitions(snapshot_of(ended));
    });
}

// While the program holds the tracker's lock or is about to: it would wait for itself.
TEST(Signals, HandlersAllocateWhileTheProgramIsInTheTracker) {
    run_both("signals", {"timer"}, [](const Ended& ended) {
        expect_ledgers(ended, 2);
        expect_partitions(snapshot_of(ended));
    });
}

}  // namespace
}  // namespace crucible::alloc
