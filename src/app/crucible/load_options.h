#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/realtime.h"
#include "crucible/error.h"
#include "lab/experiment/experiment.h"
#include "lab/target/system.h"

namespace CLI {
class App;
}

namespace crucible::app {

/// The options that compare and run share, as the user wrote them; empty or absent where not given.
struct LoadOptions {
    std::vector<std::string> scenarios;
    std::string rate;
    std::string pattern;
    std::string duration;
    std::string warmup;
    std::string events;
    std::string arrivals;
    std::string clients;
    std::string services;
    std::string payload;
    std::string mix;
    std::string accounts;
    std::string faults;
    std::string window;
    std::string think;
    std::string client_cpus;
    std::string system_cpus;
    std::string pacing;
    std::string work;
    std::string durability;
    std::string rounds;
    std::string seed;
    std::string out;
    bool realtime = false;
    bool json = false;
    bool quiet = false;
};

/// The argument of a command that takes one system or several: `which`, for its help. More than
/// `most` would be unknown words to the parser; with -1 it takes any number, for the command to
/// judge.
void add_targets(CLI::App& command, std::vector<std::string>& targets, std::string_view which,
                 int most);

void add_load_options(CLI::App& command, LoadOptions& options);

/// With --realtime the hold on the processors, to be kept as long as anything is measured; else
/// nothing. - the errors of base::KeptAwake::begin() and base::set_realtime_priority(); the message
/// begins with the option.
Result<std::optional<base::KeptAwake>> begin_realtime(const LoadOptions& options);

/// Parses a whole number in [1, most]. - Errc::invalid_argument: "--<option> '<text>': a whole
/// number from 1 to …".
Result<std::uint64_t> parse_count(std::string_view option, std::string_view text,
                                  std::uint64_t most);

/// How a command differs in what its defaults are.
struct LoadDefaults {
    bool capacity_phase = true;  ///< drive the closed-loop phase too when no --rate is given
    std::optional<Duration> steady_duration = {};  ///< instead of the scenario's
    std::uint32_t rounds = 10;
};

/// The scenarios to drive, with everything the command line overrides.
/// - Errc::invalid_argument, Errc::not_found: one line for the user.
Result<std::vector<lab::Scenario>> resolve_scenarios(const LoadOptions& options,
                                                     const LoadDefaults& defaults,
                                                     std::uint64_t seed);

/// Parses a target and adds --work and --durability where its scheme has them and its URL does not
/// say; results name it with them.
Result<lab::TargetUrl> resolve_target(const std::string& text, const LoadOptions& options);

/// Takes the number of clients from the targets' URLs, where they give one, into the scenarios: the
/// harness's own cost is measured with as many.
/// - Errc::invalid_argument: the targets give different numbers. Who sends what depends on it, so
///   they would not be offered the same events.
Result<> apply_client_option(const std::vector<const lab::TargetUrl*>& targets,
                             std::vector<lab::Scenario>& scenarios);

/// Whether the options fit the targets together.
/// - Errc::invalid_argument: --faults for a target that cannot refuse events, --system-cpus
///   without a private daemon.
Result<> check_targets(std::initializer_list<const lab::TargetUrl*> targets,
                       const std::vector<lab::Scenario>& scenarios);

/// --seed, or 1: the same command drives the same events.
Result<std::uint64_t> resolve_seed(const LoadOptions& options);

Result<std::uint32_t> resolve_rounds(const LoadOptions& options, std::uint32_t fallback);

}  // namespace crucible::app
