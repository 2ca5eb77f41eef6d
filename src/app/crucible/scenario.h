#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/units.h"
#include "crucible/error.h"
#include "crucible/time.h"
#include "lab/experiment/experiment.h"
#include "lab/pace/schedule.h"
#include "lab/workload/workload.h"

namespace crucible::app {

/// What a scenario file says (docs/formats/scenario.md).
struct ScenarioFile {
    struct Steady {
        base::Rate rate = *base::Rate::per_second(1000);
        lab::Arrivals arrivals = lab::Arrivals::constant();
        Duration duration = std::chrono::seconds(2);
        Duration warmup = std::chrono::milliseconds(500);
    };
    struct Shaped {
        std::optional<lab::Pattern> pattern;  ///< always there in a file that was read
        lab::Arrivals arrivals = lab::Arrivals::constant();
        Duration warmup = std::chrono::milliseconds(500);
    };
    struct Maximum {
        std::uint32_t window = 16;
        Duration think{};
        Duration duration = std::chrono::seconds(1);
        Duration warmup = std::chrono::milliseconds(300);
    };
    std::string name;
    std::string description;
    std::uint64_t events = 1000;  ///< one pass
    lab::PayloadSizes payload = lab::PayloadSizes::fixed(1024);
    lab::Mix mix = lab::Mix::production();
    lab::Popularity accounts = lab::Popularity::standard();
    lab::Faults faults;
    std::uint32_t services = 6;
    std::uint32_t clients = 4;
    std::optional<Steady> steady;  ///< at most one of steady and shaped
    std::optional<Shaped> shaped;
    std::optional<Maximum> maximum;
    std::vector<lab::Expectation> expectations;
};

/// Reads a scenario. `place` names the text in errors.
/// - Errc::invalid_argument: `place:line:column: what is wrong and what is allowed`.
Result<ScenarioFile> parse_scenario(std::string_view text, const std::string& place);

/// A shipped scenario by its name, else a file by its path.
/// - Errc::not_found: neither; the message lists the shipped ones. - the errors of
/// parse_scenario().
Result<ScenarioFile> load_scenario(const std::string& name_or_path);

/// "+10%..+30%": a change between two ends, in either order. - Errc::invalid_argument: the message
/// has the text and the form allowed.
Result<std::pair<double, double>> parse_change(std::string_view text);

/// Names of the shipped scenarios.
std::vector<std::string_view> shipped_scenarios();

/// Events of a trial: whole passes that last at least `duration` at `rate`.
std::uint64_t events_of_whole_passes(std::uint64_t events_per_pass, base::Rate rate,
                                     Duration duration);

}  // namespace crucible::app
