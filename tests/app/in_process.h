#pragma once

#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "app/crucible/command.h"

namespace crucible::app {

/// How the program ended, called without a process of its own.
struct Ended {
    int exit_code;
    std::string out;
    std::string err;
};

inline Ended crucible(const std::vector<std::string>& words) {
    const std::vector<std::string_view> args(words.begin(), words.end());
    std::ostringstream out;
    std::ostringstream err;
    const int exit_code = crucible_main(args, out, err);
    return {exit_code, out.str(), err.str()};
}

}  // namespace crucible::app
