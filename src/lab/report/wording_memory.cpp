#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "base/units.h"
#include "lab/report/wording.h"

namespace crucible::lab::report {
namespace {

constexpr std::size_t kOwnersShown = 12;
constexpr std::size_t kLeaksShown = 12;
constexpr std::size_t kOthersShown = 3;
constexpr std::size_t kSitesShown = 6;  ///< by what they allocate, and by what they hold

const MemoryMetric* find_metric(const std::vector<MemoryMetric>& metrics, std::string_view name) {
    const auto found = std::ranges::find(metrics, name, &MemoryMetric::name);
    return found == metrics.end() || !found->estimate.value ? nullptr : &*found;
}

void add(Estimate& to, const Estimate& one) {
    if (one.value) to.value = to.value.value_or(0) + *one.value;
}

/// The first of `rows`, and the others, where there are more than kOwnersShown, as one with the sum
/// of each of `figures`.
template <typename Row>
std::vector<Row> with_others_as_one(std::vector<Row> rows, std::string Row::*name,
                                    std::initializer_list<Estimate Row::*> figures) {
    if (rows.size() <= kOwnersShown) return rows;
    Row others;
    others.*name = fmt::format("{} others", rows.size() - kOwnersShown + 1);
    for (std::size_t i = kOwnersShown - 1; i < rows.size(); ++i) {
        for (const auto figure : figures) add(others.*figure, rows[i].*figure);
    }
    rows.resize(kOwnersShown - 1);
    rows.push_back(std::move(others));
    return rows;
}

/// The least power of two that is not below `bytes`.
double doubling(double bytes) {
    double bound = 16;
    while (bound < bytes) bound *= 2;
    return bound;
}

/// What a report shows of the parts.
constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kTellingParts{
    {{"stage", "allocated_bytes_per_event"},
     {"stage", "allocations_per_event"},
     {"stage", "peak_live_bytes_per_event"},
     {"category", "allocated_bytes_per_event"},
     {"category", "allocations_per_event"},
     {"category", "peak_live_bytes_per_event"},
     {"owner", "allocated_bytes_per_event"}}};

double largest(const ComparedMetric& metric) {
    const auto value = [](const std::optional<Estimate>& estimate) {
        return estimate ? std::abs(estimate->value.value_or(0)) : 0.0;
    };
    return std::max(value(metric.baseline), value(metric.candidate));
}

/// With its sign and three digits.
std::string signed_digits(double value) {
    const double size = std::abs(value);
    return fmt::format("{:+.{}f}", value, size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

/// With three digits, or two where none stands before the point.
std::string digits(double value) {
    if (value < 1) return fmt::format("{:.2g}", value);
    return fmt::format("{:.{}f}", value, value >= 100 ? 0 : value >= 10 ? 1 : 2);
}

/// By what values up to `size` are divided to be told, and the name of that unit.
std::pair<double, std::string_view> scale_of(std::string_view unit, double size) {
    if (unit != "bytes") return {1, ""};
    constexpr std::array<std::string_view, 4> kUnits{"B", "KiB", "MiB", "GiB"};
    double scale = 1;
    std::size_t i = 0;
    for (; i + 1 < kUnits.size() && size / scale >= 1024; ++i) scale *= 1024;
    return {scale, kUnits[i]};
}

/// "12 (3 live)".
std::string samples_text(std::uint64_t samples, std::uint64_t live) {
    return fmt::format("{} ({} live)", base::format_count(static_cast<double>(samples)),
                       base::format_count(static_cast<double>(live)));
}

/// Samples of some processes alone have none.
bool has_intervals(const AllocationSites& stacks) {
    return std::ranges::any_of(stacks.sites, [](const AllocationSite& site) {
        return site.bytes_per_event.has_interval() || site.live_bytes.has_interval();
    });
}

std::string figure(std::string_view name, std::string_view unit, const Estimate& estimate) {
    return format_value(name, unit, std::optional(estimate));
}

/// "64 bytes an event sent [63.9, 64.1]".
std::string slope_text(const Estimate& slope) {
    auto text = fmt::format("{:.3g} bytes an event sent", slope.value.value_or(0));
    // An end that is infinite is none.
    if (slope.has_interval()) text += fmt::format(" [{:.3g}, {:.3g}]", *slope.low, *slope.high);
    return text;
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
    std::string text = document.header.interrupted ? "INTERRUPTED. " : "";
    if (!document.header.failure.empty()) {
        text = "FAILED: " + document.header.failure;
        const bool measured = std::ranges::any_of(
            document.targets, [](const MemoryTarget& target) { return !target.metrics.empty(); });
        if (!measured) return text;
        text += ". ";
    }
    text += fmt::format("Memory with {} client{}: ", document.clients,
                        document.clients == 1 ? "" : "s");
    bool first = true;
    for (const auto& target : document.targets) {
        // One that failed before anything was known of it has been told of.
        if (!document.header.failure.empty() && target.metrics.empty()) continue;
        text += (first ? "" : "; ") + target_finding(target);
        first = false;
    }
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
    if (leak.iterations == 0) return "leaks: not looked for: " + leak.reason;
    // What cannot be told is not said in a word that sounds like a finding.
    const auto verdict = leak.verdict == "inconclusive"
                             ? "none found, nor proven that there is none"
                             : check_label(leak.verdict);
    auto text = fmt::format("leaks: {}, over {} iterations in {}", verdict, leak.iterations,
                            base::format_duration(leak.duration));
    if (leak.smallest_visible)
        text += fmt::format("; {:.3g} bytes an event sent and more would have shown",
                            *leak.smallest_visible);
    if (leak.verdict != "clean" && !leak.reason.empty()) text += "; " + leak.reason;
    if (!leak.why_not_call_sites.empty())
        text += "; by owner, not by call site: " + leak.why_not_call_sites;
    if (leak.own_first && leak.own_last) {
        text +=
            fmt::format("; crucible's own memory went from {} to {}",
                        base::format_bytes(*leak.own_first), base::format_bytes(*leak.own_last));
    }
    if (leak.workers_first && leak.workers_last) {
        text += fmt::format("; what it holds in its client processes from {} to {}",
                            base::format_bytes(*leak.workers_first),
                            base::format_bytes(*leak.workers_last));
    }
    return text;
}

std::vector<std::string> telling_leaks(const LeakRow& leak) {
    std::vector<std::string> lines;
    std::size_t leaks = 0, others = 0;  // that are not told
    for (const auto& site : leak.sites) {
        const bool leaks_here = site.verdict == "leak";
        const bool told =
            leaks_here ? lines.size() < kLeaksShown
                       : site.bytes_per_event.value.value_or(0) > 0 && lines.size() < kOthersShown;
        if (!told) {
            ++(leaks_here ? leaks : others);
            continue;
        }
        lines.push_back(fmt::format("{}: {} ({}): {}", site.site, check_label(site.verdict),
                                    slope_text(site.bytes_per_event), site.reason));
    }
    if (leaks > 0) lines.push_back(fmt::format("{} more that leak", leaks));
    if (others > 0) lines.push_back(fmt::format("{} more that are not proven clean", others));
    return lines;
}

std::vector<AllocationSite> telling_sites(const AllocationSites& stacks) {
    auto sites = stacks.sites;
    // What too little is known of ranks none.
    const auto ranked = [](const AllocationSite& site, std::string_view name,
                           const Estimate& figure) {
        const auto& by = site.ranked_by;
        return std::ranges::find(by, name) == by.end() ? 0 : figure.value.value_or(0);
    };
    const auto allocated = [&](const AllocationSite& site) {
        return ranked(site, "bytes_per_event", site.bytes_per_event);
    };
    const auto held = [&](const AllocationSite& site) {
        return ranked(site, "live_bytes", site.live_bytes);
    };
    // Those that allocate most first, and of the rest those that hold most.
    std::ranges::stable_sort(sites, std::ranges::greater(), allocated);
    const auto allocating = std::ranges::count_if(
        sites, [&](const AllocationSite& site) { return allocated(site) > 0; });
    const auto rest =
        sites.begin() + std::min(allocating, static_cast<std::ptrdiff_t>(kSitesShown));
    std::ranges::stable_sort(rest, sites.end(), std::ranges::greater(), held);
    sites.resize(std::min(sites.size(), 2 * kSitesShown));
    return sites;
}

std::vector<std::string> site_columns(const AllocationSites& stacks) {
    if (!stacks.sampled()) return {"bytes/event", "allocations/event", "live"};
    if (!has_intervals(stacks)) return {"bytes/event", "allocations/event", "live", "samples"};
    return {"bytes/event [95 %]", "allocations/event", "live [95 %]", "samples"};
}

std::vector<std::string> site_cells(const AllocationSites& stacks, const AllocationSite& site) {
    std::vector<std::string> cells{short_estimate("bytes", site.bytes_per_event),
                                   format_value("", "1", site.allocations_per_event),
                                   short_estimate("bytes", site.live_bytes)};
    if (stacks.sampled()) cells.push_back(samples_text(site.samples, site.live_samples));
    return cells;
}

std::string few_label(const AllocationSites& stacks) {
    return fmt::format("{} site{} with fewer than {} samples", stacks.few->sites,
                       stacks.few->sites == 1 ? "" : "s", stacks.ranked_from);
}

std::vector<std::string> few_cells(const AllocationSites& stacks) {
    const auto& few = *stacks.few;
    return {format_value("allocated_bytes_per_event", "bytes", few.bytes_per_event),
            format_value("allocations_per_event", "1", few.allocations_per_event),
            format_value("live_bytes", "bytes", few.live_bytes),
            samples_text(few.samples, few.live_samples)};
}

std::string short_estimate(std::string_view unit, const Estimate& estimate) {
    if (!estimate.has_interval()) return format_value("", unit, std::optional(estimate));
    const auto [scale, name] = scale_of(unit, std::abs(*estimate.high));
    auto text = fmt::format("{} [{}, {}]", digits(estimate.value.value_or(0) / scale),
                            digits(*estimate.low / scale), digits(*estimate.high / scale));
    return name.empty() ? text : fmt::format("{} {}", text, name);
}

std::string sampling_sentence(const AllocationSites& stacks) {
    if (!stacks.sampled()) {
        return fmt::format("{}every allocation in one trial's events{}, at {} places",
                           stacks.exact ? "exact: " : "",
                           stacks.exact ? "" : ", of some of its processes", stacks.in_all);
    }
    auto text = fmt::format("samples {} apart in the mean in one trial's events, at {} places",
                            base::format_bytes(stacks.mean_bytes), stacks.in_all);
    if (has_intervals(stacks)) {
        text +=
            "; intervals are of the sampling alone, and places whose intervals overlap are in no "
            "order";
    }
    return text;
}

std::string files_sentence(const AllocationSites& stacks) {
    std::string text;
    for (const auto& [what, file] : stacks.files) text += (text.empty() ? "" : ", ") + file;
    return text;
}

std::array<std::string, 6> lifetime_cells(const LifetimeRow& row) {
    const auto time = [](const std::optional<double>& seconds) {
        return seconds ? base::format_duration(*seconds) : std::string(kNoValue);
    };
    return {row.owner,     base::format_count(row.blocks),
            time(row.p50), time(row.p90),
            time(row.p99), format_value("short_lived_share", "1", row.short_lived_share)};
}

std::array<std::string, 10> process_cells(const ProcessRow& row) {
    const auto text = [](const std::optional<double>& value, const auto& form) {
        return value ? form(*value) : std::string(kNoValue);
    };
    const auto percent = [](double share) { return fmt::format("{:.1f} %", 100 * share); };
    const auto bytes = [](double value) { return base::format_bytes(value); };
    const auto count = [](double value) { return base::format_count(value); };
    return {row.role + ": " + row.command, text(row.cpu, percent),
            text(row.memory_mean, bytes),  text(row.memory_peak, bytes),
            text(row.threads, count),      text(row.descriptors, count),
            text(row.faults_minor, count), text(row.faults_major, count),
            text(row.switches, count),     text(row.run_queue_delay, percent)};
}

std::string sampler_sentence(const Resources& resources) {
    return fmt::format("read {} times in {}, which took {} of processor time", resources.samples,
                       base::format_duration(resources.wall),
                       base::format_duration(resources.sampler_cpu));
}

std::vector<OwnerRow> telling_owners(const MemoryTarget& target) {
    auto owners = target.owners;
    std::ranges::stable_sort(owners, [](const OwnerRow& a, const OwnerRow& b) {
        return std::pair(a.live_bytes.value.value_or(0), a.bytes_per_event.value.value_or(0)) >
               std::pair(b.live_bytes.value.value_or(0), b.bytes_per_event.value.value_or(0));
    });
    return with_others_as_one(
        std::move(owners), &OwnerRow::owner,
        {&OwnerRow::live_bytes, &OwnerRow::peak_bytes, &OwnerRow::allocations_per_event,
         &OwnerRow::bytes_per_event, &OwnerRow::peak_per_event});
}

std::array<std::string, 6> owner_cells(const OwnerRow& owner) {
    const auto name = owner.place.empty() ? owner.owner : owner.place + ": " + owner.owner;
    return {name,
            figure("live_bytes", "bytes", owner.live_bytes),
            figure("live_bytes_peak", "bytes", owner.peak_bytes),
            figure("allocations_per_event", "1", owner.allocations_per_event),
            figure("allocated_bytes_per_event", "bytes", owner.bytes_per_event),
            figure("peak_live_bytes_per_event", "bytes", owner.peak_per_event)};
}

std::vector<SizeRow> telling_sizes(const MemoryTarget& target) {
    std::vector<SizeRow> rows;
    for (const auto& size : target.sizes) {
        // The largest block of a class says which row it is in. From 2 KiB on a class reaches over
        // a power of two: that of [4,072, 5,080] bytes is in the row up to 8 KiB.
        const auto bound = size.usable_to ? std::optional(doubling(*size.usable_to)) : std::nullopt;
        if (rows.empty() || rows.back().usable_to != bound) rows.push_back({.usable_to = bound});
        add(rows.back().allocations_per_event, size.allocations_per_event);
        add(rows.back().usable_per_event, size.usable_per_event);
        add(rows.back().live_blocks, size.live_blocks);
    }
    return rows;
}

std::array<std::string, 4> size_cells(const SizeRow& size) {
    const auto live = size.live_blocks.value;
    return {size.usable_to ? base::format_bytes(*size.usable_to) : "any size",
            figure("allocations_per_event", "1", size.allocations_per_event),
            figure("allocated_bytes_per_event", "bytes", size.usable_per_event),
            live ? base::format_count(*live) : std::string(kNoValue)};
}

std::vector<ThreadRow> telling_threads(const MemoryTarget& target) {
    auto threads = target.threads;
    std::ranges::stable_sort(threads, std::ranges::greater(), [](const ThreadRow& row) {
        return std::pair(row.bytes_per_event.value.value_or(0),
                         row.freed_per_event.value.value_or(0));
    });
    return with_others_as_one(std::move(threads), &ThreadRow::thread,
                              {&ThreadRow::threads, &ThreadRow::allocations_per_event,
                               &ThreadRow::bytes_per_event, &ThreadRow::freed_per_event});
}

std::array<std::string, 5> thread_cells(const ThreadRow& row) {
    const auto& threads = row.threads.value;
    return {row.place.empty() ? row.thread : row.place + ": " + row.thread,
            threads ? base::format_count(*threads) : std::string(kNoValue),
            figure("allocations_per_event", "1", row.allocations_per_event),
            figure("allocated_bytes_per_event", "bytes", row.bytes_per_event),
            figure("allocated_bytes_per_event", "bytes", row.freed_per_event)};
}

std::array<std::string_view, 6> part_columns(std::string_view division) {
    auto columns = kOwnerColumns;
    columns.front() = division;
    return columns;
}

std::vector<PartTable> part_tables(const MemoryDocument& document) {
    std::vector<PartTable> tables;
    for (const auto& [division, name] : kTellingParts) {
        PartTable table{.title = fmt::format("{} by {}", metric_label(name), division), .rows = {}};
        for (const auto& part : document.parts) {
            if (part.division != division) continue;
            for (const auto& metric : part.metrics)
                if (metric.name == name && largest(metric) > 0)
                    table.rows.emplace_back(part.part, metric);
        }
        // Stages are in the order of an event's path.
        if (division != "stage") {
            std::ranges::stable_sort(table.rows, std::ranges::greater(),
                                     [](const auto& row) { return largest(row.second); });
        }
        if (!table.rows.empty()) tables.push_back(std::move(table));
    }
    return tables;
}

std::string short_difference(const ComparedMetric& metric) {
    const auto& difference = *metric.difference;
    const double value = difference.value.value_or(0);
    double size = std::abs(value);
    if (difference.has_interval())
        size = std::max({size, std::abs(*difference.low), std::abs(*difference.high)});
    const auto [scale, unit] = scale_of(metric.unit, size);
    auto text = signed_digits(value / scale);
    if (difference.has_interval()) {
        text += fmt::format(" [{}, {}]", signed_digits(*difference.low / scale),
                            signed_digits(*difference.high / scale));
    }
    return unit.empty() ? text : fmt::format("{} {}", text, unit);
}

}  // namespace crucible::lab::report
