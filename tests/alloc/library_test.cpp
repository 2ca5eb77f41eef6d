// Libraries that allocate before main(), or come and go.
#include <gtest/gtest.h>

#include <string>

#include "alloc/watched.h"

namespace crucible::alloc {
namespace {

// The tracker is asked before its own constructor has run, and by threads whose first call is for
// a library's thread-local memory.
TEST(Libraries, ThatAllocateBeforeMain) {
    run_both("libraries", {"early"}, [](const Ended& ended) { expect_ledgers(ended, 2); });
}

// Handlers of fork() that were registered before the tracker's would run while it holds its lock,
// and in the child while it still counts in its parent's region.
TEST(Libraries, WithHandlersOfForkRegisteredFirst) {
    run_both("libraries", {"forks"}, [](const Ended& ended) { expect_ledgers(ended, 22); });
}

// Its scopes find the tracker in the program too, and what the loader does between them is not
// counted for them.
TEST(Libraries, LoadedAndUnloadedFiftyTimes) {
    run_both("plugins", {kPrograms / "liballoc_plugin.so"},
             [](const Ended& ended) { expect_ledgers(ended, 2); });
}

}  // namespace
}  // namespace crucible::alloc
