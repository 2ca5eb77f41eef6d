#pragma once

#include <nlohmann/json_fwd.hpp>
#include <stdexcept>
#include <string>
#include <utility>

#include "crucible/error.h"
#include "crucible/time.h"
#include "lab/run/trial.h"

/// What a phase is and what was measured in it as JSON that loses nothing: between processes and
/// between an interrupted comparison and its continuation. The readers throw
/// nlohmann::json::exception or std::invalid_argument at anything that is not what the writers
/// wrote.
namespace crucible::lab::wire {

/// A value that a checked parser refuses is as corrupt as a missing one.
template <typename T>
T must(Result<T> value) {
    if (!value) throw std::invalid_argument(value.error().message);
    return *std::move(value);
}

Duration duration_at(const nlohmann::json& object, const char* name);

nlohmann::json phase_json(const Phase& phase);
Phase phase_from(const nlohmann::json& object);

nlohmann::json client_phase_json(const ClientPhase& phase);
ClientPhase client_phase_from(const nlohmann::json& object);

nlohmann::json phase_result_json(const PhaseResult& phase);
PhaseResult phase_result_from(const nlohmann::json& object);

/// Of the name that to_string(Errc) gives; Errc::failed for any other.
Errc code_from(const std::string& name);

}  // namespace crucible::lab::wire
