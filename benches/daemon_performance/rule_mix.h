#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "crucible/event.h"
#include "runtime/route/rule.h"

namespace crucible::bench {

/// `count` rules as an operator's file might have them, in tens; each ten is about resources,
/// clients and partners of one number. Of each ten
/// - four name a type (two of them a priority too) and send it to the pool of the database;
/// - one drops what is too large of a pattern of types, one what is of low priority of a source;
/// - one copies a pattern of types to the pool of the system, one a source to that of the services;
/// - one names a pattern of types and a source, one a target.
runtime::RuleSet rule_mix(std::size_t count);

/// One that sends all records to the pool of the database.
runtime::Rule rule_for_records();

/// How many rules match each event; of others that are about its type or source, every second event
/// is refused by two.
enum class Matching : std::uint8_t {
    one,   ///< the rule that names its type: one delivery
    three  ///< and the two that copy it: three deliveries
};

/// Events with payloads of 512 B and 2 KiB in turn, about numbers of those rules chosen at random.
std::vector<Event> events_for(std::size_t rules, Matching matching, std::size_t count,
                              std::uint64_t seed);

}  // namespace crucible::bench
