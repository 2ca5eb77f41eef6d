#include <nlohmann/json.hpp>

#include "lab/report/document_parts.h"

namespace crucible::lab::report {
namespace {

using nlohmann::json;

InputFile read_file(const json& object) {
    InputFile file{.path = text_at(object, "path"),
                   .version = optional_text(object, "version"),
                   .target = optional_text(object, "target"),
                   .measured = optional_text(object, "measured"),
                   .machine = {}};
    for (const auto& fact : object.at("machine"))
        file.machine.emplace_back(text_at(fact, "name"), text_at(fact, "value"));
    return file;
}

Input read_input(const json& object, const char* side) {
    const auto& input = object.at("inputs").at(side);
    return {.path = text_at(object, side),
            .kind = text_at(input, "kind"),
            .files = list_of<InputFile>(input.at("files"), read_file)};
}

ObservedMetric read_metric(const json& object) {
    const auto& unpaired = object.at("unpaired");
    const auto& values = unpaired.at("values");
    return {.compared = read_compared_metric(object),
            .baseline_count = values.at("baseline").size(),
            .candidate_count = values.at("candidate").size(),
            .cliffs_delta = optional_estimate(unpaired, "cliffs_delta"),
            .p_rank_sum = optional_number(unpaired, "p_rank_sum"),
            .p_welch = optional_number(unpaired, "p_welch")};
}

std::optional<Delivery> optional_delivery(const json& object) {
    if (object.is_null()) return std::nullopt;
    return read_delivery(object);
}

ObservedScenario read_scenario(const json& object) {
    const auto& load = object.at("load");
    const auto& repetitions = object.at("repetitions");
    return {.name = text_at(object, "name"),
            .description = text_at(object, "description"),
            .baseline_repetitions = repetitions.at("baseline"),
            .candidate_repetitions = repetitions.at("candidate"),
            .load = load.is_null() ? std::optional<Load>() : read_load(load),
            .baseline_delivery = optional_delivery(object.at("delivery").at("baseline")),
            .candidate_delivery = optional_delivery(object.at("delivery").at("candidate")),
            .metrics = list_of<ObservedMetric>(object.at("metrics"), read_metric)};
}

}  // namespace

ObservationDocument read_observation(const json& object) {
    return {.header = read_header(object),
            .baseline = read_input(object, "baseline"),
            .candidate = read_input(object, "candidate"),
            .method = read_method(object.at("method")),
            .reasons = texts(object.at("reasons")),
            .checks = list_of<Check>(object.at("checks"), read_check),
            .scenarios = list_of<ObservedScenario>(object.at("scenarios"), read_scenario)};
}

}  // namespace crucible::lab::report
