#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crucible/error.h"

namespace crucible::bench {

/// What the command line asks for.
struct OverheadOptions {
    std::vector<std::string> parts;  ///< empty: all
    std::uint32_t rounds = 20;
    /// With DHAT and heaptrack, which take long; the least that give an interval.
    std::uint32_t tool_rounds = 6;
    std::uint64_t seed = 1;
    std::string json_path;
    bool smoke = false;

    bool wants(std::string_view part) const;
};

/// `parts` are the names that --part takes.
/// - Errc::invalid_argument: one line for the user: what is wrong, and what is allowed.
Result<OverheadOptions> parse_overhead_options(std::span<char* const> words,
                                               std::span<const std::string_view> parts);

}  // namespace crucible::bench
