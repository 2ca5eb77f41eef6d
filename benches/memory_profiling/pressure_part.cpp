// How little memory is enough, and what happens with less: the limit is found by bisection, and
// every trial beneath it has to end with an error or with refused events, never with lost ones of
// which nobody is told.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "base/process.h"
#include "base/units.h"
#include "memory_profiling/limited_programs.h"
#include "memory_profiling/memory_reading.h"
#include "memory_profiling/parts.h"
#include "support/crucibled_process.h"
#include "support/lab_trial.h"

namespace crucible::bench {
namespace {

using namespace std::chrono_literals;

constexpr const char* kPressureRate = "200";
constexpr double kFirstLimit = 32.0 * (1 << 20);
constexpr double kMostLimit = 16.0 * (1ull << 30);
constexpr double kResolution = 1.03;
constexpr double kResolutionSmoke = 2.1;
constexpr std::size_t kDetailWidth = 80;
constexpr Duration kPressureDrain = 20s;

/// Which processes of which system are limited.
struct Limited {
    std::string_view name;
    const char* target;
    const char* variable;
    std::filesystem::path (*program)();
};
constexpr std::array kLimited{
    Limited{"coordinator: clients", "coordinator:", "CRUCIBLE_WORKER", base::self_executable},
    Limited{"daemon: crucibled", "daemon:", "CRUCIBLED", crucibled_program},
    Limited{"daemon: clients", "daemon:", "CRUCIBLE_WORKER", base::self_executable},
};

/// How a trial under a limit ended.
struct Ending {
    std::string_view how;  ///< "handled", "not started", "ended", "refused", "lost"
    std::string detail;    ///< one line; empty where all were handled
};

std::string first_line(const std::string& text) {
    return text.substr(0, text.find('\n'));
}

Ending ending_of(const Result<lab::TrialResult>& trial) {
    if (!trial) return {"not started", first_line(trial.error().message)};
    if (trial->failure) return {"ended", first_line(trial->failure->message)};
    lab::Delivery all;
    std::string remarks;
    for (const auto& phase : trial->phases) {
        all += phase.delivery;
        for (const auto& client : phase.clients)
            if (remarks.empty()) remarks = first_line(client.remarks);
    }
    if (all.handled == all.sent) return {"handled", {}};
    const auto counts =
        fmt::format("{} of {} events handled, {} refused, {} lost{}{}", all.handled, all.sent,
                    all.rejected, all.lost, remarks.empty() ? "" : ": ", remarks);
    return {all.handled + all.rejected == all.sent ? "refused" : "lost", counts};
}

/// Behind ten columns, in lines of at most kDetailWidth more.
void print_wrapped(std::string_view text) {
    std::size_t width = 0;
    while (!text.empty()) {
        const auto word = text.substr(0, text.find(' '));
        text.remove_prefix(std::min(text.size(), word.size() + 1));
        if (word.empty()) continue;
        if (width > 0 && width + 1 + word.size() > kDetailWidth) {
            fmt::print("\n          ");
            width = 0;
        }
        fmt::print(" {}", word);
        width += 1 + word.size();
    }
    fmt::print("\n");
}

/// Everything that was tried with one kind of limit, over all rounds.
class Search {
public:
    Search(const Limited& limited, const MemoryLimiter& limiter, const lab::Scenario& scenario,
           const Options& options, Rounds& rounds)
        : limited_(limited),
          limiter_(limiter),
          scenario_(scenario),
          options_(options),
          rounds_(rounds) {}

    /// The least limit with which everything is handled.
    Result<std::vector<double>> least() {
        ++round_;
        double enough = kFirstLimit;
        double too_little = 0;
        for (;; enough *= 2) {
            if (enough > kMostLimit)
                return std::unexpected(Error{Errc::failed, "no limit is enough: " + last_detail_});
            const auto handled = handles_all(enough);
            if (!handled) return std::unexpected(handled.error());
            if (*handled) break;
            too_little = enough;
        }
        const double resolution = options_.smoke ? kResolutionSmoke : kResolution;
        while (too_little == 0 || enough / too_little > resolution) {
            const double middle = too_little == 0 ? enough / 2 : std::sqrt(too_little * enough);
            const auto handled = handles_all(middle);
            if (!handled) return std::unexpected(handled.error());
            (*handled ? enough : too_little) = middle;
        }
        return std::vector{enough};
    }

