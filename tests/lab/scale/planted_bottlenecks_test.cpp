// Real faults in real systems, called by their names. CRUCIBLE_PLANTED_BOTTLENECKS=20 has every
// fault run so many times, prints how each was called, and fails where more than one in 20 of all
// was called by another name, or one limit in 100 was taken for headroom, or headroom for a limit;
// without it some are run once.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "control_group.h"
#include "lab/run/trial.h"
#include "lab/scale/bottleneck.h"
#include "lab/scale/bottleneck_evidence.h"
#include "neighbours.h"

namespace crucible::lab::scale {
namespace {

using namespace std::chrono_literals;

enum class Around { nothing, quota, memory, disk, neighbours };

/// A fault, and where it is planted.
struct PlantedBottleneck {
    std::string name;
    std::string target;
    std::string fault;  ///< CRUCIBLE_PLANTED_FAULT
    Around around{};
    double rate = 0;
    Bottleneck verdict{};
};

/// For the names of the tests: its bytes hold addresses, which differ in each build.
void PrintTo(const PlantedBottleneck& planted, std::ostream* out) {
    *out << planted.name;
}

const std::vector<PlantedBottleneck>& all_planted() {
    using enum Around;
    using enum Bottleneck;
    const std::string services = "daemon:?workers=4";
    const std::string faulty = "synthetic:?workers=4&fault=";
    static const std::vector<PlantedBottleneck> all{
        {"daemon_cpu", services, "service:cpu:500us", nothing, 6000, cpu_bound},
        {"daemon_mutex", services, "service:mutex:300us", nothing, 5000, lock_contention},
        {"daemon_fsync", services, "service:fsync:1MiB", nothing, 9000, io},
        {"daemon_memory", services, "service:map:256MiB", memory, 4000, memory_pressure},
        {"daemon_disk", "daemon:?durability=full", "", disk, 4000, io},
        {"daemon_quota", services, "service:cpu:200us", quota, 4000, quota_throttled},
        {"daemon_downstream", services, "service:wait:10ms", nothing, 2000, back_pressure},
        {"daemon_injector", services, "injector:cpu:1ms", nothing, 2000, client_limited},
        {"daemon_neighbour", services, "service:cpu:200us", neighbours, 9000, noisy_neighbour},
        {"daemon_workers", "daemon:?workers=1", "service:cpu:500us", nothing, 4000, workers},
        {"daemon_pages", services, "service:pages:4MiB", nothing, 5000, memory_pressure},
        {"daemon_none", "daemon:", "", nothing, 400, headroom},
        {"synthetic_cpu", faulty + "cpu:500us", "", nothing, 8000, cpu_bound},
        {"synthetic_mutex", faulty + "mutex:300us", "", nothing, 8000, lock_contention},
        {"synthetic_fsync", faulty + "fsync:1MiB", "", nothing, 9000, io},
        {"synthetic_memory", faulty + "map:256MiB", "", memory, 4000, memory_pressure},
        {"synthetic_disk", faulty + "fsync:64KiB", "", disk, 2000, io},
        {"synthetic_quota", faulty + "cpu:200us", "", quota, 4000, quota_throttled},
        {"synthetic_downstream", faulty + "wait:10ms", "", nothing, 2000, back_pressure},
        {"synthetic_injector", faulty + "cpu:10us", "injector:cpu:1ms", nothing, 2000,
         client_limited},
        {"synthetic_neighbour", faulty + "cpu:200us", "", neighbours, 9000, noisy_neighbour},
        {"synthetic_workers", "synthetic:?workers=1&fault=cpu:500us", "", nothing, 5000, workers},
        {"synthetic_pages", faulty + "pages:4MiB", "", nothing, 8000, memory_pressure},
        {"synthetic_none", faulty + "cpu:100us", "", nothing, 400, headroom},
    };
    return all;
}

/// Run once with the suite: those that other tests beside them disturb least.
bool is_in_suite(const std::string& name) {
    return name.ends_with("_mutex") || name.ends_with("_downstream") || name.ends_with("_none");
}

/// Of many runs, where nothing else runs on the machine.
constexpr double kRightMin = 0.95;
constexpr double kMistakenMax = 0.01;
/// Cores that others used: neighbours, then, and real ones.
constexpr double kDisturbing = 0.2;

int runs_asked() {
    const char* const asked = std::getenv("CRUCIBLE_PLANTED_BOTTLENECKS");
    return asked == nullptr ? 0 : std::atoi(asked);
}

/// How often which fault was called what.
std::map<std::string, std::map<std::string, int>>& confusion() {
    static std::map<std::string, std::map<std::string, int>> table;
    return table;
}

struct Mistaken {
    int mistaken = 0;
    int all = 0;
};

class PlantedBottlenecks : public ::testing::TestWithParam<PlantedBottleneck> {
protected:
    void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
        GTEST_SKIP() << "a sanitizer's own work would be what binds";
#endif
        const auto& planted = GetParam();
        if (runs_asked() == 0 && !is_in_suite(planted.name))
            GTEST_SKIP() << "runs with CRUCIBLE_PLANTED_BOTTLENECKS=1 or more";
#ifndef CRUCIBLE_FAILPOINTS
        if (!planted.fault.empty())
            GTEST_SKIP() << "faults in the services need a build with CRUCIBLE_FAILPOINTS";
#endif
    }

