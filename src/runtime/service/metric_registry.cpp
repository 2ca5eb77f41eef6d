#include "runtime/service/metric_registry.h"

#include <algorithm>

namespace crucible::runtime {

Result<> MetricRegistry::add(std::string_view name, double value) {
    const std::scoped_lock lock(mutex_);
    auto found = summaries_.find(name);
    if (found == summaries_.end()) {
        if (summaries_.size() >= kNamesMax) {
            return std::unexpected(Error{Errc::failed, "too many metrics: 16384 names"});
        }
        found = summaries_.emplace(name, MetricSummary{0, 0, value, value}).first;
    }
    MetricSummary& summary = found->second;
    ++summary.count;
    summary.sum += value;
    summary.min = std::min(summary.min, value);
    summary.max = std::max(summary.max, value);
    return {};
}

std::optional<MetricSummary> MetricRegistry::find(std::string_view name) const {
    const std::scoped_lock lock(mutex_);
    const auto found = summaries_.find(name);
    if (found == summaries_.end()) return std::nullopt;
    return found->second;
}

}  // namespace crucible::runtime
