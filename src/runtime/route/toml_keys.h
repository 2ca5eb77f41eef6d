#pragma once

#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crucible/error.h"

namespace crucible::runtime {

/// One line: "place:line:column: what".
Error error_at(const std::string& place, const toml::source_region& region, std::string_view what);

/// Reads the keys of one table of a rule file one by one. The first error stays, and later calls do
/// nothing. Refers to the table and the place.
class TomlKeys {
public:
    /// `title` names the table in errors: "[[rule]]", empty for the file itself.
    TomlKeys(const toml::table& table, const std::string& place, std::string_view title)
        : table_(table), place_(place), title_(title) {}

    /// The value of `key`; null when it is not there. Makes the key known to finish().
    const toml::node* find(std::string_view key);
    bool has(std::string_view key) const { return table_.contains(key); }

    // Each leaves `value` as it is when the key is not there.
    void text(std::string_view key, std::string& value);
    void integer(std::string_view key, std::int64_t least, std::int64_t most, std::int64_t& value);
    void boolean(std::string_view key, bool& value);
    /// A share: "80%" or 0.8.
    void share(std::string_view key, std::optional<double>& value);
    /// A size: "4KiB" or 4096.
    void bytes(std::string_view key, std::uint64_t& value);
    void texts(std::string_view key, std::vector<std::string>& values);
    /// The same, where one text may stand for a list of one.
    void text_or_texts(std::string_view key, std::vector<std::string>& values);

    /// Fails on the first key that nobody asked for.
    void finish();

    /// "key: what", at the key or, when it is not there, at the table.
    void fail(std::string_view key, std::string_view what);
    /// `what` alone, at the same place.
    void fail_with(std::string_view key, std::string_view what);
    /// An error found elsewhere, which has its place already.
    void fail(const Error& error) {
        if (!error_) error_ = error;
    }
    const std::optional<Error>& error() const { return error_; }

private:
    const toml::table& table_;
    const std::string& place_;
    std::string_view title_;
    std::vector<std::string_view> known_;
    std::optional<Error> error_;
};

}  // namespace crucible::runtime
