#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "lab/report/report.h"

namespace crucible::lab::report {

/// One of each kind.
inline constexpr std::array kExamples{"comparison.json", "observation.json", "run.json",
                                      "memory.json", "scaling.json"};

/// A file of docs/formats/examples, which the schemas' own tests keep valid.
inline nlohmann::json example(const std::string& name) {
    std::ifstream file(std::string(CRUCIBLE_EXAMPLES) + "/" + name);
    return nlohmann::json::parse(file);
}

inline nlohmann::json& metric_of(nlohmann::json& result, std::string_view name) {
    auto& metrics = result["scenarios"][0]["metrics"];
    return *std::ranges::find_if(metrics,
                                 [name](const nlohmann::json& m) { return m["name"] == name; });
}

/// What a terminal of 80 columns shows of it.
inline std::string terminal(const nlohmann::json& result, bool colour = false) {
    const auto text = render_terminal(result, 80, colour);
    EXPECT_TRUE(text) << text.error().message;
    return text.value_or("");
}

inline bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

inline std::size_t occurrences(std::string_view text, std::string_view part) {
    std::size_t count = 0;
    for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1))
        ++count;
    return count;
}

/// The whole line of `text` that begins with `start`; empty when there is none.
inline std::string line_starting(std::string_view text, std::string_view start) {
    const auto at = text.starts_with(start) ? 0 : text.find("\n" + std::string(start));
    if (at == std::string_view::npos) return {};
    const auto begin = text.starts_with(start) ? at : at + 1;
    return std::string(text.substr(begin, text.find('\n', begin) - begin));
}

}  // namespace crucible::lab::report
