#include "lab/memory/memory_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <utility>

namespace crucible::lab {
namespace {

/// Owners in client processes that are the measurement's own.
constexpr std::array<std::string_view, 2> kHarnessOwners{"harness", "workload"};
constexpr std::string_view kUnowned = "other";

/// The first ones are those of parts.
constexpr std::array kAllocationMetrics{
    MetricInfo{"allocations_per_event", "1", Better::lower, true},
    MetricInfo{"allocated_bytes_per_event", "bytes", Better::lower, true},
    MetricInfo{"live_bytes", "bytes", Better::lower, true},
    MetricInfo{"live_bytes_peak", "bytes", Better::lower, true},
    MetricInfo{"peak_live_bytes_per_event", "bytes", Better::lower, false},
    MetricInfo{"payload_per_live_peak", "1", Better::higher, false},
    MetricInfo{"freed_share", "1", Better::higher, false},
    MetricInfo{"fragmentation", "1", Better::lower, false},
};

constexpr std::size_t kPartMetricCount = 5;
constexpr auto kPartMetrics = [] {
    std::array<MetricInfo, kPartMetricCount> metrics{};
    for (std::size_t i = 0; i < metrics.size(); ++i) {
        metrics[i] = kAllocationMetrics[i];
        metrics[i].gated = false;
    }
    return metrics;
}();

std::string_view place_of(const ProcessCourse& process) noexcept {
    return process.client ? "client" : "system";
}

const std::string& owner_name(const std::string& owner) {
    static const std::string process = "process";
    return owner == kUnowned ? process : owner;
}

const alloc::Counts& counts_of(const alloc::Snapshot& snapshot, const std::string& owner) {
    static const alloc::Counts none;
    const auto found = std::ranges::find(snapshot.owners, owner, &alloc::OwnerCounts::name);
    return found == snapshot.owners.end() ? none : found->counts;
}

void add(OwnerFigures& to, const alloc::Counts& before, const alloc::OwnerCounts& after) {
    const alloc::Counts done = after.counts - before;
    to.allocations += static_cast<double>(done.allocations);
    to.bytes += static_cast<double>(done.bytes);
    to.frees += static_cast<double>(done.frees);
    to.freed_bytes += static_cast<double>(done.freed_bytes);
    to.live_bytes += static_cast<double>(after.counts.live_bytes());
    to.live_blocks += static_cast<double>(after.counts.live_blocks());
    to.peak_bytes += static_cast<double>(after.peak_live_bytes);
}

/// Of the system in that process, which holds more than it where it is a client.
std::int64_t peak_of(const ProcessCourse& process, const alloc::Snapshot& snapshot) noexcept {
    return process.client ? snapshot.rest_peak_live_bytes : snapshot.peak_live_bytes;
}

/// upper / lower, where something was allocated.
MetricValue quotient(const MetricInfo& info, double upper, double lower, double events) {
    MetricValue value{.info = &info};
    if (lower > 0) {
        value.value = upper / lower;
        value.n = static_cast<std::uint64_t>(events);
    } else {
        value.absent = "nothing was allocated";
    }
    return value;
}

void withhold(MetricValue& value, const std::string& why) {
    if (why.empty()) return;
    value.value.reset();
    value.absent = why;
}

/// `infos`: what they are called, in the order of kPartMetrics.
std::vector<MetricValue> values_of(const OwnerFigures& part, const MemoryFigures& figures,
                                   std::span<const MetricInfo> infos) {
    const double events = figures.events;
    std::vector<MetricValue> values{quotient(infos[0], part.allocations, events, events),
                                    quotient(infos[1], part.bytes, events, events),
                                    quotient(infos[2], part.live_bytes, 1, events),
                                    quotient(infos[3], part.peak_bytes, 1, events),
                                    quotient(infos[4], part.peak_per_event, 1, events)};
    withhold(values[0], figures.why_no_per_event);
    withhold(values[1], figures.why_no_per_event);
    withhold(values[4], figures.why_no_peaks);
    return values;
}

/// Why what the process keeps as live by itself is not what its rows have; empty when it is.
std::string kept_discrepancy(const alloc::Snapshot& snapshot) {
    const auto unlike = [&](std::string_view of, std::int64_t rows, std::int64_t kept) {
        return std::abs(static_cast<double>(rows) - static_cast<double>(kept)) <=
                       static_cast<double>(snapshot.kept_error_bytes)
                   ? std::string()
                   : fmt::format(
                         "process {}: {} bytes live {}by its rows, but {} as it keeps them "
                         "itself, which may be {} apart",
                         snapshot.pid, rows, of, kept, snapshot.kept_error_bytes);
    };
    auto wrong = unlike("", snapshot.total.live_bytes(), snapshot.kept_live_bytes);
    if (!wrong.empty() || std::ranges::none_of(snapshot.owners, &alloc::OwnerCounts::apart))
        return wrong;
    alloc::Counts rest;
    for (const auto& owner : snapshot.owners)
        if (!owner.apart) rest += owner.counts;
    return unlike("of the owners that are not set apart ", rest.live_bytes(),
                  snapshot.rest_kept_live_bytes);
}

/// Why the peak of the system in a client process holds what the measurement allocates there;
/// empty where it does not.
std::string not_apart(const alloc::Snapshot& client) {
    for (const auto& owner : client.owners) {
        if (!is_harness_owner(owner.name) || owner.apart || owner.counts.allocations == 0) continue;
        return fmt::format(
            "process {}: what \"{}\" allocated there is not set apart, and in the peak of the "
            "system",
            client.pid, owner.name);
    }
    return {};
}

/// Why the counts of a process do not add up; empty when they do.
std::string discrepancy(const ProcessCourse& process, const alloc::Snapshot& snapshot) {
    alloc::Counts owners;
    alloc::Counts threads;
    std::uint64_t blocks = 0;
    for (const auto& owner : snapshot.owners) owners += owner.counts;
    for (const auto& thread : snapshot.threads) threads += thread.counts;
    for (const auto& size : snapshot.classes) blocks += size.allocations - size.frees;
    if (snapshot.uncounted > 0)
        return fmt::format(
            "{} allocations of process {} are not counted, for want of shared memory",
            snapshot.uncounted, snapshot.pid);
    if (!snapshot.owners_complete)
        return fmt::format(
            "some of what process {} allocated is with \"other\" instead of its owner",
            snapshot.pid);
    if (owners != snapshot.total || threads != snapshot.total ||
        static_cast<std::int64_t>(blocks) != snapshot.total.live_blocks()) {
        return fmt::format("process {}: {} bytes live by owner, {} by thread, {} in all",
                           snapshot.pid, owners.live_bytes(), threads.live_bytes(),
                           snapshot.total.live_bytes());
    }
    // Kept apart from the rows that all of the above is of.
    auto wrong = kept_discrepancy(snapshot);
    return wrong.empty() && process.client ? not_apart(snapshot) : wrong;
}

}  // namespace

OwnerFigures& OwnerFigures::operator+=(const OwnerFigures& other) noexcept {
    allocations += other.allocations;
    bytes += other.bytes;
    frees += other.frees;
    freed_bytes += other.freed_bytes;
    live_bytes += other.live_bytes;
    live_blocks += other.live_blocks;
    peak_bytes += other.peak_bytes;
    peak_per_event += other.peak_per_event;
    return *this;
}

double harness_live_bytes(const alloc::Snapshot& client) {
    double live = 0;
    for (const auto& owner : client.owners) {
        if (is_harness_owner(owner.name)) live += static_cast<double>(owner.counts.live_bytes());
    }
    return live;
}

bool is_measured(const MemoryTrial& trial, const ProcessCourse& process) noexcept {
    return !process.client || trial.trial.includes_clients;
}

bool is_harness_owner(std::string_view owner) noexcept {
    return std::ranges::find(kHarnessOwners, owner) != kHarnessOwners.end();
}

std::string owner_label(const ProcessCourse& process, const std::string& owner) {
    return fmt::format("{}: {}", place_of(process), owner_name(owner));
}

std::string why_no_per_event(const Delivery& delivery) {
    const auto not_handled = delivery.rejected + delivery.lost;
    if (static_cast<double>(not_handled) <= kNotHandledMax * static_cast<double>(delivery.sent))
        return {};
    return fmt::format("{} of {} events were rejected or lost", not_handled, delivery.sent);
}

std::optional<MemoryFigures> memory_figures(const MemoryTrial& trial, std::size_t phase) {
    MemoryFigures figures;
    figures.conserved = {"memory_conserved", true, {}};
    if (phase >= watched_phases(trial)) return std::nullopt;
    const auto& driven = trial.trial.phases[phase];
    figures.events = static_cast<double>(driven.delivery.sent);
    figures.why_no_per_event = why_no_per_event(driven.delivery);
    if (driven.throughput > 0)
        figures.payload_bytes = figures.events * driven.payload_throughput / driven.throughput;
    std::map<std::pair<std::string, std::string>, OwnerFigures> owners;
    std::size_t watched = 0;
    bool unread = false;
    double live = 0;
    double peak = 0;
    for (const auto& process : trial.processes) {
        const auto& before = process.quiet[phase];
        const auto& after = process.quiet[phase + 1];
        if (auto wrong = discrepancy(process, after); !wrong.empty() && figures.conserved.passed)
            figures.conserved = {"memory_conserved", false, std::move(wrong)};
        if (!is_measured(trial, process)) continue;
        ++watched;
        live += static_cast<double>(after.total.live_bytes());
        peak += static_cast<double>(peak_of(process, after));
        if (process.client) figures.harness_live_bytes += harness_live_bytes(after);
        unread |= process.anonymous_bytes[phase + 1] <= 0;
        figures.resident_bytes +=
            process.anonymous_bytes[phase + 1] - static_cast<double>(after.header_bytes);
        figures.usable_bytes += static_cast<double>(after.total.live_usable_bytes());
        const std::string place(place_of(process));
        for (const auto& owner : after.owners) {
            if (owner.counts.allocations == 0) continue;
            if (process.client && is_harness_owner(owner.name)) continue;
            const std::string name = owner_name(owner.name);
            auto& figure = owners[{place, name}];
            figure.place = place;
            figure.owner = name;
            add(figure, counts_of(before, owner.name), owner);
        }
    }
    if (watched == 0) return std::nullopt;
    if (unread) figures.resident_bytes = 0;
    figures.total.owner = "total";
    for (auto& [key, figure] : owners) {
        figures.total += figure;
        figures.owners.push_back(std::move(figure));
    }
    figures.total.peak_bytes = peak;
    figures.sizes = size_figures(trial, phase);
    figures.threads = thread_figures(trial, phase);
    if (figures.conserved.passed) {
        figures.conserved.detail = fmt::format(
            "{:.0f} bytes live in {} processes: {:.0f} of the system's owners and {:.0f} of the "
            "harness",
            live, watched, figures.total.live_bytes, figures.harness_live_bytes);
        figures.conserved.passed = live == figures.total.live_bytes + figures.harness_live_bytes;
    }
    return figures;
}

std::vector<SiteCourse> owner_courses(const MemoryTrial& trial) {
    std::map<std::string, SiteCourse> courses;
    const std::size_t phases = watched_phases(trial);
    for (const auto& process : trial.processes) {
        if (!is_measured(trial, process)) continue;
        for (std::size_t phase = 0; phase < phases; ++phase) {
            for (const auto& owner : process.quiet[phase + 1].owners) {
                if (owner.counts.allocations == 0 ||
                    (process.client && is_harness_owner(owner.name)))
                    continue;
                const auto site = owner_label(process, owner.name);
                auto& course = courses[site];
                course.site = site;
                course.live_bytes.resize(phases);
                course.live_objects.resize(phases);
                course.live_bytes[phase] += static_cast<double>(owner.counts.live_bytes());
                course.live_objects[phase] += static_cast<double>(owner.counts.live_blocks());
            }
        }
    }
    std::vector<SiteCourse> all;
    for (auto& [site, course] : courses) all.push_back(std::move(course));
    return all;
}

std::span<const MetricInfo> allocation_metrics() noexcept {
    return kAllocationMetrics;
}

std::vector<MetricValue> allocation_values(const MemoryFigures& figures) {
    const auto& total = figures.total;
    auto values = values_of(total, figures, kAllocationMetrics);
    const auto add = [&](double upper, double lower) {
        values.push_back(quotient(kAllocationMetrics[values.size()], upper, lower, figures.events));
    };
    add(figures.payload_bytes, total.peak_bytes);
    withhold(values.back(), figures.why_no_per_event);
    add(total.freed_bytes, total.bytes);
    add(figures.resident_bytes, figures.usable_bytes);
    if (figures.resident_bytes <= 0)
        withhold(values.back(), "the resident memory could not be read");
    return values;
}

std::span<const MetricInfo> part_metrics() noexcept {
    return kPartMetrics;
}

std::vector<MetricValue> part_values(const OwnerFigures& part, const MemoryFigures& figures) {
    return values_of(part, figures, kPartMetrics);
}

}  // namespace crucible::lab
