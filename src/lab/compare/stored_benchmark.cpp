#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "lab/compare/stored_kinds.h"

namespace crucible::lab {
namespace {

using nlohmann::json;

struct Measure {
    std::string_view name;
    std::string_view unit;
    Better better;
};

constexpr std::array<Measure, 4> kMeasures{{
    {"real_time", "s", Better::lower},
    {"cpu_time", "s", Better::lower},
    {"items_per_second", "items/s", Better::higher},
    {"bytes_per_second", "bytes/s", Better::higher},
}};

bool flag(const json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->get<bool>();
}

std::string text(const json& object, const char* name) {
    const auto found = object.find(name);
    return found == object.end() ? std::string() : found->get<std::string>();
}

/// Rows of one benchmark, in the order of the file.
struct Benchmark {
    std::string name;
    std::vector<const json*> repetitions;
    const json* mean = nullptr;  ///< its row of the mean, else of the median
};

Benchmark& benchmark_of(const json& row, std::vector<Benchmark>& benchmarks) {
    auto name = text(row, "run_name");
    if (name.empty()) name = row.at("name").get<std::string>();
    const auto found = std::ranges::find(benchmarks, name, &Benchmark::name);
    if (found != benchmarks.end()) return *found;
    return benchmarks.emplace_back(Benchmark{.name = std::move(name)});
}

void add_row(const json& row, std::vector<Benchmark>& benchmarks, StoredFile& file) {
    auto& benchmark = benchmark_of(row, benchmarks);
    if (flag(row, "error_occurred")) {
        file.flaws.push_back(fmt::format("{}: {}", benchmark.name, text(row, "error_message")));
    } else if (flag(row, "skipped")) {
        file.flaws.push_back(
            fmt::format("{}: skipped: {}", benchmark.name, text(row, "skip_message")));
    } else if (text(row, "run_type") != "aggregate") {
        benchmark.repetitions.push_back(&row);
    } else if (const auto aggregate = text(row, "aggregate_name");
               aggregate == "mean" || (aggregate == "median" && !benchmark.mean)) {
        benchmark.mean = &row;
    }
}

/// What a time of this row is multiplied by to be in seconds.
Result<double> seconds_of_unit(const json& row) {
    const auto unit = text(row, "time_unit");
    if (unit == "ns" || unit.empty()) return 1e-9;
    if (unit == "us") return 1e-6;
    if (unit == "ms") return 1e-3;
    if (unit == "s") return 1;
    return corrupt(fmt::format("time_unit '{}' is none of ns, us, ms and s", unit));
}

Result<StoredMetric> read_metric(const Measure& measure, const Benchmark& benchmark) {
    StoredMetric metric{.name = std::string(measure.name),
                        .unit = std::string(measure.unit),
                        .better = measure.better};
    for (const auto* row : benchmark.repetitions) {
        const auto found = row->find(measure.name);
        if (found == row->end()) {
            ++metric.missing;
            continue;
        }
        const auto value =
            stored_value(*found, fmt::format("{}: {}", benchmark.name, measure.name));
        if (!value) return std::unexpected(value.error());
        const auto scale = measure.unit == "s" ? seconds_of_unit(*row) : Result<double>(1);
        if (!scale) return corrupt(fmt::format("{}: {}", benchmark.name, scale.error().message));
        metric.values.push_back(*value * *scale);
    }
    return metric;
}

Result<StoredScenario> read_benchmark(Benchmark benchmark) {
    if (benchmark.repetitions.empty() && benchmark.mean)
        benchmark.repetitions.push_back(benchmark.mean);
    StoredScenario scenario{.name = benchmark.name};
    scenario.repetitions = static_cast<std::uint32_t>(benchmark.repetitions.size());
    for (const auto& measure : kMeasures) {
        auto metric = read_metric(measure, benchmark);
        if (!metric) return std::unexpected(metric.error());
        // Only real and CPU time are always there; of the rates only those that it counts.
        if (measure.unit == "s" || !metric->values.empty())
            scenario.metrics.push_back(*std::move(metric));
    }
    return scenario;
}

void read_context(const json& context, StoredFile& file) {
    file.measured = text(context, "date");
    file.version = text(context, "library_version");
    for (const auto* name : {"host_name", "num_cpus"}) {
        const auto found = context.find(name);
        if (found == context.end()) continue;
        file.machine.emplace_back(name,
                                  found->is_number() ? found->dump() : found->get<std::string>());
    }
    const auto build = text(context, "library_build_type");
    if (build.empty()) file.warnings.emplace_back("it does not say how its library was built");
    if (build == "debug") file.warnings.emplace_back("the library was built for debugging");
    if (flag(context, "cpu_scaling_enabled"))
        file.warnings.emplace_back("CPU scaling was enabled, so that times vary");
}

}  // namespace

Result<StoredContent> read_google_benchmark(const json& object) {
    StoredContent content;
    read_context(object.value("context", json::object()), content.file);
    std::vector<Benchmark> benchmarks;
    for (const auto& row : object.at("benchmarks")) add_row(row, benchmarks, content.file);
    for (auto& benchmark : benchmarks) {
        auto scenario = read_benchmark(std::move(benchmark));
        if (!scenario) return std::unexpected(scenario.error());
        content.scenarios.push_back(*std::move(scenario));
    }
    if (content.scenarios.empty()) return corrupt("no benchmark was run");
    return content;
}

}  // namespace crucible::lab
