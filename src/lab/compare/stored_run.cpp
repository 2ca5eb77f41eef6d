#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "lab/compare/comparison.h"
#include "lab/compare/json_parts.h"
#include "lab/compare/stored_kinds.h"
#include "lab/run/checks.h"

namespace crucible::lab {
namespace {

using nlohmann::json;

/// Where `value` is not made as `model` is, in one line: a member is missing or of another type.
/// Whoever reads on may then take each member for what the writer makes of it. Lists are not looked
/// into, further members do not count.
std::optional<std::string> shape_error(const json& model, const json& value) {
    if (!value.is_object()) return "not an object";
    for (const auto& [name, member] : model.items()) {
        const auto found = value.find(name);
        if (found == value.end()) return fmt::format("no member '{}'", name);
        const bool fits = member.is_number_float() ? found->is_number()
                          : member.is_number()     ? found->is_number_unsigned()
                                                   : member.type() == found->type();
        if (!fits)
            return fmt::format("'{}' must be {}, is {}", name, member.type_name(),
                               found->type_name());
    }
    return std::nullopt;
}

/// A load that has one phase of each kind.
json model_load() {
    Scenario scenario;
    scenario.plan.phases = {steady_phase(*base::Rate::per_second(1), 1),
                            maximum_phase(std::chrono::seconds(1))};
    return load_json(scenario);
}

std::optional<std::string> load_error(const json& load) {
    const auto model = model_load();
    if (auto error = shape_error(model, load)) return error;
    for (const auto& phase : load["phases"]) {
        const bool closed = phase.is_object() && phase.value("loop", json()) == "closed";
        if (auto error = shape_error(model["phases"][closed ? 1 : 0], phase))
            return "phases: " + *error;
    }
    return std::nullopt;
}

Delivery read_delivery(const json& object) {
    Delivery delivery{.planned = object.at("planned"),
                      .sent = object.at("sent"),
                      .handled = object.at("handled"),
                      .rejected = object.at("rejected"),
                      .lost = object.at("lost"),
                      .duplicated = object.at("duplicated"),
                      .reordered = {}};
    // Of which priority the file does not say.
    delivery.reordered.front() = object.at("reordered");
    return delivery;
}

/// Values of the trials that count, one object each. A file from before `trial_values` has only
/// what its trials come to together: one value.
Result<std::vector<json>> counted_trials(const json& scenario, bool whole) {
    std::vector<json> trials;
    const auto listed = scenario.find("trial_values");
    if (listed != scenario.end()) {
        if (!listed->is_array()) return corrupt("trial_values: must be an array");
        for (const auto& trial : *listed) {
            if (!trial.at("valid").get<bool>()) continue;
            if (!trial.at("values").is_object()) return corrupt("trial_values: no 'values'");
            trials.push_back(trial["values"]);
        }
        return trials;
    }
    const bool valid = whole && std::ranges::none_of(scenario.at("checks"), [](const json& check) {
                           return !check.at("passed").get<bool>() &&
                                  invalidates(check.at("name").get<std::string>());
                       });
    if (!valid) return trials;
    auto& values = trials.emplace_back(json::object());
    for (const auto& metric : scenario.at("metrics")) {
        if (metric.at("value").is_null()) continue;
        values[metric.at("name").get<std::string>()] = metric["value"];
    }
    return trials;
}

Result<StoredMetric> read_metric(const MetricInfo& info, const std::string& scenario,
                                 const json& listed, const std::vector<json>& trials) {
    StoredMetric metric{.name = std::string(info.name),
                        .unit = std::string(info.unit),
                        .better = info.better,
                        .gated = info.gated};
    for (const auto& entry : listed) {
        if (entry.at("name") != info.name) continue;
        const auto& phase = entry.at("phase");
        if (!phase.is_null()) metric.phase = phase.get<std::string>();
        metric.missing_reason = entry.at("absent").get<std::string>();
    }
    if (trials.empty()) metric.missing_reason = "no valid trial";
    for (const auto& trial : trials) {
        const auto found = trial.find(info.name);
        if (found == trial.end()) {
            ++metric.missing;
            continue;
        }
        const auto value = stored_value(*found, fmt::format("{}: {}", scenario, info.name));
        if (!value) return std::unexpected(value.error());
        metric.values.push_back(*value);
    }
    return metric;
}

/// Each check that failed once, with how often and the first detail.
std::vector<std::string> failed_checks(const json& checks) {
    struct Failed {
        std::string name;
        std::string detail;
        std::size_t count = 0;
    };
    std::vector<Failed> failed;
    for (const auto& check : checks) {
        if (check.at("passed").get<bool>()) continue;
        const auto name = check.at("name").get<std::string>();
        auto known = std::ranges::find(failed, name, &Failed::name);
        if (known == failed.end()) {
            failed.push_back({.name = name, .detail = check.at("detail")});
            known = std::prev(failed.end());
        }
        ++known->count;
    }
    std::vector<std::string> texts;
    for (const auto& [name, detail, count] : failed) {
        texts.push_back(count == 1 ? fmt::format("{} failed: {}", name, detail)
                                   : fmt::format("{} failed {} times: {}", name, count, detail));
    }
    return texts;
}

Result<StoredScenario> read_scenario(const json& object, bool whole,
                                     std::vector<std::string>& flaws) {
    StoredScenario scenario{.name = object.at("name"), .description = object.at("description")};
    if (const auto error = load_error(object.at("load")))
        return corrupt(fmt::format("{}: load: {}", scenario.name, *error));
    if (const auto error = shape_error(delivery_json({}), object.at("delivery")))
        return corrupt(fmt::format("{}: delivery: {}", scenario.name, *error));
    scenario.load = object["load"].dump();
    scenario.delivery = read_delivery(object["delivery"]);
    const auto trials = counted_trials(object, whole);
    if (!trials) return corrupt(fmt::format("{}: {}", scenario.name, trials.error().message));
    scenario.repetitions = static_cast<std::uint32_t>(trials->size());
    for (const auto& info : known_metrics()) {
        auto metric = read_metric(info, scenario.name, object.at("metrics"), *trials);
        if (!metric) return std::unexpected(metric.error());
        scenario.metrics.push_back(*std::move(metric));
    }
    for (auto& flaw : failed_checks(object.at("checks")))
        flaws.push_back(scenario.name + ": " + std::move(flaw));
    return scenario;
}

}  // namespace

Result<StoredContent> read_run(const json& object) {
    StoredContent content;
    auto& file = content.file;
    const auto& crucible = object.at("crucible");
    file.version = fmt::format("{} ({})", crucible.at("version").get<std::string>(),
                               crucible.at("commit").get<std::string>());
    file.target = object.at("target");
    file.measured = object.at("started");
    const auto& environment = object.at("environment");
    for (const auto* name : {"cpu", "cores", "memory_bytes", "kernel"}) {
        const auto& fact = environment.at(name);
        if (!fact.is_string() && !fact.is_number_unsigned())
            return corrupt(fmt::format("environment: '{}' is {}", name, fact.type_name()));
        file.machine.emplace_back(name, fact.is_string() ? fact.get<std::string>() : fact.dump());
    }
    const bool interrupted = object.at("interrupted");
    const auto& failure = object.at("failure");
    if (interrupted) file.flaws.emplace_back("interrupted");
    if (!failure.is_null())
        file.flaws.push_back("a target failed: " + failure.at("message").get<std::string>());
    for (const auto& each : object.at("scenarios")) {
        auto scenario = read_scenario(each, !interrupted && failure.is_null(), file.flaws);
        if (!scenario) return std::unexpected(scenario.error());
        const auto known =
            std::ranges::find(content.scenarios, scenario->name, &StoredScenario::name);
        if (known != content.scenarios.end())
            return corrupt(fmt::format("scenario '{}' is there twice", scenario->name));
        content.scenarios.push_back(*std::move(scenario));
    }
    if (content.scenarios.empty()) return corrupt("no scenario was measured");
    return content;
}

}  // namespace crucible::lab
