#pragma once

#include <string>
#include <vector>

#include "lab/compare/comparison.h"
#include "lab/memory/memory_profile.h"

namespace crucible::lab {

// What the system has allocated, divided. Each owner is in one part of a division, so that its
// parts add up to the total; but for peaks, which the parts need not have had at once.

/// By owner, clients and system together: what one architecture has in its clients, the other has
/// in a process of its own. In the order of their names.
std::vector<OwnerFigures> by_name(const MemoryFigures& figures);
/// By stage of an event's path, in its order; those without an owner too. `owner` is the stage.
std::vector<OwnerFigures> by_stage(const MemoryFigures& figures);

/// How a part of two systems compares.
struct ComparedPart {
    std::string division;                   ///< "stage", "owner" or "category"
    std::string part;                       ///< "queue"
    std::vector<MetricComparison> metrics;  ///< part_metrics(), in their order
};
/// All parts of all divisions by the rules of a comparison, of which none decides: each division is
/// a family of its own (Benjamini-Hochberg). A part that is zero on one side has no ratio; its
/// difference counts from the margin's share of the whole on. Empty where there is one target.
std::vector<ComparedPart> compare_parts(const MemoryProfile& profile,
                                        const CompareOptions& options);

}  // namespace crucible::lab
