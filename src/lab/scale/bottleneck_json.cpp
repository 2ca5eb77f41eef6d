#include "lab/scale/bottleneck_json.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "lab/compare/json_parts.h"

namespace crucible::lab::scale {
namespace {

using nlohmann::json;

double to_seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

json figures_json(const std::vector<BottleneckFigure>& figures) {
    json all = json::array();
    for (const auto& figure : figures) {
        all.push_back({{"name", figure.name},
                       {"what", figure.what},
                       {"unit", figure.unit},
                       {"observed", number(figure.observed)},
                       {"threshold", figure.threshold},
                       {"direction", figure.at_least ? "at_least" : "below"},
                       {"met", figure.met}});
    }
    return all;
}

json by_activity_json(const ByActivity& values) {
    json all = json::object();
    for (std::size_t i = 0; i < kActivityCount; ++i)
        all[std::string(to_string(static_cast<Activity>(i)))] = values[i];
    return all;
}

json side_json(const SideActivity& side) {
    return {{"threads", side.threads},
            {"samples", side.samples},
            {"mean_threads", by_activity_json(side.mean)},
            {"present", by_activity_json(side.present)},
            {"cpu_cores", side.cpu_cores},
            {"run_queue_delay_threads", side.delay_threads},
            {"busiest_cpu", side.busiest_cpu},
            {"busiest_ready", side.busiest_ready},
            {"busiest_thread", side.busiest_thread}};
}

json threads_json(const std::vector<ThreadActivity>& threads) {
    json all = json::array();
    for (const auto& thread : threads) {
        json seen = json::object();
        for (std::size_t i = 0; i < kActivityCount; ++i)
            if (thread.seen[i] > 0)
                seen[std::string(to_string(static_cast<Activity>(i)))] = thread.seen[i];
        all.push_back({{"process", thread.process},
                       {"thread", thread.thread},
                       {"name", thread.name},
                       {"side", thread.side == ActivitySide::system ? "system" : "injector"},
                       {"samples", thread.samples},
                       {"seen", std::move(seen)},
                       {"cpu_seconds", to_seconds(thread.cpu)},
                       {"run_queue_delay_seconds", to_seconds(thread.run_queue_delay)}});
    }
    return all;
}

json or_reason(const std::string& reason) {
    return reason.empty() ? json(nullptr) : json(reason);
}

}  // namespace

json bottleneck_json(const BottleneckJudgement& judgement) {
    json excluded = json::array();
    for (const auto& rule : judgement.excluded) {
        excluded.push_back({{"verdict", to_string(rule.verdict)},
                            {"holds", rule.holds},
                            {"why", rule.why},
                            {"figures", figures_json(rule.figures)}});
    }
    return {{"verdict", to_string(judgement.verdict)},
            {"confidence", to_string(judgement.confidence)},
            {"why_confidence", judgement.why_confidence},
            {"reason", judgement.reason},
            {"evidence", figures_json(judgement.evidence)},
            {"excluded", std::move(excluded)},
            {"intervention", or_reason(judgement.intervention)}};
}

json activity_json(const ActivityReport& report) {
    return {{"wall_seconds", to_seconds(report.wall)},
            {"interval_seconds", to_seconds(report.interval)},
            {"samples", report.samples},
            {"samples_missed", report.missed},
            {"samples_left_out", report.left_out},
            {"cores", report.cores},
            {"neighbour_cores", number(report.neighbour_cores)},
            {"injector_on_cores", number(report.injector_on_cores)},
            {"system", side_json(report.system())},
            {"injector", side_json(report.injector())},
            {"threads", threads_json(report.threads)},
            {"why_blind", or_reason(report.why_blind)},
            {"other_cores", number(report.surroundings.other_cores)},
            {"stolen_cores", number(report.surroundings.stolen_cores)},
            {"pressure_cpu", number(report.pressure_cpu)},
            {"pressure_memory", number(report.pressure_memory)},
            {"pressure_io", number(report.pressure_io)},
            {"quota_cores", number(report.quota_cores)},
            {"throttled_cores", number(report.throttled_cores)},
            {"memory_limit_bytes", number(report.memory_limit_bytes)},
            {"memory_used_bytes", number(report.memory_used_bytes)},
            {"memory_limit_hits_per_second", number(report.memory_limit_hits)},
            {"minor_faults_per_second", report.minor_faults},
            {"major_faults_per_second", report.major_faults},
            {"kernel_share", number(report.kernel_share)},
            {"fault_cost_seconds", to_seconds(report.fault_cost)},
            {"storage_read_bytes_per_second", number(report.storage_read_bytes)},
            {"storage_written_bytes_per_second", number(report.storage_written_bytes)},
            {"voluntary_switches_per_second", report.voluntary_switches},
            {"involuntary_switches_per_second", report.involuntary_switches},
            {"file_lock_held", number(report.file_lock_held)},
            {"instructions_per_cycle", number(report.instructions_per_cycle)},
            {"cache_misses_per_kilo_instruction", number(report.cache_misses_per_kilo_instruction)},
            {"why_no_counters", or_reason(report.why_no_counters)},
            {"cost",
             {{"cpu_seconds", to_seconds(report.cost.cpu)},
              {"cpu_seconds_per_sample", to_seconds(report.cost.cpu_per_sample)},
              {"core_share", report.cost.core_share},
              {"machine_share", report.cost.machine_share},
              {"memory_bytes", report.cost.memory_bytes}}}};
}

json limits_json(std::span<const LimitForecast> forecasts) {
    json all = json::array();
    for (const auto& forecast : forecasts) {
        const auto& use = forecast.at_breaking_point;
        all.push_back({{"name", use.name},
                       {"kind", use.kind},
                       {"whose", use.whose},
                       {"unit", use.unit},
                       {"used", number(use.used)},
                       {"limit", number(use.limit)},
                       {"share", number(use.share())},
                       {"why_absent", or_reason(use.why_absent)},
                       {"binds_at", number(forecast.binds_at)},
                       {"ci_low", forecast.binds_at ? json(forecast.ci_low) : json(nullptr)},
                       {"ci_high", number(forecast.ci_high)},
                       {"refused", or_reason(forecast.refused)}});
    }
    return all;
}

}  // namespace crucible::lab::scale
