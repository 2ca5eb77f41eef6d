#include "app/crucible/load_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <thread>

#include "app/crucible/pattern_file.h"
#include "app/crucible/scenario.h"
#include "base/units.h"
#include "runtime/service/service_set.h"

namespace crucible::app {
namespace {

constexpr Duration kDurationMax = std::chrono::hours(24);
/// Targets that know nothing of what is in an event.
constexpr std::array<std::string_view, 6> kTakeAll{"null",  "synthetic", "http",
                                                   "https", "nats",      "redis"};

std::unexpected<Error> bad(std::string message) {
    return std::unexpected(Error{Errc::invalid_argument, std::move(message)});
}

template <typename T>
std::unexpected<Error> bad_option(std::string_view option, const Result<T>& result) {
    return bad(fmt::format("{}: {}", option, result.error().message));
}

Result<lab::Pacing> parse_pacing(std::string_view text) {
    if (text == "precise") return lab::Pacing::precise;
    if (text == "coalesced") return lab::Pacing::coalesced;
    return bad(fmt::format("'{}': precise or coalesced", text));
}

Result<Duration> parse_length(std::string_view option, std::string_view text, bool zero_allowed) {
    const auto duration = base::parse_duration(text);
    if (!duration) return bad_option(option, duration);
    if (*duration > kDurationMax) return bad(fmt::format("{} '{}': at most 24h", option, text));
    if (*duration == Duration::zero() && !zero_allowed)
        return bad(fmt::format("{} '{}': must be above 0", option, text));
    return duration;
}

/// Puts the command line's values over the scenario's own.
Result<> apply_sizes(const LoadOptions& options, ScenarioFile& file) {
    if (!options.clients.empty()) {
        const auto clients = parse_count("--clients", options.clients, 999);
        if (!clients) return std::unexpected(clients.error());
        file.clients = static_cast<std::uint32_t>(*clients);
    }
    if (!options.services.empty()) {
        const auto services = parse_count("--services", options.services, 1000);
        if (!services) return std::unexpected(services.error());
        file.services = static_cast<std::uint32_t>(*services);
    }
    return {};
}

/// Reads one option with its parser into `value`; leaves it as it is where the option is not given.
template <typename T, typename Parse>
Result<> apply(std::string_view option, const std::string& text, Parse parse, T& value) {
    if (text.empty()) return {};
    auto parsed = parse(text);
    if (!parsed) return bad_option(option, parsed);
    value = *std::move(parsed);
    return {};
}

Result<> apply_content(const LoadOptions& options, ScenarioFile& file) {
    if (auto ok = apply("--payload", options.payload, lab::PayloadSizes::parse, file.payload); !ok)
        return ok;
    if (auto ok = apply("--mix", options.mix, lab::Mix::parse, file.mix); !ok) return ok;
    if (auto ok = apply("--accounts", options.accounts, lab::Popularity::parse, file.accounts); !ok)
        return ok;
    return apply("--faults", options.faults, lab::Faults::parse, file.faults);
}

template <typename Section>
Result<> apply_arrivals(const LoadOptions& options, Section& section) {
    if (options.arrivals.empty()) return {};
    const auto arrivals = lab::parse_arrivals(options.arrivals);
    if (!arrivals) return bad_option("--arrivals", arrivals);
    section.arrivals = *arrivals;
    return {};
}

template <typename Section>
Result<> apply_warmup(const LoadOptions& options, Section& section) {
    if (options.warmup.empty()) return {};
    const auto warmup = parse_length("--warmup", options.warmup, true);
    if (!warmup) return std::unexpected(warmup.error());
    section.warmup = *warmup;
    return {};
}

template <typename Section>
Result<> apply_duration(const LoadOptions& options, const LoadDefaults& defaults,
                        Section& section) {
    if (defaults.steady_duration) section.duration = *defaults.steady_duration;
    if (options.duration.empty()) return {};
    const auto duration = parse_length("--duration", options.duration, false);
    if (!duration) return std::unexpected(duration.error());
    section.duration = *duration;
    return {};
}

/// Which phases: --rate max only the closed loop, --rate N/s or --pattern only the open loop,
/// neither: what the scenario has.
Result<> choose_phases(const LoadOptions& options, const LoadDefaults& defaults,
                       ScenarioFile& file) {
    if (!options.pattern.empty()) {
        for (const auto& [name, value] :
             {std::pair{"--rate", options.rate}, std::pair{"--duration", options.duration},
              std::pair{"--events", options.events}}) {
            if (!value.empty())
                return bad(fmt::format("--pattern and {}: a pattern says it", name));
        }
        auto pattern = load_pattern(options.pattern);
        if (!pattern) return bad_option("--pattern", pattern);
        if (!file.shaped) file.shaped.emplace();
        file.shaped->pattern = *std::move(pattern);
        file.steady.reset();
        file.maximum.reset();
    } else if (options.rate == "max") {
        if (!file.maximum) file.maximum.emplace();
        file.steady.reset();
        file.shaped.reset();
    } else if (!options.rate.empty()) {
        if (!file.steady) file.steady.emplace();
        file.shaped.reset();
        file.maximum.reset();
    } else if (!defaults.capacity_phase && (file.steady || file.shaped)) {
        file.maximum.reset();
    }
    return {};
}

/// Puts the command line's values over those of the open loop.
Result<> apply_open_loop(const LoadOptions& options, const LoadDefaults& defaults,
                         ScenarioFile& file) {
    if (file.shaped) {
        if (!options.events.empty() || (!options.duration.empty() && !file.maximum)) {
            return bad(
                fmt::format("scenario '{}' has a pattern, which says its length: give "
                            "another --pattern",
                            file.name));
        }
        if (const auto applied = apply_arrivals(options, *file.shaped); !applied) return applied;
        return apply_warmup(options, *file.shaped);
    }
    if (!file.steady) {
        if (options.arrivals.empty() && options.events.empty()) return {};
        return bad("--arrivals and --events need an open loop: give a --rate in events per second");
    }
    if (!options.rate.empty()) {
        const auto rate = base::parse_rate(options.rate);
        if (!rate) return bad_option("--rate", rate);
        file.steady->rate = *rate;
    }
    if (const auto applied = apply_arrivals(options, *file.steady); !applied) return applied;
    if (const auto applied = apply_duration(options, defaults, *file.steady); !applied)
        return applied;
    return apply_warmup(options, *file.steady);
}

Result<> apply_closed_loop(const LoadOptions& options, const LoadDefaults& defaults,
                           ScenarioFile& file) {
    if (!file.maximum) {
        if (options.window.empty() && options.think.empty()) return {};
        return bad(fmt::format("{} needs the closed loop: give --rate max",
                               options.window.empty() ? "--think" : "--window"));
    }
    if (const auto applied = apply_duration(options, defaults, *file.maximum); !applied)
        return applied;
    if (const auto applied = apply_warmup(options, *file.maximum); !applied) return applied;
    if (!options.think.empty()) {
        const auto think = parse_length("--think", options.think, true);
        if (!think) return std::unexpected(think.error());
        file.maximum->think = *think;
    }
    if (!options.window.empty()) {
        const auto window = parse_count("--window", options.window, 65'536);
        if (!window) return std::unexpected(window.error());
        file.maximum->window = static_cast<std::uint32_t>(*window);
    }
    return {};
}

Result<lab::Phase> steady_phase(const LoadOptions& options, const ScenarioFile& file) {
    const auto& steady = *file.steady;
    std::uint64_t events = 0;
    if (!options.events.empty()) {
        const auto given = parse_count("--events", options.events, 4'000'000'000);
        if (!given) return std::unexpected(given.error());
        events = *given;
    } else if (!options.rate.empty() || !options.duration.empty()) {
        // Asked for in time: no rounding up to whole passes.
        events = events_of_whole_passes(1, steady.rate, steady.duration);
    } else {
        events = events_of_whole_passes(file.events, steady.rate, steady.duration);
    }
    auto phase = lab::steady_phase(steady.rate, events, steady.warmup);
    phase.arrivals = steady.arrivals;
    return phase;
}

Result<lab::Scenario> resolve(const std::string& name, const LoadOptions& options,
                              const LoadDefaults& defaults, std::uint64_t seed) {
    auto file = load_scenario(name);
    if (!file) return std::unexpected(file.error());
    for (const auto& step : {apply_sizes, apply_content}) {
        if (const auto applied = step(options, *file); !applied)
            return std::unexpected(applied.error());
    }
    for (const auto& step : {choose_phases, apply_open_loop, apply_closed_loop}) {
        if (const auto done = step(options, defaults, *file); !done)
            return std::unexpected(done.error());
    }
    lab::Scenario scenario{.name = file->name,
                           .description = file->description,
                           .events_per_pass = file->events,
                           .system = {},
                           .plan = {},
                           .expectations = file->expectations};
    scenario.system = {.clients = file->clients, .services = file->services, .seed = seed};
    scenario.plan.clients = file->clients;
    scenario.plan.workload.seed = seed;
    scenario.plan.workload.payload = file->payload;
    scenario.plan.workload.mix = file->mix;
    scenario.plan.workload.accounts = file->accounts;
    scenario.plan.workload.faults = file->faults;
    if (auto ok = apply("--pacing", options.pacing, parse_pacing, scenario.plan.pacing); !ok)
        return std::unexpected(ok.error());
    if (auto ok =
            apply("--client-cpus", options.client_cpus, base::CpuSet::parse, scenario.plan.cpus);
        !ok)
        return std::unexpected(ok.error());
    if (auto ok =
            apply("--system-cpus", options.system_cpus, base::CpuSet::parse, scenario.system.cpus);
        !ok)
        return std::unexpected(ok.error());
    scenario.plan.realtime = options.realtime;
    if (file->steady) {
        const auto phase = steady_phase(options, *file);
        if (!phase) return std::unexpected(phase.error());
        scenario.plan.phases.push_back(*phase);
    }
    if (file->shaped) {
        scenario.plan.phases.push_back({.name = pattern_name(*file->shaped->pattern),
                                        .pattern = file->shaped->pattern,
                                        .arrivals = file->shaped->arrivals,
                                        .warmup = file->shaped->warmup});
    }
    if (file->maximum) {
        auto phase = lab::maximum_phase(file->maximum->duration, file->maximum->warmup);
        phase.window = file->maximum->window;
        phase.think = file->maximum->think;
        scenario.plan.phases.push_back(std::move(phase));
    }
    return scenario;
}

}  // namespace

Result<std::optional<base::KeptAwake>> begin_realtime(const LoadOptions& options) {
    if (!options.realtime) return std::nullopt;
    const auto refused = [](const Error& error) {
        return std::unexpected(
            Error{error.code, fmt::format("--realtime: {}; needs root", error.message)});
    };
    auto awake = base::KeptAwake::begin();
    if (!awake) return refused(awake.error());
    // The clients may do what this process may: better to know before anything is started.
    Result<> permitted;
    std::jthread([&permitted] { permitted = base::set_realtime_priority(); }).join();
    if (!permitted) return refused(permitted.error());
    return *std::move(awake);
}

void add_targets(CLI::App& command, std::vector<std::string>& targets, std::string_view which,
                 int most) {
    command
        .add_option("targets", targets,
                    fmt::format("{}: target URLs (see crucible compare --help)", which))
        ->required()
        ->expected(1, most)
        ->type_name("URL");
}

void add_load_options(CLI::App& command, LoadOptions& options) {
    command
        .add_option(
            "--scenario", options.scenarios,
            "light, medium, heavy, stress, a pattern such as spike, or a TOML file; repeatable")
        ->type_name("NAME|FILE")
        ->take_all()
        ->expected(1)
        ->allow_extra_args(false);
    command
        .add_option("--rate", options.rate,
                    "events per second of all clients together (open loop), or 'max': as fast as "
                    "acknowledged")
        ->type_name("N/s|max");
    command.add_option("--duration", options.duration, "length of the measured load, e.g. 10s")
        ->type_name("TIME");
    command.add_option("--warmup", options.warmup, "load before it that is not measured")
        ->type_name("TIME");
    command.add_option("--events", options.events, "number of events instead of a duration")
        ->type_name("N");
    command
        .add_option("--pattern", options.pattern,
                    "how the rate moves (open loop): steady:RATE,TIME  burst:SIZE,EVERY,COUNT  "
                    "ramp:FROM,TO,TIME  spike:BASE,PEAK,PEAK_TIME,TIME  "
                    "step:FROM,TO,STEP,STEP_TIME  sine:MEAN,AMPLITUDE,PERIOD,TIME, several joined "
                    "by ';', or mixed:FILE")
        ->type_name("SHAPE");
    command
        .add_option("--arrivals", options.arrivals,
                    "constant, poisson, or bursty with an index of dispersion: onoff:10")
        ->type_name("NAME");
    command.add_option("--clients", options.clients, "client processes (default 4)")
        ->type_name("N");
    command.add_option("--services", options.services, "service instances")->type_name("N");
    command
        .add_option("--payload", options.payload,
                    "size of payloads: 1KiB, uniform:256B,4KiB, lognormal:1KiB,0.8 or "
                    "histogram:256B*70,1KiB*25,64KiB*5")
        ->type_name("SIZE");
    command
        .add_option("--mix", options.mix,
                    "weights of the categories, e.g. filesystem=3,database=1 (default: "
                    "production's)")
        ->type_name("SHARES");
    command
        .add_option("--accounts", options.accounts,
                    "what transactions book on: uniform:64 (default) or zipf:10000,1.1")
        ->type_name("KEYS");
    command
        .add_option("--faults", options.faults,
                    "events wrong on purpose: malformed=0.1%,failing=1%,duplicates=0.5%")
        ->type_name("SHARES");
    command
        .add_option("--window", options.window,
                    "events in flight per client with --rate max (default 16)")
        ->type_name("N");
    command
        .add_option("--think", options.think,
                    "time between an answer and the next event with --rate max")
        ->type_name("TIME");
    command
        .add_option("--client-cpus", options.client_cpus,
                    "processors that the clients use, e.g. 1 or 0-1,3")
        ->type_name("LIST");
    command
        .add_option("--system-cpus", options.system_cpus, "processors that a private daemon uses")
        ->type_name("LIST");
    command.add_option("--pacing", options.pacing, "precise (default) or coalesced")
        ->type_name("NAME");
    command.add_flag("--realtime", options.realtime,
                     "as root: processors stay out of idle states, senders outside the system have "
                     "real-time priority; steadier timing, more power");
    command.add_option("--work", options.work, "real (default) or none: only routing")
        ->type_name("NAME");
    command.add_option("--durability", options.durability, "normal (default) or full")
        ->type_name("NAME");
    command
        .add_option("--rounds", options.rounds,
                    "rounds of all arms, or auto: until decided (compare); trials (run)")
        ->type_name("N");
    command.add_option("--seed", options.seed, "same seed, same event stream and order")
        ->type_name("N");
    command
        .add_option("--out", options.out,
                    "directory for the result (default benchmark_results/<time>-<name>)")
        ->type_name("DIR");
    command.add_flag("--json", options.json, "print result.json to stdout instead of the table");
    command.add_flag("--quiet", options.quiet, "no progress");
}

Result<std::uint64_t> parse_count(std::string_view option, std::string_view text,
                                  std::uint64_t most) {
    std::uint64_t value = 0;
    const auto* end = text.data() + text.size();
    const auto [rest, status] = std::from_chars(text.data(), end, value);
    if (status == std::errc{} && rest == end && value >= 1 && value <= most) return value;
    return bad(fmt::format("{} '{}': a whole number from 1 to {}", option, text, most));
}

Result<std::vector<lab::Scenario>> resolve_scenarios(const LoadOptions& options,
                                                     const LoadDefaults& defaults,
                                                     std::uint64_t seed) {
    std::vector<std::string> names = options.scenarios;
    if (names.empty()) names.emplace_back("medium");
    std::vector<lab::Scenario> scenarios;
    for (const auto& name : names) {
        auto scenario = resolve(name, options, defaults, seed);
        if (!scenario) return std::unexpected(scenario.error());
        const bool twice = std::ranges::any_of(
            scenarios, [&](const auto& other) { return other.name == scenario->name; });
        if (twice)
            return bad(
                fmt::format("--scenario '{}': a scenario of that name is given twice", name));
        scenarios.push_back(std::move(*scenario));
    }
    return scenarios;
}

Result<lab::TargetUrl> resolve_target(const std::string& text, const LoadOptions& options) {
    if (!options.work.empty()) {
        if (const auto work = runtime::parse_work(options.work); !work)
            return bad_option("--work", work);
    }
    if (!options.durability.empty()) {
        if (const auto level = runtime::parse_durability(options.durability); !level)
            return bad_option("--durability", level);
    }
    auto url = lab::parse_target(text);
    if (!url) return url;
    const bool has_services = url->scheme == "coordinator" || url->scheme == "router" ||
                              (url->scheme == "daemon" && url->path.empty());
    if (!has_services) return url;
    std::string complete = url->text;
    for (const auto& [key, value] :
         {std::pair{"work", options.work}, std::pair{"durability", options.durability}}) {
        if (value.empty() || url->option(key) != nullptr) continue;
        const bool first = complete.find('?') == std::string::npos;
        complete += fmt::format("{}{}={}", first ? '?' : '&', key, value);
    }
    return lab::parse_target(complete);
}

Result<> apply_client_option(const std::vector<const lab::TargetUrl*>& targets,
                             std::vector<lab::Scenario>& scenarios) {
    for (auto& scenario : scenarios) {
        std::optional<std::uint32_t> clients;
        for (const auto* target : targets) {
            const auto own = lab::client_count(*target, scenario.plan.clients);
            if (clients && *clients != own) {
                return bad(
                    fmt::format("the targets have {} and {} clients: they must have the same "
                                "number; see --clients",
                                *clients, own));
            }
            clients = own;
        }
        scenario.plan.clients = scenario.system.clients = *clients;
    }
    return {};
}

Result<> check_targets(std::initializer_list<const lab::TargetUrl*> targets,
                       const std::vector<lab::Scenario>& scenarios) {
    for (const auto& scenario : scenarios) {
        bool has_process = false;
        for (const auto* target : targets) {
            has_process |= target->scheme == "daemon" && target->path.empty();
            const bool takes_all = std::ranges::find(kTakeAll, target->scheme) != kTakeAll.end();
            if (takes_all && scenario.plan.workload.faults.any()) {
                return bad(
                    fmt::format("{}: faults need a system that can refuse events, such as "
                                "coordinator: or daemon:",
                                target->text));
            }
        }
        if (!scenario.system.cpus.empty() && !has_process)
            return bad("--system-cpus is for a private daemon: none of the targets is daemon:");
    }
    return {};
}

Result<std::uint64_t> resolve_seed(const LoadOptions& options) {
    if (options.seed.empty()) return 1;
    std::uint64_t value = 0;
    const auto* end = options.seed.data() + options.seed.size();
    const auto [rest, status] = std::from_chars(options.seed.data(), end, value);
    if (status == std::errc{} && rest == end) return value;
    return bad(fmt::format("--seed '{}': a whole number from 0 to 2^64 - 1", options.seed));
}

Result<std::uint32_t> resolve_rounds(const LoadOptions& options, std::uint32_t fallback) {
    if (options.rounds.empty()) return fallback;
    const auto rounds = parse_count("--rounds", options.rounds, 10'000);
    if (!rounds) return std::unexpected(rounds.error());
    return static_cast<std::uint32_t>(*rounds);
}

}  // namespace crucible::app
