#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "crucible/error.h"
#include "lab/experiment/experiment.h"
#include "lab/target/system.h"

namespace crucible::lab::scale {

/// What a sweep or a search changes from trial to trial; everything else stays as the scenario has
/// it.
enum class Axis : std::uint8_t {
    rate,      ///< events/s of all clients together, open loop
    clients,   ///< client processes
    services,  ///< service instances
    payload,   ///< bytes of each event's payload
    workers,   ///< threads that run services, in each process that has some
};
std::string_view to_string(Axis axis) noexcept;
/// "events/s", "clients", "services", "bytes", "workers".
std::string_view unit_of(Axis axis) noexcept;
/// A load for people: "5,000/s", "1 client", "4.00 KiB".
std::string format_load(Axis axis, double load);

/// - Errc::invalid_argument: no axis; the message has those there are.
Result<Axis> parse_axis(std::string_view text);

/// One load on the axis: "500/s", "4" or "4KiB". - Errc::invalid_argument: one line for the user.
Result<double> parse_load(Axis axis, std::string_view text);

/// The axes that `target` has: rate, clients and payload are the load's; services and workers are
/// options of some systems.
std::vector<Axis> axes_of(const TargetUrl& target);

/// - Errc::invalid_argument: the target lacks the axis (the message says which it has), or its URL
///   says itself what the axis would change.
Result<> check_axis(const TargetUrl& target, Axis axis);

/// What a trial at one load is run with.
struct AxisTrial {
    TargetUrl target;
    SystemOptions system;
    Plan plan;
};

/// `scenario` at `load`, for a target that has the axis. Its phase keeps its length.
AxisTrial at_load(const TargetUrl& target, const Scenario& scenario, Axis axis, double load);

}  // namespace crucible::lab::scale
