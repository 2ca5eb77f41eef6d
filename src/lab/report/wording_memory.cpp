#include <fmt/format.h>

#include <algorithm>

#include "lab/report/wording.h"

namespace crucible::lab::report {
namespace {

constexpr std::size_t kOwnersShown = 12;

const MemoryMetric* find_metric(const std::vector<MemoryMetric>& metrics, std::string_view name) {
    const auto found = std::ranges::find(metrics, name, &MemoryMetric::name);
    return found == metrics.end() || !found->estimate.value ? nullptr : &*found;
}

void add(Estimate& to, const Estimate& one) {
    to.value = to.value.value_or(0) + one.value.value_or(0);
}

std::string figure(std::string_view name, std::string_view unit, const Estimate& estimate) {
    return format_value(name, unit, std::optional(estimate));
}

std::string target_finding(const MemoryTarget& target) {
    std::string text = target.target;
    if (const auto* peak = find_metric(target.metrics, "memory_peak"))
        text += fmt::format(" {}", format_value(peak->name, peak->unit, *peak->estimate.value));
    if (const auto* count = find_metric(target.metrics, "allocations_per_event"))
        text += fmt::format(", {} allocations an event",
                            format_value(count->name, count->unit, *count->estimate.value));
    return text;
}

}  // namespace

std::string headline(const MemoryDocument& document) {
    if (!document.header.failure.empty()) return "FAILED: " + document.header.failure;
    std::string text = fmt::format("Memory with {} client{}: ", document.clients,
                                   document.clients == 1 ? "" : "s");
    for (std::size_t i = 0; i < document.targets.size(); ++i)
        text += (i > 0 ? "; " : "") + target_finding(document.targets[i]);
    return text + ".";
}

std::vector<FailedCheck> failed_checks(const MemoryDocument& document) {
    std::vector<FailedCheck> failed;
    for (const auto& check : document.checks)
        if (!check.passed) failed.push_back({"", check});
    return failed;
}

std::string format_with_interval(const MemoryMetric& metric) {
    const auto& estimate = metric.estimate;
    if (!estimate.value) return std::string(kNoValue);
    const auto value = format_value(metric.name, metric.unit, *estimate.value);
    if (!estimate.has_interval()) return value;
    return fmt::format("{} [{}, {}]", value, format_value(metric.name, metric.unit, *estimate.low),
                       format_value(metric.name, metric.unit, *estimate.high));
}

std::string leak_sentence(const LeakRow& leak) {
    auto text =
        fmt::format("leaks: {} over {} iterations", check_label(leak.verdict), leak.iterations);
    if (leak.smallest_visible)
        text += fmt::format("; {:.3g} bytes an event and more would have shown",
                            *leak.smallest_visible);
    if (leak.verdict != "clean" && !leak.reason.empty()) text += "; " + leak.reason;
    return text;
}

std::vector<OwnerRow> telling_owners(const MemoryTarget& target) {
    auto owners = target.owners;
    std::ranges::stable_sort(owners, [](const OwnerRow& a, const OwnerRow& b) {
        return std::pair(a.live_bytes.value.value_or(0), a.bytes_per_event.value.value_or(0)) >
               std::pair(b.live_bytes.value.value_or(0), b.bytes_per_event.value.value_or(0));
    });
    if (owners.size() <= kOwnersShown) return owners;
    OwnerRow rest{.place = "", .owner = fmt::format("{} others", owners.size() - kOwnersShown + 1)};
    for (std::size_t i = kOwnersShown - 1; i < owners.size(); ++i) {
        add(rest.live_bytes, owners[i].live_bytes);
        add(rest.peak_bytes, owners[i].peak_bytes);
        add(rest.allocations_per_event, owners[i].allocations_per_event);
        add(rest.bytes_per_event, owners[i].bytes_per_event);
    }
    owners.resize(kOwnersShown - 1);
    owners.push_back(std::move(rest));
    return owners;
}

std::array<std::string, 5> owner_cells(const OwnerRow& owner) {
    const auto name = owner.place.empty() ? owner.owner : owner.place + ": " + owner.owner;
    return {name, figure("live_bytes", "bytes", owner.live_bytes),
            figure("live_bytes_peak", "bytes", owner.peak_bytes),
            figure("allocations_per_event", "1", owner.allocations_per_event),
            figure("allocated_bytes_per_event", "bytes", owner.bytes_per_event)};
}

}  // namespace crucible::lab::report
