#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/route/rule_table.h"

namespace crucible::runtime {

/// What one rule made of an event.
struct RuleExplanation {
    std::string_view id;                   ///< the table's; valid as long as that
    RulePart refused_by = RulePart::none;  ///< none: it matches
    std::string why;                       ///< one line for people
};

/// What the first `first` rules make of `event`, and which others match, in the order in which they
/// are looked at: those that match are the decision of route() with the same arguments. For people,
/// not for every event.
std::vector<RuleExplanation> explain(const RuleTable& table, const EventView& event,
                                     const RouteState& state, std::size_t first = kRulesMax);

}  // namespace crucible::runtime
