#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <toml++/toml.h>
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/nearest.h"
#include "crucible/error.h"

namespace crucible::app {

/// One line: where in which file, and what is wrong there.
inline std::unexpected<Error> wrong(const std::string& place, const toml::source_region& at,
                                    std::string_view what) {
    return std::unexpected(
        Error{Errc::invalid_argument,
              fmt::format("{}:{}:{}: {}", place, at.begin.line, at.begin.column, what)});
}

/// One table of the file, whose keys are read one by one. The first error stays.
class TableReader {
public:
    TableReader(const toml::table& table, const std::string& place, std::string_view title)
        : table_(table), place_(place), title_(title) {}

    void text(std::string_view key, std::string& value) {
        const auto* node = find(key);
        if (node == nullptr) return;
        if (const auto* string = node->as_string()) {
            value = string->get();
        } else {
            fail(*node, fmt::format("'{}' must be a string", key));
        }
    }

    template <typename Integer>
    void count(std::string_view key, std::uint64_t most, Integer& value) {
        const auto* node = find(key);
        if (node == nullptr) return;
        const auto* integer = node->as_integer();
        if (integer != nullptr && integer->get() >= 1 &&
            static_cast<std::uint64_t>(integer->get()) <= most) {
            value = static_cast<Integer>(integer->get());
        } else {
            fail(*node, fmt::format("'{}' must be a whole number from 1 to {}", key, most));
        }
    }

    /// A string read by `parse`, e.g. "500/s".
    template <typename T, typename Parse>
    void parsed(std::string_view key, Parse parse, T& value) {
        std::string written;
        text(key, written);
        if (error_ || !table_.contains(key)) return;
        const auto result = parse(written);
        if (result) {
            value = *result;
        } else {
            fail(*table_.get(key), result.error().message);
        }
    }

    const toml::table* subtable(std::string_view key) {
        const auto* node = find(key);
        if (node == nullptr) return nullptr;
        if (node->as_table() == nullptr)
            fail(*node, fmt::format("'{}' must be a table: [{}]", key, key));
        return node->as_table();
    }

    /// Fails on the first key that nobody asked for.
    void finish() {
        for (const auto& [key, node] : table_) {
            if (std::ranges::find(known_, key.str()) != known_.end()) continue;
            const auto near = base::nearest(key.str(), known_);
            fail(key.source(),
                 fmt::format("unknown key '{}'{}; {}", key.str(), title_,
                             near.empty() ? fmt::format("allowed: {}", fmt::join(known_, ", "))
                                          : fmt::format("did you mean '{}'?", near)));
        }
    }

    const std::optional<Error>& error() const { return error_; }

private:
    const toml::node* find(std::string_view key) {
        known_.push_back(key);
        return error_ ? nullptr : table_.get(key);
    }
    void fail(const toml::node& node, std::string_view what) { fail(node.source(), what); }
    void fail(const toml::source_region& at, std::string_view what) {
        if (!error_) error_ = wrong(place_, at, what).error();
    }

    const toml::table& table_;
    const std::string& place_;
    std::string title_;
    std::vector<std::string_view> known_;
    std::optional<Error> error_;
};

}  // namespace crucible::app
