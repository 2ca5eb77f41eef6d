// Rule files: what is read is written as a text that reads as the same rules, and the table
// compiled from them decides by its index as each rule does by itself.
#include "runtime/route/rule_file.h"

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "fuzzer.h"
#include "runtime/route/explain.h"
#include "runtime/route/rule_table.h"

namespace crucible::fuzz {
namespace {

std::vector<runtime::InstanceInfo> instances() {
    std::vector<runtime::InstanceInfo> all;
    for (std::size_t i = 0; i < kCategoryCount; ++i) {
        const auto category = static_cast<Category>(i);
        for (const auto* number : {"-1", "-2"}) {
            runtime::CategorySet serves;
            serves.add(category);
            all.push_back({std::string(to_string(category)) + number, serves});
        }
    }
    return all;
}

/// Events that the rules may speak of: those that a rule's own patterns are the words of, so that
/// some match.
std::vector<Event> events(const runtime::RuleSet& rules) {
    std::vector<Event> all(1);
    all[0].type = "record.created";
    all[0].source = "client-1";
    all[0].category = Category::database;
    for (const auto& rule : rules.rules) {
        if (all.size() == 8) break;
        Event event;
        event.type = rule.filter.type.text();
        event.source = rule.filter.source.text();
        event.targets = rule.filter.targets;
        for (std::size_t i = 0; i < kCategoryCount; ++i) {
            if (rule.filter.categories.contains(static_cast<Category>(i)))
                event.category = static_cast<Category>(i);
        }
        for (std::size_t i = 0; i < kPriorityCount; ++i) {
            if (rule.filter.event_priorities.contains(static_cast<Priority>(i)))
                event.priority = static_cast<Priority>(i);
        }
        event.payload.resize(std::min<std::size_t>(rule.filter.payload_bytes_min, 4096));
        all.push_back(std::move(event));
    }
    return all;
}

void check_table(const runtime::RuleTable& table, const Event& event) {
    const auto view = runtime::view_of(event);
    const auto decision = table.route(view, {});
    std::vector<std::uint32_t> matching;
    const auto explained = runtime::explain(table, view, {});
    CRUCIBLE_ASSERT(explained.size() == table.size());
    for (std::uint32_t rank = 0; rank < explained.size(); ++rank) {
        check_message({Errc::failed, explained[rank].why});
        if (explained[rank].refused_by == runtime::RulePart::none) matching.push_back(rank);
    }
    CRUCIBLE_ASSERT(std::ranges::equal(decision.ranks(), matching));
}

}  // namespace

void run(std::string_view input) {
    const auto rules = runtime::parse_rules(input, "rules.toml");
    if (!rules) {
        check_message(rules.error());
        CRUCIBLE_ASSERT(rules.error().message.starts_with("rules.toml:"));
        return;
    }
    const auto text = runtime::format_rules(*rules);
    const auto back = runtime::parse_rules(text, "rules.toml");
    CRUCIBLE_ASSERT(back.has_value());
    CRUCIBLE_ASSERT(*back == *rules);
    CRUCIBLE_ASSERT(runtime::format_rules(*back) == text);

    static const auto all = instances();
    const auto table = runtime::RuleTable::compile(*rules, all);
    if (!table) return check_message(table.error());
    for (const auto& event : events(*rules)) check_table(**table, event);
}

std::vector<std::string> seeds() {
    return {};
}

}  // namespace crucible::fuzz