    static void TearDownTestSuite() {
        if (runs_asked() == 0) return;
        int right = 0;
        Mistaken limits;    // taken for headroom
        Mistaken headroom;  // taken for a limit
        for (const auto& planted : all_planted()) {
            const auto found = confusion().find(planted.name);
            if (found == confusion().end()) continue;
            const bool has_none = planted.verdict == Bottleneck::headroom;
            auto& runs = has_none ? headroom : limits;
            std::printf("%-22s", planted.name.c_str());
            for (const auto& [verdict, count] : found->second) {
                const bool is_right = verdict == to_string(planted.verdict);
                std::printf(" %s%s %d", is_right ? "*" : "", verdict.c_str(), count);
                runs.all += count;
                if (is_right) right += count;
                if (has_none != (verdict == to_string(Bottleneck::headroom)))
                    runs.mistaken += count;
            }
            std::printf("\n");
        }
        const int all = limits.all + headroom.all;
        std::printf(
            "%d of %d called by their names (*); taken for headroom: %d of %d limits; taken for a "
            "limit: %d of %d with headroom\n",
            right, all, limits.mistaken, limits.all, headroom.mistaken, headroom.all);
        EXPECT_GE(right, kRightMin * all);
        EXPECT_LE(limits.mistaken, kMistakenMax * limits.all);
        EXPECT_LE(headroom.mistaken, kMistakenMax * headroom.all);
    }

    Result<ControlGroup> limit() const {
        switch (GetParam().around) {
            case Around::quota:
                return cpu_quota(0.3);
            case Around::memory:
                return memory_limit(48u << 20);
            default:
                return disk_writes(512u << 10);
        }
    }

    /// What has to be around, or why it cannot.
    Result<> surround() {
        if (GetParam().around == Around::nothing) return {};
        if (GetParam().around == Around::neighbours) {
            neighbours_.emplace(6);
            return {};
        }
        auto group = limit();
        if (!group) return std::unexpected(group.error());
        group_.emplace(*std::move(group));
        return {};
    }

    Result<BottleneckEvidence> evidence(std::uint64_t seed) {
        const auto& planted = GetParam();
        if (auto around = surround(); !around) return std::unexpected(around.error());
        const auto url = parse_target(planted.target);
        if (!url) return std::unexpected(url.error());
        constexpr double seconds = 1.5;
        Plan plan;
        plan.clients = 1;
        plan.realtime = true;
        plan.drain_limit = 3s;
        plan.workload.seed = seed;
        plan.phases = {steady_phase(*base::Rate::per_second(planted.rate),
                                    static_cast<std::uint64_t>(planted.rate * seconds), 500ms)};
        TrialOptions options;
        options.activity = true;
        if (!planted.fault.empty())
            options.environment = {"CRUCIBLE_PLANTED_FAULT=" + planted.fault};
        Result<> joined;
        options.on_quiet = [&](const QuietMoment& moment) {
            if (!group_ || moment.phases_ended > 0) return;
            const auto& members = moment.system.empty() ? moment.clients : moment.system;
            for (const pid_t pid : members)
                if (joined) joined = group_->join(pid);
        };
        const auto trial = run_trial(*url, {}, plan, options);
        neighbours_.reset();
        group_.reset();
        if (!trial) return std::unexpected(trial.error());
        if (!joined) return std::unexpected(joined.error());
        if (trial->phases.empty() || !trial->phases.front().activity) {
            return std::unexpected(
                trial->failure.value_or(Error{Errc::failed, "nothing was sampled"}));
        }
        return bottleneck_evidence(trial->phases.front());
    }

private:
    std::optional<ControlGroup> group_;
    std::optional<Neighbours> neighbours_;
};

void print_judgement(const BottleneckJudgement& judgement) {
    std::printf("  %s (%s: %s): %s\n", std::string(to_string(judgement.verdict)).c_str(),
                std::string(to_string(judgement.confidence)).c_str(),
                judgement.why_confidence.c_str(), judgement.reason.c_str());
    for (const auto& figure : judgement.evidence) std::printf("    %s\n", figure.text().c_str());
    for (const auto& rule : judgement.excluded)
        std::printf("    not %s: %s\n", std::string(described(rule.verdict)).c_str(),
                    rule.why.c_str());
}

TEST_P(PlantedBottlenecks, AreCalledByTheirNames) {
    const auto& planted = GetParam();
    const int runs = std::max(runs_asked(), 1);
    for (int seed = 1; seed <= runs; ++seed) {
        const auto found = evidence(static_cast<std::uint64_t>(seed));
        if (!found && (found.error().code == Errc::unsupported ||
                       found.error().code == Errc::permission_denied))
            GTEST_SKIP() << found.error().message;
        ASSERT_TRUE(found) << found.error().message;
        const auto judgement = judge_bottleneck(*found);
        ++confusion()[planted.name][std::string(to_string(judgement.verdict))];
        const auto& activity = found->activity;
        const bool right = judgement.verdict == planted.verdict;
        if (runs_asked() > 0) {
            std::printf(
                "%s %d: %llu samples, %llu missed, sampling %.2f %% of a core, %.1f us\n",
                planted.name.c_str(), seed, static_cast<unsigned long long>(activity.samples),
                static_cast<unsigned long long>(activity.missed), 100 * activity.cost.core_share,
                1e6 * std::chrono::duration<double>(activity.cost.cpu_per_sample).count());
            if (seed == 1 || !right) print_judgement(judgement);
            continue;
        }
        // Beside other tests the neighbours are real, and naming them is right.
        const bool disturbed = activity.surroundings.other_cores.value_or(0) > kDisturbing;
        EXPECT_TRUE(right || (disturbed && judgement.verdict == Bottleneck::noisy_neighbour))
            << planted.name << ": " << to_string(judgement.verdict) << ", " << judgement.reason;
    }
}

INSTANTIATE_TEST_SUITE_P(Each, PlantedBottlenecks, ::testing::ValuesIn(all_planted()),
                         [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace crucible::lab::scale
