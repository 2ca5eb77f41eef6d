#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lab/memory/stack_sums.h"
#include "lab/profile/symbolized_profile.h"

namespace crucible::lab {

/// Where the memory of one round went.
struct TargetStacks {
    SymbolizedProfile profile;
    std::vector<StackSums> sums;   ///< of each of the profile's samples
    double events = 0;             ///< that it is of
    std::uint64_t mean_bytes = 0;  ///< between samples; 0: every allocation is one
    bool whole = true;             ///< of all processes: else there is no telling how far off it is

    bool exact() const noexcept { return whole && mean_bytes == 0; }
};

/// Samples that a place must have to be ranked: with fewer, the ends of its interval are more than
/// six times apart, and which of many small places are seen at all is chance.
inline constexpr std::uint64_t kSamplesRanked = 5;
/// Or the interval is no wider than this share of the figure: of blocks that are much larger than
/// the distance of samples hardly one is missed, and each stands for itself.
inline constexpr double kWidthRanked = 0.1;

/// All stacks of one owner that are the same in words.
struct RankedSite {
    std::string owner;
    std::string site;
    std::vector<std::string> stack;  ///< of the one that allocated most
    StackSums sums;
    bool by_bytes = false;  ///< there is enough known of it to rank it by what it allocates
    bool by_live = false;   ///< and by what it holds
};

/// The places that allocate most, and those that hold most. Where not every allocation has its
/// stack, a place is ranked by what it has kSamplesRanked samples of, or is known as well without.
struct RankedSites {
    std::vector<RankedSite> sites;  ///< by what they allocate
    std::size_t in_all = 0;
    /// Those that are ranked by neither, together. They were chosen by their samples, so that
    /// nothing can be said of how far off their sum is.
    std::size_t few = 0;
    StackSums few_sums;
};
RankedSites rank_sites(const TargetStacks& stacks);

}  // namespace crucible::lab
