#include "runtime/daemon/unix_socket.h"

#include <gtest/gtest.h>

namespace crucible::runtime {
namespace {

// The kernel has no number for a process that cannot be seen from here. All of those would be one
// client, whoever runs them.
TEST(ClientOf, IsTheProcessOrElseTheUser) {
    EXPECT_EQ(client_of({.pid = 71, .uid = 1000, .gid = 0}), "pid 71");
    EXPECT_EQ(client_of({.pid = 71, .uid = 1001, .gid = 0}), "pid 71");
    EXPECT_EQ(client_of({.pid = 0, .uid = 1000, .gid = 0}), "uid 1000");
}

}  // namespace
}  // namespace crucible::runtime
