#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "base/units.h"
#include "lab/record/resource_report.h"

namespace crucible::lab {
namespace {

constexpr std::size_t kColumns = 80;
constexpr std::size_t kLabelColumns = 16;

/// Lines of a label and text behind it, which is broken between words and goes on beneath itself.
class Lines {
public:
    void heading(std::string_view text) { put("", base::printable(std::string(text)), 0); }
    void line(std::string_view label, std::string_view text) {
        put(fmt::format("  {:<{}}", label, kLabelColumns - 2), base::printable(std::string(text)),
            kLabelColumns);
    }
    std::string take() && { return std::move(text_); }

private:
    void put(std::string line, std::string_view text, std::size_t indent) {
        const std::size_t begin = line.size();
        while (!text.empty()) {
            const auto word = text.substr(0, std::min(text.find(' '), kColumns - indent));
            text.remove_prefix(word.size());
            text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
            const bool first = line.size() <= std::max(begin, indent);
            if (!first && line.size() + 1 + word.size() > kColumns) {
                text_ += line + '\n';
                line.assign(indent, ' ');
            } else if (!first) {
                line += ' ';
            }
            line += word;
        }
        text_ += line + '\n';
    }

    std::string text_;
};

double text_seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

/// An amount of a metric, or with `rate` so much of it per second.
std::string amount(ResourceMetric metric, double value, bool rate) {
    const auto unit = kind_of(metric).unit;
    const std::string_view per_second = rate ? "/s" : "";
    if (unit == "B") return base::format_bytes(value) + std::string(per_second);
    if (unit == "s" && rate) return fmt::format("{:.1f} %", 100 * value);
    if (unit == "s") return base::format_duration(value);
    return base::format_count(value) + std::string(per_second);
}

/// "12.3 MiB mean, 20.1 MiB peak", or of a counter "1.2 MiB/s mean, 3.4 MiB/s peak, 24 MiB".
std::string course(const ResourceFigure& figure) {
    if (!figure.summary) return "absent: " + figure.why_absent;
    const bool counter = kind_of(figure.metric).counter;
    auto text =
        fmt::format("{} mean, {} peak", amount(figure.metric, figure.summary->mean, counter),
                    amount(figure.metric, figure.summary->peak, counter));
    if (counter) text += ", " + amount(figure.metric, figure.total(), false);
    return text;
}

using Figures = std::vector<ResourceFigure>;

void describe(Lines& lines, std::string_view label, const Figures& figures, ResourceMetric metric) {
    if (const auto* figure = find_figure(figures, metric)) lines.line(label, course(*figure));
}

/// Several in one line: the totals of counters, the peaks of gauges. One reason for all of them,
/// where none is there.
void describe(Lines& lines, std::string_view label, const Figures& figures,
              std::initializer_list<std::pair<ResourceMetric, std::string_view>> metrics) {
    std::string text;
    bool any = false;
    std::string why;
    for (const auto& [metric, name] : metrics) {
        const auto* figure = find_figure(figures, metric);
        if (figure == nullptr) continue;
        if (!text.empty()) text += ", ";
        if (figure->summary) {
            any = true;
            const bool counter = kind_of(metric).counter;
            text += fmt::format(
                "{} {}", amount(metric, counter ? figure->total() : figure->summary->peak, false),
                name);
        } else {
            text += fmt::format("{} absent: {}", name, figure->why_absent);
            why = figure->why_absent;
        }
    }
    lines.line(label, any ? text : "absent: " + why);
}

/// Shares of the time in which some, and all, waited.
void describe_pressure(Lines& lines, const Figures& figures) {
    using enum ResourceMetric;
    constexpr std::array<std::pair<std::string_view, std::pair<ResourceMetric, ResourceMetric>>, 3>
        kResources{{{"cpu waits", {pressure_cpu_some, pressure_cpu_full}},
                    {"memory waits", {pressure_memory_some, pressure_memory_full}},
                    {"io waits", {pressure_io_some, pressure_io_full}}}};
    for (const auto& [label, metrics] : kResources) {
        const auto* some = find_figure(figures, metrics.first);
        const auto* full = find_figure(figures, metrics.second);
        if (some == nullptr) continue;
        if (!some->summary) {
            lines.line(label, "absent: " + some->why_absent);
            continue;
        }
        auto text = fmt::format("{:.1f} % of the time mean, {:.1f} % peak",
                                100 * some->summary->mean, 100 * some->summary->peak);
        if (full != nullptr && full->summary)
            text += fmt::format("; of all tasks {:.1f} % mean", 100 * full->summary->mean);
        lines.line(label, text);
    }
}

void describe_process(Lines& lines, const ProcessResources& process) {
    using enum ResourceMetric;
    lines.heading(fmt::format(
        "{}{}{} ({}){}", process.role, process.role.empty() ? "" : " ", process.command,
        process.pid,
        process.ended
            ? fmt::format(", ended after {}", base::format_duration(text_seconds(*process.ended)))
            : ""));
    const auto& figures = process.figures;
    describe(lines, "CPU", figures, ResourceMetric::cpu);
    describe(lines, "", figures, {{cpu_user, "user"}, {cpu_system, "system"}});
    describe(lines, "queued", figures, run_queue_delay);
    describe(lines, "PSS", figures, memory_pss);
    describe(lines, "RSS", figures, memory_rss);
    describe(lines, "swap", figures, memory_swap);
    describe(lines, "faults", figures, {{faults_minor, "minor"}, {faults_major, "major"}});
    describe(lines, "switches", figures,
             {{switches_voluntary, "voluntary"}, {switches_involuntary, "involuntary"}});
    describe(lines, "peak", figures, {{threads, "threads"}, {descriptors, "descriptors"}});
    describe(lines, "read, written", figures,
             {{ResourceMetric::read, "read"}, {written, "written"}});
    describe(lines, "storage", figures, {{storage_read, "read"}, {storage_written, "written"}});
    describe(lines, process.counters_user_only ? "user counters" : "counters", figures,
             {{cycles, "cycles"},
              {instructions, "instructions"},
              {cache_misses, "cache misses"},
              {branch_misses, "branch misses"}});
    if (!process.why_no_cgroup.empty()) lines.line("cgroup", "absent: " + process.why_no_cgroup);
}

std::string limit_text(const CgroupLimit& limit, ResourceMetric metric) {
    return limit.value ? amount(metric, *limit.value, false) : limit.why_absent;
}

void describe_cgroup(Lines& lines, const CgroupResources& cgroup) {
    using enum ResourceMetric;
    lines.heading(fmt::format("cgroup {} ({})", cgroup.name, cgroup.version));
    const auto& limits = cgroup.limits;
    describe(lines, "memory", cgroup.figures, cgroup_memory);
    lines.line("  max", limit_text(limits.memory_max_bytes, cgroup_memory));
    lines.line("  high", limit_text(limits.memory_high_bytes, cgroup_memory));
    describe(lines, "tasks", cgroup.figures, cgroup_pids);
    lines.line("  max", limit_text(limits.pids_max, cgroup_pids));
    const auto& cores = limits.cpu_max_cores;
    lines.line("CPU max", cores.value ? fmt::format("{} cores", base::format_count(*cores.value))
                                      : cores.why_absent);
    if (cores.value)
        describe(lines, "  throttled", cgroup.figures,
                 {{throttled_periods, "times"}, {throttled, "in all"}});
    describe_pressure(lines, cgroup.figures);
}

}  // namespace

std::string resources_text(const ResourceReport& report) {
    Lines lines;
    const double wall = text_seconds(report.wall);
    lines.heading(fmt::format("Resources over {}, every {}", base::format_duration(wall),
                              base::format_duration(text_seconds(report.interval))));
    const auto& sampler = report.sampler;
    const auto share = [&](Duration part, std::string_view whole) {
        return wall > 0 ? fmt::format(" ({:.2f} % of {})", 100 * text_seconds(part) / wall, whole)
                        : std::string();
    };
    const auto each = [](Duration of, std::uint64_t count) {
        return base::format_duration(count > 0 ? text_seconds(of) / static_cast<double>(count) : 0);
    };
    lines.line(
        "sampler",
        fmt::format("{} of CPU{}, busy {}{}; {} samples, {} of them in full, at {}; {}",
                    base::format_duration(text_seconds(sampler.cpu)), share(sampler.cpu, "a core"),
                    base::format_duration(text_seconds(sampler.wall)),
                    share(sampler.wall, "the time"),
                    base::format_count(static_cast<double>(sampler.samples)),
                    base::format_count(static_cast<double>(sampler.costly_samples)),
                    each(sampler.costly_cpu, sampler.costly_samples),
                    base::format_bytes(static_cast<double>(sampler.series_bytes))));
    for (const auto& process : report.processes) describe_process(lines, process);
    if (!report.machine.empty()) {
        lines.heading("machine");
        describe_pressure(lines, report.machine);
    }
    for (const auto& cgroup : report.cgroups) describe_cgroup(lines, cgroup);
    return std::move(lines).take();
}

}  // namespace crucible::lab
