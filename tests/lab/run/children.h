#pragma once

#include <sys/types.h>

#include <vector>

namespace crucible::lab {

/// Child processes of this thread, by number: the clients of a running trial, and its daemon.
std::vector<pid_t> children();

/// The one of them that runs the program `name`, or 0.
pid_t child_called(const char* name);

}  // namespace crucible::lab
