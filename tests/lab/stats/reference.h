#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace crucible::lab::stats {

/// The cases of tests/data/stats/<name>.json, whose README says where the answers come from.
inline nlohmann::json reference_cases(std::string_view name) {
    const auto text =
        base::read_file(std::string(CRUCIBLE_TEST_DATA) + "/stats/" + std::string(name) + ".json");
    if (!text) {
        ADD_FAILURE() << text.error().message;
        return nlohmann::json::array();
    }
    return nlohmann::json::parse(*text).at("cases");
}

inline std::vector<double> numbers(const nlohmann::json& array) {
    return array.get<std::vector<double>>();
}

inline std::vector<double> differences_of(const nlohmann::json& test) {
    const auto x = numbers(test.at("x"));
    const auto y = numbers(test.at("y"));
    std::vector<double> differences;
    for (std::size_t i = 0; i < x.size(); ++i) differences.push_back(x[i] - y.at(i));
    return differences;
}

/// The files' own rule: |got - want| <= rtol |want| + 1e-12.
inline void expect_close(double got, const nlohmann::json& want, double rtol) {
    const auto value = want.get<double>();
    EXPECT_NEAR(got, value, rtol * std::abs(value) + 1e-12);
}

}  // namespace crucible::lab::stats