    void show() const {
        for (const auto& [how, tried] : endings_) {
            fmt::print("  {:20} {} x {}, with {:.1f} to {:.1f} MiB\n", limited_.name, tried.count,
                       how, tried.least * kPerMiB, tried.most * kPerMiB);
            for (const auto& [detail, count] : tried.details) {
                fmt::print("      {:>3} x", count);
                print_wrapped(detail);
            }
        }
    }

private:
    struct Tried {
        std::uint32_t count = 0;
        double least = kMostLimit;
        double most = 0;
        std::map<std::string, std::uint32_t> details;
    };

    /// - Errc::failed: events were lost, and nothing says so. - the errors of LimitedProgram.
    Result<bool> handles_all(double limit) {
        const auto bytes = static_cast<std::uint64_t>(limit);
        lab::Scenario scenario = scenario_;
        scenario.plan.workload.seed = lab::round_seed(options_.seed, 0, round_);
        Ending ending;
        {
            const auto program =
                LimitedProgram::make(limiter_, bytes, limited_.variable, limited_.program());
            if (!program) return std::unexpected(program.error());
            ending = ending_of(lab::run_trial(*lab::parse_target(limited_.target), scenario.system,
                                              scenario.plan, {}));
        }
        rounds_.record(kLimits, {{"limited", limited_.name},
                                 {"by", limiter_.name()},
                                 {"limit_bytes", bytes},
                                 {"outcome", ending.how},
                                 {"detail", ending.detail}});
        last_detail_ = ending.detail;
        if (ending.how == "handled") return true;
        auto& tried = endings_[std::string(ending.how)];
        ++tried.count;
        tried.least = std::min(tried.least, limit);
        tried.most = std::max(tried.most, limit);
        ++tried.details[without_numbers(ending.detail)];
        if (ending.how == "lost")
            return std::unexpected(Error{Errc::failed, "lost in silence: " + ending.detail});
        return false;
    }

    /// Process numbers and counts differ from trial to trial.
    static std::string without_numbers(const std::string& text) {
        std::string out;
        for (const char c : text) {
            if (c < '0' || c > '9') {
                out += c;
            } else if (out.empty() || out.back() != '#') {
                out += '#';
            }
        }
        return out;
    }

    const Limited& limited_;
    const MemoryLimiter& limiter_;
    const lab::Scenario& scenario_;
    const Options& options_;
    Rounds& rounds_;
    std::uint32_t round_ = 0;
    std::string last_detail_;
    std::map<std::string, Tried> endings_;
};

}  // namespace

void pressure_part(const Options& options, Rounds& rounds) {
    const auto limiter = find_memory_limiter();
    app::LoadOptions load;
    load.rate = kPressureRate;
    auto scenario = scenario_named("medium", options, load);
    if (!scenario) return rounds.fail("pressure", scenario.error());
    scenario->plan.drain_limit = kPressureDrain;
    std::vector<Search> searches;
    for (const auto& limited : kLimited)
        searches.emplace_back(limited, limiter, *scenario, options, rounds);
    Question question{
        .part = "pressure",
        .text = fmt::format("pressure: least that handles all, {} events/s, 4 clients, {}",
                            kPressureRate, limiter.name()),
        .measures = {bytes_measure("memory_limit", "MiB", kPerMiB)},
        .arms = {},
        .first_to_other = false,
        .ratio_label = "to 1st"};
    for (std::size_t i = 0; i < searches.size(); ++i) {
        question.arms.push_back({std::string(kLimited[i].name),
                                 limiter.cgroup.empty() ? "each of these processes by itself"
                                                        : "all of these processes together",
                                 [&search = searches[i]] { return search.least(); }});
    }
    rounds.ask(question);
    if (!limiter.why_no_cgroup.empty())
        fmt::print("  not by a cgroup: {}\n", limiter.why_no_cgroup);
    fmt::print("pressure: how trials with less ended\n");
    for (const auto& search : searches) search.show();
    std::fflush(stdout);
}

}  // namespace crucible::bench
