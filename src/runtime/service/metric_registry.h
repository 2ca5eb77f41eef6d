#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "crucible/error.h"

namespace crucible::runtime {

/// What was reported under one name.
struct MetricSummary {
    std::uint64_t count = 0;
    double sum = 0;
    double min = 0;
    double max = 0;

    friend bool operator==(const MetricSummary&, const MetricSummary&) = default;
};

/// Sums up reported metrics by name. Thread-safe.
class MetricRegistry {
public:
    static constexpr std::size_t kNamesMax = 16'384;

    /// - Errc::failed: there are kNamesMax other names already.
    Result<> add(std::string_view name, double value);

    std::optional<MetricSummary> find(std::string_view name) const;

private:
    mutable std::mutex mutex_;
    std::map<std::string, MetricSummary, std::less<>> summaries_;
};

}  // namespace crucible::runtime
