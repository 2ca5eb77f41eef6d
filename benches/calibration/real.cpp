#include "calibration/real.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/process.h"
#include "lab/stats/multiple_comparisons.h"
#include "lab/stats/rank_sum.h"

namespace crucible::bench {
namespace {

using nlohmann::json;

/// Short trials: a comparison of ten rounds in some forty seconds.
constexpr std::string_view kScenario = R"(name = "calibration"
description = "Short trials, to see many comparisons"
events = 400
payload = "1KiB"
services = 10
clients = 4
[steady]
rate = "2000/s"
duration = "200ms"
warmup = "50ms"
[maximum]
duration = "150ms"
warmup = "50ms"
)";
/// Some more than ten, so that ten can be compared where the machine spoils one or two.
constexpr std::string_view kRounds = "13";
constexpr std::uint64_t kRoundsCompared = 10;
constexpr Duration kLimit = std::chrono::minutes(10);
constexpr double kNominal = 0.05;

/// What one comparison said.
struct Said {
    bool whole = false;  ///< neither failed nor interrupted
    std::uint64_t seed = 0;
    std::string baseline;
    std::string candidate;
    std::uint64_t rounds = 0;  ///< compared
    bool voided = false;
    std::vector<std::string> better;  ///< gated metrics
    std::vector<std::string> worse;
    /// Of each gated metric its values in the order of time, of all arms: of identical systems they
    /// are all of one system.
    std::map<std::string, std::vector<double>> in_time;
};

Said read_said(const json& result) {
    Said said;
    said.whole = !result.at("interrupted").get<bool>() && result.at("failure").is_null();
    said.seed = result.at("seed");
    said.baseline = result.at("baseline");
    said.candidate = result.at("candidate");
    const auto& scenario = result.at("scenarios").at(0);
    said.rounds = scenario.at("rounds");
    for (const auto& reason : result.at("reasons"))
        said.voided |= reason.get<std::string>().starts_with("void");
    for (const auto& metric : scenario.at("metrics")) {
        if (!metric.at("gated").get<bool>()) continue;
        const std::string name = metric.at("name");
        if (metric.at("verdict") == "better") said.better.push_back(name);
        if (metric.at("verdict") == "worse") said.worse.push_back(name);
        auto& values = said.in_time[name];
        for (const auto& round : scenario.at("round_details")) {
            if (!round.at("valid").get<bool>()) continue;
            for (const std::string arm : round.at("order")) {
                const auto& of_arm = round.at("values").at(arm);
                if (arm != "harness" && of_arm.contains(name)) values.push_back(of_arm.at(name));
            }
        }
    }
    return said;
}

/// What is usually done, on the same trials: the first half of the time taken for one system and
/// the second for the other. A p-value.
double halves_alike(std::span<const double> values) {
    const std::size_t half = values.size() / 2;
    if (half < 4) return 1;
    return lab::stats::rank_sum_p_value(values.first(half), values.subspan(half)).value_or(1);
}

class MachineCalibration {
public:
    explicit MachineCalibration(const RealCalibration& options) : options_(options) {}

    Result<std::vector<Figure>> run() {
        std::error_code status;
        std::filesystem::create_directories(options_.directory, status);
        const auto scenario = options_.directory / "calibration.toml";
        if (auto done = base::write_file(scenario, kScenario); !done)
            return std::unexpected(done.error());
        for (std::uint32_t i = 0; i < options_.identical; ++i) {
            const auto said =
                comparison(fmt::format("identical-{:03}", i + 1),
                           {"daemon:", "daemon:", "--scenario", scenario.string(), "--rounds",
                            std::string(kRounds), "--seed", fmt::to_string(options_.seed + i)});
            if (!said) return std::unexpected(said.error());
            count_identical(*said);
        }
        for (std::uint32_t i = 0; i < options_.planted; ++i) {
            const auto said = comparison(fmt::format("planted-{:02}", i + 1),
                                         {"synthetic:?service=100us", "synthetic:?service=105us",
                                          "--time-budget", "60s", "--duration", "400ms", "--warmup",
                                          "100ms", "--seed", fmt::to_string(options_.seed + i)});
            if (!said) return std::unexpected(said.error());
            found_worse_ += std::ranges::count(said->worse, "throughput") > 0 ? 1 : 0;
            found_better_ += said->better.empty() ? 0 : 1;
        }
        return figures();
    }

private:
    Result<Said> comparison(const std::string& name, std::vector<std::string> words) {
        const auto out = options_.directory / name;
        if (const auto kept = base::read_file(out / "result.json")) {
            auto said = said_of(name, *kept);
            const auto seed = fmt::to_string(said ? said->seed : 0);
            const bool same = std::ranges::find(words, seed) != words.end() && said &&
                              words[0] == said->baseline && words[1] == said->candidate;
            if (same && said->whole) return said;
        }
        words.insert(words.begin(),
                     {base::self_executable().parent_path() / "crucible", "compare"});
        words.insert(words.end(), {"--quiet", "--out", out.string()});
        std::error_code status;
        std::filesystem::remove_all(out, status);
        auto process = base::Process::start({.arguments = words});
        if (!process) return std::unexpected(process.error());
        const auto ended = process->wait(kLimit);
        const auto text = base::read_file(out / "result.json");
        if (!ended || !text) {
            return std::unexpected(Error{
                Errc::failed,
                fmt::format("{}: {}", name, ended ? ended->describe() : "did not end in time")});
        }
        auto said = said_of(name, *text);
        if (said && !said->whole)
            return std::unexpected(Error{Errc::failed, name + ": " + ended->describe()});
        return said;
    }

