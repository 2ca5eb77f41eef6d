#include "daemon_performance/rule_mix.h"

#include <fmt/format.h>

#include "base/rng.h"

namespace crucible::bench {
namespace {

using namespace runtime;

constexpr std::size_t kKinds = 10;
constexpr std::size_t kSmall = 512;
constexpr std::size_t kLarge = 2048;

Pattern pattern(const std::string& text) {
    return *Pattern::parse(text);
}

/// The rule of that kind about that number.
Rule rule_of(std::size_t kind, std::size_t number) {
    Rule rule{.id = fmt::format("rule-{}-{}", number, kind), .action = ToPool{"database"}};
    Filter& filter = rule.filter;
    const auto client = fmt::format("client-{}", number);
    switch (kind) {
        case 0:
            filter.type = pattern(fmt::format("resource-{}.created", number));
            break;
        case 1:
            filter.type = pattern(fmt::format("archive-{}.created", number));
            break;
        case 2:
            filter.type = pattern(fmt::format("resource-{}.locked", number));
            filter.event_priorities = {Priority::critical};
            break;
        case 3:
            filter.type = pattern(fmt::format("archive-{}.restored", number));
            filter.event_priorities = {Priority::low};
            break;
        case 4:
            rule.priority = 90;
            filter.type =
                pattern(fmt::format("{}-{}.*", number % 2 == 0 ? "resource" : "archive", number));
            filter.payload_bytes_min = 1u << 20;
            rule.action = Drop{"too large"};
            break;
        case 5:
            rule.priority = 110;
            filter.source = pattern(number % 2 == 0 ? client : fmt::format("partner-{}", number));
            filter.event_priorities = {Priority::low};
            rule.action = Drop{"throttled"};
            break;
        case 6:
            rule.priority = 100;
            rule.stop = false;
            filter.type = pattern(fmt::format("archive-{}.**", number));
            rule.action = ToPool{"system"};
            break;
        case 7:
            rule.priority = 80;
            rule.stop = false;
            filter.source = pattern(fmt::format("partner-{}", number));
            rule.action = ToPool{"service"};
            break;
        case 8:
            rule.priority = 70;
            filter.type = pattern("maintenance.*");
            filter.source = pattern(client);
            break;
        default:
            filter.targets = {fmt::format("shard-{}", number)};
            break;
    }
    return rule;
}

}  // namespace

RuleSet rule_mix(std::size_t count) {
    RuleSet set;
    set.rules.reserve(count);
    for (std::size_t i = 0; i < count; ++i) set.rules.push_back(rule_of(i % kKinds, i / kKinds));
    return set;
}

Rule rule_for_records() {
    Rule rule{.id = "records", .action = ToPool{"database"}};
    rule.filter.type = pattern("record.created");
    return rule;
}

std::vector<Event> events_for(std::size_t rules, Matching matching, std::size_t count,
                              std::uint64_t seed) {
    const bool one = matching == Matching::one;
    base::Rng random(seed);
    std::vector<Event> events(count);
    for (std::size_t i = 0; i < count; ++i) {
        const auto number = random.below(rules / kKinds);
        Event& event = events[i];
        event.category = Category::database;
        event.type = fmt::format("{}-{}.created", one ? "resource" : "archive", number);
        event.source = fmt::format("{}-{}", one ? "client" : "partner", number);
        event.payload.assign(i % 2 == 0 ? kSmall : kLarge, 'x');
    }
    return events;
}

}  // namespace crucible::bench
