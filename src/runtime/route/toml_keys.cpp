#include "runtime/route/toml_keys.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/nearest.h"
#include "base/text.h"
#include "base/units.h"

namespace crucible::runtime {

Error error_at(const std::string& place, const toml::source_region& region, std::string_view what) {
    return {Errc::invalid_argument,
            fmt::format("{}:{}:{}: {}", place, region.begin.line, region.begin.column, what)};
}

const toml::node* TomlKeys::find(std::string_view key) {
    known_.push_back(key);
    return error_ ? nullptr : table_.get(key);
}

void TomlKeys::fail_with(std::string_view key, std::string_view what) {
    if (error_) return;
    const auto* node = table_.get(key);
    error_ = error_at(place_, node != nullptr ? node->source() : table_.source(), what);
}

void TomlKeys::fail(std::string_view key, std::string_view what) {
    // Names of the file's own are keys too.
    fail_with(key, fmt::format("{}: {}", base::one_line(key), what));
}

void TomlKeys::text(std::string_view key, std::string& value) {
    const auto* node = find(key);
    if (node == nullptr) return;
    if (const auto* text = node->as_string()) {
        value = text->get();
    } else {
        fail(key, "must be a string");
    }
}

void TomlKeys::integer(std::string_view key, std::int64_t least, std::int64_t most,
                       std::int64_t& value) {
    const auto* node = find(key);
    if (node == nullptr) return;
    const auto* integer = node->as_integer();
    if (integer != nullptr && integer->get() >= least && integer->get() <= most) {
        value = integer->get();
    } else {
        fail(key, fmt::format("must be a whole number from {} to {}", least, most));
    }
}

void TomlKeys::boolean(std::string_view key, bool& value) {
    const auto* node = find(key);
    if (node == nullptr) return;
    if (const auto* boolean = node->as_boolean()) {
        value = boolean->get();
    } else {
        fail(key, "must be true or false");
    }
}

void TomlKeys::share(std::string_view key, std::optional<double>& value) {
    const auto* node = find(key);
    if (node == nullptr) return;
    std::optional<double> share;
    if (const auto* text = node->as_string()) {
        if (const auto parsed = base::parse_fraction(text->get())) share = *parsed;
    } else if (node->is_number()) {
        share = node->value<double>();
    }
    // Written so that a NaN fails.
    if (share && *share >= 0 && *share <= 1) {
        value = *share + 0.0;  // of the two zeros the plain one, as it is written again
    } else {
        fail(key, "must be a share from 0 to 100 %, e.g. \"80%\" or 0.8");
    }
}

void TomlKeys::bytes(std::string_view key, std::uint64_t& value) {
    const auto* node = find(key);
    if (node == nullptr) return;
    if (const auto* text = node->as_string()) {
        if (const auto parsed = base::parse_bytes(text->get())) {
            value = *parsed;
            return;
        }
    } else if (const auto* integer = node->as_integer(); integer != nullptr && *integer >= 0) {
        value = static_cast<std::uint64_t>(integer->get());
        return;
    }
    fail(key, "must be a size, e.g. \"4KiB\" or 4096");
}

void TomlKeys::texts(std::string_view key, std::vector<std::string>& values) {
    const auto* node = find(key);
    if (node == nullptr) return;
    const auto* array = node->as_array();
    if (array == nullptr) return fail(key, "must be a list of strings");
    for (const auto& element : *array) {
        const auto* text = element.as_string();
        if (text == nullptr) return fail(key, "must be a list of strings");
        values.push_back(text->get());
    }
}

void TomlKeys::text_or_texts(std::string_view key, std::vector<std::string>& values) {
    const auto* node = table_.get(key);
    if (node == nullptr || !node->is_string()) return texts(key, values);
    std::string value;
    text(key, value);
    values.push_back(std::move(value));
}

void TomlKeys::finish() {
    if (error_) return;
    for (const auto& [key, node] : table_) {
        if (std::ranges::find(known_, key.str()) != known_.end()) continue;
        // What is much longer than any of ours is near none.
        const auto near =
            key.str().size() > 64 ? std::string_view() : base::nearest(key.str(), known_);
        error_ =
            error_at(place_, key.source(),
                     fmt::format("unknown key {}{}{}; {}", base::in_quotes(key.str()),
                                 title_.empty() ? "" : " in ", title_,
                                 near.empty() ? fmt::format("allowed: {}", fmt::join(known_, ", "))
                                              : fmt::format("did you mean '{}'?", near)));
        return;
    }
}

}  // namespace crucible::runtime
