#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
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

/// Null and absent alike: none.
std::optional<double> optional_number(const nlohmann::json& object, const char* key);
std::optional<std::uint64_t> optional_count(const nlohmann::json& object, const char* key);

void for_each_item(const nlohmann::json& array,
                   const std::function<void(const nlohmann::json&)>& visit);

template <typename T, typename Read>
std::vector<T> list_of(const nlohmann::json& array, Read read) {
    std::vector<T> items;
    for_each_item(array, [&](const nlohmann::json& item) { items.push_back(read(item)); });
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

/// A figure over rounds.
MemoryMetric read_memory_metric(const nlohmann::json& object);

/// Until when systems hold.
ScalingDocument read_scaling(const nlohmann::json& object);

/// What systems have allocated.
MemoryDocument read_memory(const nlohmann::json& object);

/// A comparison of two stored results.
ObservationDocument read_observation(const nlohmann::json& object);

}  // namespace crucible::lab::report
