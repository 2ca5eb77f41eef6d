#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "crucible/error.h"
#include "runtime/route/rule_table.h"

namespace crucible::runtime {

/// The rules in force, and their changes while events are routed. A change compiles a new table
/// beside the old one and then takes its place: an event is routed by all of the old rules or all
/// of the new. A change that is refused leaves everything as it was. Thread-safe.
class RuleBook {
public:
    /// Begins without rules. The instances stay the same for its life.
    explicit RuleBook(std::vector<InstanceInfo> instances);

    /// The table in force; it stays valid as long as it is held, whatever changes meanwhile.
    std::shared_ptr<const RuleTable> table() const;
    /// Goes up with every change.
    std::uint64_t version() const noexcept { return version_.load(std::memory_order_acquire); }

    /// All rules and pools anew. - the errors of RuleTable::compile().
    Result<> replace(RuleSet rules);
    /// Behind those of the same priority. - the errors of RuleTable::compile(): among them that
    /// there is a rule of this id.
    Result<> add(Rule rule);
    /// - Errc::not_found: no rule has this id.
    Result<> remove(std::string_view id);
    /// - Errc::not_found. - the errors of RuleTable::compile(): enabled, it may pass a limit.
    Result<> set_enabled(std::string_view id, bool enabled);

private:
    template <typename Change>
    Result<> change(Change change);
    Result<> put_in_force(RuleSet rules);

    const std::vector<InstanceInfo> instances_;
    std::mutex changes_mutex_;  ///< one change after the other: compiling takes its time
    mutable std::mutex table_mutex_;
    std::shared_ptr<const RuleTable> table_;  ///< under table_mutex_; written under both
    std::atomic<std::uint64_t> version_ = 0;
};

/// One thread's way to the table in force, for routing every event: while nothing changes, one load
/// of a counter, where RuleBook::table() takes a lock that all threads share. Not thread-safe; the
/// book outlives it.
class RuleReader {
public:
    explicit RuleReader(const RuleBook& book) : book_(book) {}

    /// Valid until the next call. Rules put in force before the call are in it.
    const RuleTable& table() {
        const std::uint64_t version = book_.version();
        if (table_ == nullptr || version != version_) {
            table_ = book_.table();
            version_ = version;
        }
        return *table_;
    }

private:
    const RuleBook& book_;
    std::shared_ptr<const RuleTable> table_;
    std::uint64_t version_ = 0;
};

}  // namespace crucible::runtime
