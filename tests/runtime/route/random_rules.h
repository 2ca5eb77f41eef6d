#pragma once

#include <string>
#include <vector>

#include "property.h"
#include "runtime/route/rule_table.h"

/// Random rules and events out of few values, so that they often match.
namespace crucible::runtime::testing {

inline std::vector<InstanceInfo> three_instances() {
    return {{"database-1", {Category::database}},
            {"database-2", {Category::database}},
            {"system-1", {Category::system}}};
}

/// An event with its texts.
struct RandomEvent {
    Event event;
    EventView view() const { return view_of(event); }
};

struct RandomState {
    std::vector<Health> health;
    double queue_fill = 0;
    WallTime now;
};

rc::Gen<Pattern> any_pattern();
rc::Gen<std::string> any_text();
rc::Gen<Rule> any_rule();
rc::Gen<std::vector<Rule>> any_rules();
rc::Gen<Event> any_event();
rc::Gen<RandomState> any_state();

}  // namespace crucible::runtime::testing
