#include "lab/record/resource_json.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

namespace crucible::lab {
namespace {

using nlohmann::json;

double json_seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

/// Three arrays, not an array of objects: a third of the size.
json series_json(const ResourceFigure& figure, std::size_t points_max) {
    json ends = json::array(), means = json::array(), peaks = json::array();
    for (const auto& point : figure.condensed(points_max)) {
        ends.push_back(json_seconds(point.end));
        means.push_back(point.mean);
        peaks.push_back(point.peak);
    }
    return {{"start", json_seconds(figure.summary->begin)},
            {"end", std::move(ends)},
            {"mean", std::move(means)},
            {"peak", std::move(peaks)}};
}

json figure_json(const ResourceFigure& figure, std::size_t points_max) {
    const auto& kind = kind_of(figure.metric);
    json object = {{"unit", kind.unit}};
    if (!figure.summary) {
        object["absent"] = figure.why_absent;
        return object;
    }
    const auto& summary = *figure.summary;
    if (kind.counter) {
        object["total"] = figure.total();
        object["rate_mean"] = summary.mean;
        object["rate_peak"] = summary.peak;
    } else {
        object["first"] = summary.first;
        object["last"] = summary.last;
        object["mean"] = summary.mean;
        object["peak"] = summary.peak;
    }
    object["samples"] = summary.samples;
    object["series"] = series_json(figure, points_max);
    return object;
}

json figures_json(const std::vector<ResourceFigure>& figures, std::size_t points_max) {
    json object = json::object();
    for (const auto& figure : figures)
        object[std::string(kind_of(figure.metric).name)] = figure_json(figure, points_max);
    return object;
}

json limit_json(const CgroupLimit& limit) {
    if (limit.value) return {{"value", *limit.value}};
    if (limit.unlimited) return {{"unlimited", true}};
    return {{"absent", limit.why_absent}};
}

json process_json(const ProcessResources& process, std::size_t points_max) {
    return {
        {"pid", process.pid},
        {"role", process.role},
        {"command", process.command},
        {"ended", process.ended ? json(json_seconds(*process.ended)) : json(nullptr)},
        {"counters_user_only", process.counters_user_only},
        {"no_cgroup", process.why_no_cgroup.empty() ? json(nullptr) : json(process.why_no_cgroup)},
        {"figures", figures_json(process.figures, points_max)}};
}

json cgroup_json(const CgroupResources& cgroup, std::size_t points_max) {
    return {{"name", cgroup.name},
            {"version", cgroup.version},
            {"pids", cgroup.pids},
            {"limits",
             {{"memory_max", limit_json(cgroup.limits.memory_max_bytes)},
              {"memory_high", limit_json(cgroup.limits.memory_high_bytes)},
              {"cpu_max", limit_json(cgroup.limits.cpu_max_cores)},
              {"pids_max", limit_json(cgroup.limits.pids_max)}}},
            {"figures", figures_json(cgroup.figures, points_max)}};
}

}  // namespace

json resources_json(const ResourceReport& report, std::size_t points_max) {
    const auto& sampler = report.sampler;
    json processes = json::array(), cgroups = json::array();
    for (const auto& process : report.processes)
        processes.push_back(process_json(process, points_max));
    for (const auto& cgroup : report.cgroups) cgroups.push_back(cgroup_json(cgroup, points_max));
    return {{"wall", json_seconds(report.wall)},
            {"interval", json_seconds(report.interval)},
            {"sampler",
             {{"cpu", json_seconds(sampler.cpu)},
              {"wall", json_seconds(sampler.wall)},
              {"samples", sampler.samples},
              {"costly_samples", sampler.costly_samples},
              {"costly_cpu", json_seconds(sampler.costly_cpu)},
              {"series_bytes", sampler.series_bytes}}},
            {"processes", std::move(processes)},
            {"machine", figures_json(report.machine, points_max)},
            {"cgroups", std::move(cgroups)}};
}

}  // namespace crucible::lab
