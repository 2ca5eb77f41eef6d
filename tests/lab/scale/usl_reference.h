#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "lab/scale/usl.h"

namespace crucible::lab::scale {

/// The cases of tests/data/scaling/usl_reference.json.
inline nlohmann::json usl_cases() {
    const auto text =
        base::read_file(std::string(CRUCIBLE_TEST_DATA) + "/scaling/usl_reference.json");
    if (!text) {
        ADD_FAILURE() << text.error().message;
        return nlohmann::json::array();
    }
    return nlohmann::json::parse(*text).at("cases");
}

/// The first `most` points of a data set there.
inline std::vector<CurvePoint> usl_points(
    std::string_view name, std::size_t most = std::numeric_limits<std::size_t>::max()) {
    std::vector<CurvePoint> points;
    for (const auto& test : usl_cases()) {
        if (test.at("name").get<std::string>() != name || !points.empty()) continue;
        for (std::size_t i = 0; i < test.at("n").size() && i < most; ++i) {
            points.push_back({test.at("n")[i], test.at("x")[i]});
        }
    }
    EXPECT_FALSE(points.empty()) << name;
    return points;
}

}  // namespace crucible::lab::scale
