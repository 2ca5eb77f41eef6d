#pragma once

#include <string_view>
#include <vector>

namespace crucible::benches {

/// A bench that is one call of `crucible compare coordinator: daemon:`.
struct CompareBench {
    std::string_view help;
    std::vector<std::string_view> scenarios;
    std::string_view time_budget;  ///< unless the caller gives --time-budget or --rounds
    std::vector<std::string_view> smoke_options;  ///< with --smoke instead, in two rounds
};

/// Runs it with the `crucible` beside this program or the one that CRUCIBLE names; options that are
/// not a bench's go to `crucible compare`. Returns the exit code.
int compare_bench(int argc, char** argv, const CompareBench& bench);

}  // namespace crucible::benches