    static Result<Said> said_of(const std::string& name, const std::string& text) {
        try {
            auto said = read_said(json::parse(text));
            fmt::print("{}: {} rounds, {}{} better, {} worse\n", name, said.rounds,
                       said.voided ? "void, " : "", said.better.size(), said.worse.size());
            std::fflush(stdout);
            return said;
        } catch (const json::exception& error) {
            return std::unexpected(Error{Errc::corrupt, fmt::format("{}: {}", name, error.what())});
        }
    }

    void count_identical(const Said& said) {
        const bool enough = said.rounds >= kRoundsCompared;
        const bool called = !said.better.empty() || !said.worse.empty();
        enough_ += enough ? 1 : 0;
        false_ += called ? 1 : 0;
        false_of_enough_ += called && enough ? 1 : 0;
        voided_ += said.voided ? 1 : 0;
        std::vector<double> p_values;
        for (const auto& [name, values] : said.in_time) {
            p_values.push_back(halves_alike(values));
            naive_[name] += p_values.back() <= kNominal ? 1 : 0;
        }
        // Corrected as ours is, so that it does not look worse for looking at many metrics.
        const auto corrected = lab::stats::adjust(p_values, lab::stats::Adjustment::holm);
        naive_any_ +=
            std::ranges::any_of(corrected, [](double p) { return p <= kNominal; }) ? 1 : 0;
    }

    std::vector<Figure> figures() const {
        const std::uint64_t identical = options_.identical;
        std::vector<Figure> all;
        if (identical > 0) {
            all.push_back({.name = "real, identical: any false better or worse",
                           .count = false_,
                           .of = identical,
                           .high = 0.03});
            all.push_back({.name = "real, identical: called void",
                           .count = voided_,
                           .of = identical,
                           .high = 0.01});
            if (enough_ > 0) {
                all.push_back({.name = "real, identical, 10 rounds and more: any false",
                               .count = false_of_enough_,
                               .of = enough_,
                               .high = 0.03});
            }
            all.push_back({.name = "real, identical, one after the other, U test (Holm): different",
                           .count = naive_any_,
                           .of = identical});
            for (const auto& [name, count] : naive_) {
                all.push_back(
                    {.name = fmt::format("  of which {}", name), .count = count, .of = identical});
            }
        }
        if (options_.planted > 0) {
            all.push_back({.name = "real, service 5 % slower: throughput worse within 60 s",
                           .count = found_worse_,
                           .of = options_.planted,
                           .low = 0.9});
            all.push_back({.name = "real, service 5 % slower: anything better",
                           .count = found_better_,
                           .of = options_.planted,
                           .high = 0.05});
        }
        for (const auto& figure : all) print(figure);
        return all;
    }

    const RealCalibration& options_;
    std::uint64_t enough_ = 0;
    std::uint64_t false_ = 0;
    std::uint64_t false_of_enough_ = 0;
    std::uint64_t voided_ = 0;
    std::uint64_t naive_any_ = 0;
    std::uint64_t found_worse_ = 0;
    std::uint64_t found_better_ = 0;
    std::map<std::string, std::uint64_t> naive_;
};

}  // namespace

Result<std::vector<Figure>> calibrate_on_this_machine(const RealCalibration& options) {
    return MachineCalibration(options).run();
}

}  // namespace crucible::bench
