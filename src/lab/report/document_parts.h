#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "lab/report/document.h"

namespace crucible::lab::report {

// Pieces of read_document(). They throw nlohmann::json::exception where a member is missing or of
// the wrong type; whoever reads a document makes an error of it.

/// A text without what could drive a terminal.
std::string text_at(const nlohmann::json& object, const char* key);
/// Null and absent alike: empty.
std::string optional_text(const nlohmann::json& object, const char* key);
std::vector<std::string> texts(const nlohmann::json& array);

template <typename T>
std::optional<T> optional_number(const nlohmann::json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) return std::nullopt;
    return found->get<T>();
}

template <typename T, typename Read>
std::vector<T> list_of(const nlohmann::json& array, Read read) {
    std::vector<T> items;
    if (!array.is_array())
        throw nlohmann::json::type_error::create(302, "must be an array", &array);
    items.reserve(array.size());
    for (const auto& item : array) items.push_back(read(item));
    return items;
}

Header read_header(const nlohmann::json& object);
Load read_load(const nlohmann::json& object);
Check read_check(const nlohmann::json& object);
Delivery read_delivery(const nlohmann::json& object);
Estimate read_estimate(const nlohmann::json& object);
std::optional<Estimate> optional_estimate(const nlohmann::json& object, const char* key);
ComparedMetric read_compared_metric(const nlohmann::json& object);
Method read_method(const nlohmann::json& object);

/// A comparison of two stored results.
ObservationDocument read_observation(const nlohmann::json& object);

}  // namespace crucible::lab::report
