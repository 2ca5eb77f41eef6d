#include "runtime/route/rule_book.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/text.h"

namespace crucible::runtime {
namespace {

Result<std::vector<Rule>::iterator> find_rule(std::vector<Rule>& rules, std::string_view id) {
    const auto found = std::ranges::find(rules, id, &Rule::id);
    if (found != rules.end()) return found;
    return std::unexpected(Error{Errc::not_found, fmt::format("no rule {}", base::in_quotes(id))});
}

}  // namespace

RuleBook::RuleBook(std::vector<InstanceInfo> instances) : instances_(std::move(instances)) {
    const auto empty = RuleTable::compile({}, instances_);
    CRUCIBLE_ASSERT(empty.has_value());
    table_ = *empty;
}

std::shared_ptr<const RuleTable> RuleBook::table() const {
    const std::lock_guard lock(table_mutex_);
    return table_;
}

Result<> RuleBook::put_in_force(RuleSet rules) {
    auto table = RuleTable::compile(std::move(rules), instances_, table_.get());
    if (!table) return std::unexpected(table.error());
    {
        const std::lock_guard lock(table_mutex_);
        table_.swap(*table);
    }
    // After the table: who sees the new number finds a table at least as new. The old one goes
    // outside the lock, as its last holder, here or in a reader.
    version_.fetch_add(1, std::memory_order_release);
    return {};
}

template <typename Change>
Result<> RuleBook::change(Change change) {
    const std::lock_guard lock(changes_mutex_);
    RuleSet rules = table_->rules();
    if (auto changed = change(rules.rules); !changed) return changed;
    return put_in_force(std::move(rules));
}

Result<> RuleBook::replace(RuleSet rules) {
    const std::lock_guard lock(changes_mutex_);
    return put_in_force(std::move(rules));
}

Result<> RuleBook::add(Rule rule) {
    return change([&](std::vector<Rule>& rules) -> Result<> {
        rules.push_back(std::move(rule));
        return {};
    });
}

Result<> RuleBook::remove(std::string_view id) {
    return change([&](std::vector<Rule>& rules) -> Result<> {
        const auto found = find_rule(rules, id);
        if (!found) return std::unexpected(found.error());
        rules.erase(*found);
        return {};
    });
}

Result<> RuleBook::set_enabled(std::string_view id, bool enabled) {
    return change([&](std::vector<Rule>& rules) -> Result<> {
        const auto found = find_rule(rules, id);
        if (!found) return std::unexpected(found.error());
        (*found)->enabled = enabled;
        return {};
    });
}

}  // namespace crucible::runtime
