#include "lab/run/trial.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "children.h"
#include "lab/pace/schedule.h"
#include "lab/run/clients.h"
#include "trials.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

Phase maximum(Duration duration) {
    return maximum_phase(duration);
}
Plan plan_of(std::vector<Phase> phases, std::uint32_t clients = 2) {
    Plan plan;
    plan.clients = clients;
    plan.workload.payload = PayloadSizes::fixed(512);
    plan.phases = std::move(phases);
    return plan;
}

const Check& check_of(const TrialResult& result, std::string_view name) {
    return *std::ranges::find(result.checks, name, &Check::name);
}

// Two phases over real processes: every event of the plan is sent and comes back, from each client
// its share, and nothing of this test's machine is in the figures' identities.
TEST(Trial, AccountsForEveryEvent) {
    const auto result = run("null:?clients=3", plan_of({steady(2000, 200, 50ms), maximum(50ms)}));
    ASSERT_FALSE(result.failure) << result.failure->message;
    EXPECT_EQ(result.target, "null:?clients=3");
    EXPECT_FALSE(result.interrupted);
    ASSERT_EQ(result.phases.size(), 2u);

    const auto& open = result.phases[0];
    EXPECT_EQ(open.delivery.planned, 300u);
    EXPECT_EQ(open.delivery.sent, 300u);
    EXPECT_EQ(open.delivery.handled, 300u);
    EXPECT_EQ(open.completed, 200u);
    EXPECT_EQ(open.latency.count(), 200u);
    EXPECT_EQ(open.lateness.count(), 200u);
    ASSERT_EQ(open.clients.size(), 3u);
    EXPECT_EQ(open.clients[0].delivery.sent, 100u);
    EXPECT_GT(open.usage.cpu, 0ns);
    EXPECT_EQ(open.usage_system.cpu, 0ns);

    const auto& closed = result.phases[1];
    EXPECT_GT(closed.delivery.handled, 0u);
    EXPECT_EQ(closed.delivery.sent, closed.delivery.handled);
    EXPECT_EQ(closed.lateness.count(), 0u);
    EXPECT_GT(closed.throughput, 0.0);
    EXPECT_NEAR(closed.payload_throughput / closed.throughput, 512, 200);
    for (const auto* name :
         {"conservation", "offered_as_planned", "clock_sanity", "no_duplicates", "littles_law"})
        EXPECT_TRUE(check_of(result, name).passed) << check_of(result, name).detail;
    EXPECT_TRUE(children().empty());
}

// The same queue by Lindley's recursion over the same Poisson schedule: what is measured can only
// be later than that (by the pacer and the delivery), and not by much at the median.
TEST(Trial, SyntheticQueueBehavesAsItsFormula) {
    auto phase = steady(500, 1000);
    phase.arrivals = Arrivals::poisson();
    const auto plan = plan_of({phase});
    const auto result = run("synthetic:?service=1ms&workers=1", plan);
    ASSERT_FALSE(result.failure) << result.failure->message;

    Schedule schedule(*phase.pattern, 0ns, Arrivals::poisson(), plan.workload.seed);
    Duration free{};
    std::vector<Duration> expected;
    for (std::uint64_t i = 0; i < phase.events(); ++i) {
        const Duration due = schedule.due(i);
        free = std::max(free, due) + 1ms;
        expected.push_back(free - due);
    }
    std::ranges::sort(expected);
    const auto& latency = result.phases[0].latency;
    ASSERT_EQ(latency.count(), expected.size());
    EXPECT_GE(latency.min(), 1ms);
    // Each order statistic is at least the formula's, but for the histogram's 0.1 % and a few ranks
    // for clients that overtook each other.
    for (const double p : {0.1, 0.25, 0.5, 0.75, 0.9, 0.99}) {
        const auto rank = static_cast<std::size_t>(std::ceil(p * 1000)) - 1;
        const Duration least = expected[rank - 5];
        EXPECT_GE(latency.quantile(p), least - least / 1000) << p;
    }
    EXPECT_FALSE(result.phases[0].saturated);
    EXPECT_TRUE(check_of(result, "littles_law").passed) << check_of(result, "littles_law").detail;
}

// An event every 50 ms that stays for 25: in steps of 50 ms from the start of each phase, samples
// would all see the same.
TEST(Trial, SamplesTheBacklogApartFromArrivals) {
    const auto result = run("synthetic:?service=25ms", plan_of(std::vector(8, steady(20, 4)), 1));
    ASSERT_FALSE(result.failure) << result.failure->message;
    std::vector<std::uint64_t> seen;
    for (const auto& phase : result.phases) {
        const auto& backlog = phase.clients.front().backlog;
        EXPECT_GE(backlog.size(), 4u);
        seen.insert(seen.end(), backlog.begin(), backlog.end());
    }
    EXPECT_NE(std::ranges::count(seen, 0U), 0);
    EXPECT_NE(std::ranges::count(seen, 1U), 0);
}

// Half a second at twice what the queue can serve leaves half a second of work, behind which the
// load that follows without a rest has to wait. With a rest it would not.
TEST(Trial, LoadsFlowOnWithoutARest) {
    auto overload = steady(2000, 1000);
    overload.flows_on = true;
    const auto result =
        run("synthetic:?service=1ms&workers=1", plan_of({overload, steady(500, 250)}));
    ASSERT_FALSE(result.failure) << result.failure->message;
    ASSERT_EQ(result.phases.size(), 2u);
    EXPECT_EQ(result.phases[0].delivery.handled, 1000u);
    EXPECT_EQ(result.phases[1].delivery.handled, 250u);
    EXPECT_TRUE(check_of(result, "conservation").passed) << check_of(result, "conservation").detail;
    // Due after 500 ms, served from 1,000 ms on; the other client may be behind.
    EXPECT_GE(result.phases[1].latency.max(), 300ms);
    ASSERT_FALSE(result.phases[1].clients.empty());
    std::uint64_t backlog = 0;
    for (const auto& client : result.phases[1].clients) backlog += client.backlog.front();
    EXPECT_GE(backlog, 200u);
}

// One that cannot flow on is refused; stopped in the first load, the next is never begun.
TEST(Trial, EndsLoadsThatFlowOn) {
    auto flowing = steady(1000, 60'000);
    flowing.flows_on = true;
    for (const auto& plan : {plan_of({flowing}), plan_of({flowing, maximum(50ms)})}) {
        const auto refused = run_trial(*parse_target("null:"), {}, plan, {});
        ASSERT_FALSE(refused);
        EXPECT_EQ(
            refused.error().message,
            "phase steady: only one in open loop before another one in open loop can flow on");
    }
    std::stop_source stop;
    TrialOptions options;
    options.stop = stop.get_token();
    options.on_progress = [&](const TrialProgress& progress) {
        if (progress.handled > 0) stop.request_stop();
    };
    const auto result = run("null:", plan_of({flowing, steady(1000, 60'000)}), options);
    EXPECT_FALSE(result.failure);
    EXPECT_TRUE(result.interrupted);
    ASSERT_EQ(result.phases.size(), 1u);
    EXPECT_GT(result.phases[0].delivery.handled, 0u);
    EXPECT_TRUE(children().empty());
}

// What is found only when results are taken is the failure of the load in which it happened: that
// is the last one kept, though another one was offered after it.
TEST(Trial, EndsWithTheFirstLoadThatFailed) {
    auto flowing = steady(1000, 20);
    flowing.flows_on = true;
    auto plan = plan_of({flowing, steady(1000, 30)}, 1);
    plan.drain_limit = 50ms;
    const auto result = run("synthetic:?service=10s", plan);
    ASSERT_TRUE(result.failure);
    EXPECT_EQ(result.failure->message, "none of 20 events was handled: none was answered");
    ASSERT_EQ(result.phases.size(), 1u);
    EXPECT_EQ(result.phases[0].delivery.sent, 20u);
}

// Twice what the queue can serve: reported as saturation, in a run of 1 s; the trial stands.
TEST(Trial, ReportsSaturation) {
    const auto result = run("synthetic:?service=1ms&workers=1", plan_of({steady(2000, 2000)}));
    ASSERT_FALSE(result.failure) << result.failure->message;
    EXPECT_TRUE(result.phases[0].saturated);
    EXPECT_FALSE(check_of(result, "not_saturated").passed);
    EXPECT_EQ(result.phases[0].delivery.handled, 2000u);
}

// A full queue refuses: counted as rejected, neither lost nor retried.
TEST(Trial, CountsRefusals) {
    const auto result = run("synthetic:?service=1ms&queue=10", plan_of({steady(4000, 2000)}));
    ASSERT_FALSE(result.failure) << result.failure->message;
    const auto& delivery = result.phases[0].delivery;
    EXPECT_EQ(delivery.sent, 2000u);
    EXPECT_GT(delivery.rejected, 500u);
    EXPECT_EQ(delivery.lost, 0u);
    EXPECT_EQ(delivery.handled + delivery.rejected, 2000u);
    EXPECT_TRUE(check_of(result, "conservation").passed);
}

// What is still unanswered when the patience ends is lost, and the run goes on to say so.
TEST(Trial, UnansweredEventsAreLost) {
    auto plan = plan_of({steady(1000, 20)}, 1);
    plan.drain_limit = 50ms;
    const auto result = run("synthetic:?service=10s", plan);
    ASSERT_TRUE(result.failure);  // what handles nothing is no system that could be measured
    EXPECT_EQ(result.failure->message, "none of 20 events was handled: none was answered");
    EXPECT_EQ(result.failed_part, FailedPart::system);
    EXPECT_EQ(result.phases[0].delivery.sent, 20u);
    EXPECT_EQ(result.phases[0].delivery.lost, 20u);
    EXPECT_GE(result.phases[0].clients[0].longest_stall, 50ms);
}

// A client killed in mid-run is named; the others are told to stop and what they measured is kept.
TEST(Trial, NamesTheClientThatDied) {
    TrialOptions options;
    pid_t killed = 0;
    options.on_progress = [&](const TrialProgress& progress) {
        if (progress.sent < 100 || killed != 0) return;
        const auto clients = children();
        ASSERT_EQ(clients.size(), 3u);
        killed = clients[1];
        ::kill(killed, SIGKILL);
    };
    const auto result = run("null:", plan_of({steady(1000, 60'000), maximum(50ms)}, 3), options);
    ASSERT_TRUE(result.failure);
    EXPECT_TRUE(result.failure->message.starts_with("client-1 (pid " + std::to_string(killed) +
                                                    ") was killed by signal 9 (Killed)"))
        << result.failure->message;
    EXPECT_EQ(result.failed_part, FailedPart::client);
    EXPECT_FALSE(result.valid());
    ASSERT_EQ(result.phases.size(), 1u);
    ASSERT_EQ(result.phases[0].clients.size(), 2u);
    EXPECT_GT(result.phases[0].delivery.handled, 0u);
    EXPECT_EQ(result.phases[0].delivery.planned, 60'000u);
    EXPECT_LT(result.phases[0].delivery.sent, 60'000u);
    EXPECT_FALSE(check_of(result, "offered_as_planned").passed);
    EXPECT_EQ(result.phases[0].unreported, 1u);
    EXPECT_TRUE(children().empty());
}

// Killed in the second of two loads without a rest: of the first one nothing is known of it either.
TEST(Trial, TellsWhatIsMissingOfLoadsThatFlowedOn) {
    TrialOptions options;
    bool killed = false;
    options.on_progress = [&](const TrialProgress& progress) {
        if (progress.phase != "second" || progress.sent == 0 || killed) return;
        killed = true;
        ::kill(children()[1], SIGKILL);
    };
    auto first = steady(1000, 300);
    first.flows_on = true;
    auto second = steady(1000, 60'000);
    second.name = "second";
    const auto result = run("null:", plan_of({first, second}), options);
    ASSERT_TRUE(result.failure);
    EXPECT_EQ(result.failed_part, FailedPart::client);
    ASSERT_EQ(result.phases.size(), 2u);
    for (const auto& phase : result.phases) {
        EXPECT_EQ(phase.unreported, 1u);
        EXPECT_EQ(phase.clients.size(), 1u);
    }
    EXPECT_EQ(result.phases[0].delivery.handled, 150u);
    EXPECT_TRUE(children().empty());
}

// A target that closes the connection of one client, and serves the other on: the client is well,
// so that what failed is the target, in the load in which it did; the next one is not begun.
TEST(Trial, TellsATargetThatLeavesOneClientFromAClientThatDied) {
    const auto directory = *base::TempDir::make("trial-test");
    const auto program = directory.path() / "program.py";
    ASSERT_TRUE(base::write_file(program, R"(
import json, os, sys
for number, line in enumerate(sys.stdin, 1):
    message = json.loads(line)
    print(json.dumps({"token": message["token"]}), flush=True)
    if number == 10 and message["event"]["source"] == "client-1":
        os.close(1)
        sys.stdin.read()
)"));
    const auto result =
        run("exec:python3 " + program.string(), plan_of({steady(1000, 200), steady(1000, 200)}));
    ASSERT_TRUE(result.failure);
    EXPECT_EQ(result.failure->code, Errc::closed);
    EXPECT_EQ(result.failure->message, "client-1: the program closed its output");
    EXPECT_EQ(result.failed_part, FailedPart::system);
    EXPECT_FALSE(result.embedded);
    ASSERT_EQ(result.phases.size(), 1u);
    EXPECT_EQ(result.phases[0].unreported, 0u);
    ASSERT_EQ(result.phases[0].clients.size(), 2u);
    EXPECT_EQ(result.phases[0].delivery.handled, 110u);
    EXPECT_TRUE(children().empty());
}

// A client that dies once all is measured: told as trouble at the end, apart from the load's.
TEST(Trial, TellsTroubleAtTheEndFromThatOfTheLoad) {
    TrialOptions options;
    options.before_stop = [](System&) { ::kill(children().front(), SIGKILL); };
    const auto result = run("null:", plan_of({steady(1000, 20)}, 1), options);
    ASSERT_TRUE(result.failure);
    EXPECT_EQ(result.failed_part, FailedPart::stop);
    EXPECT_EQ(result.phases[0].delivery.handled, 20u);
}

// Ctrl-C: the load stops, what was measured is kept and marked.
TEST(Trial, StopKeepsAPartialResult) {
    std::stop_source stop;
    TrialOptions options;
    options.stop = stop.get_token();
    options.on_progress = [&](const TrialProgress& progress) {
        EXPECT_EQ(progress.phase, "steady");
        EXPECT_EQ(progress.planned, 60'000u);
        if (progress.handled > 0) stop.request_stop();
    };
    const auto result = run("null:", plan_of({steady(1000, 60'000), maximum(50ms)}), options);
    EXPECT_FALSE(result.failure);
    EXPECT_TRUE(result.interrupted);
    EXPECT_FALSE(result.valid());
    ASSERT_EQ(result.phases.size(), 1u);
    EXPECT_GT(result.phases[0].delivery.handled, 0u);
    EXPECT_LT(result.phases[0].delivery.sent, 60'000u);
    EXPECT_TRUE(children().empty());
}

// All clients stopped for 200 ms in mid-run, by SIGSTOP: every event that was due meanwhile waited.
// Counted from the actual send none would have. A client may have to be given a processor before it
// stops, so the first bound leaves 50 ms for that.
TEST(Trial, NothingIsOmittedWhenTheSenderStalls) {
    TrialOptions options;
    bool stalled = false;
    options.on_progress = [&](const TrialProgress& progress) {
        if (progress.sent < 500 || stalled) return;
        stalled = true;
        const auto clients = children();
        for (const pid_t pid : clients) ::kill(pid, SIGSTOP);
        const auto until = base::monotonic_now() + 200ms;
        base::SteadyClock().sleep_until(until);  // the stall itself
        for (const pid_t pid : clients) ::kill(pid, SIGCONT);
    };
    const auto result = run("null:", plan_of({steady(1000, 1500)}), options);
    ASSERT_FALSE(result.failure) << result.failure->message;
    ASSERT_TRUE(stalled);
    const auto& phase = result.phases[0];
    EXPECT_GE(phase.latency.max(), 150ms);
    // Some 200 events were due in it; those of its first half waited for at least the other half.
    EXPECT_GE(phase.latency.quantile(1.0 - 60.0 / 1500), 75ms);
    // It is the injector's own fault here, so the trial is not valid.
    EXPECT_FALSE(check_of(result, "schedule_kept").passed);
    EXPECT_FALSE(result.valid());
}

// A client that says nothing any more (here: stopped for good) is killed and named; it cannot hold
// up the others.
TEST(Clients, SilentClientIsDroppedByName) {
    const auto plan = plan_of({steady(100, 100'000)});
    auto clients = Clients::start("null:", plan);
    ASSERT_TRUE(clients) << clients.error().message;
    const auto ready = [](const auto& client) { return client.ready; };
    while (!clients->all_present(ready)) clients->listen(100ms);
    ASSERT_FALSE(clients->trouble()) << clients->trouble()->message;
    const pid_t silent = clients->all()[1].process.pid();
    ::kill(silent, SIGSTOP);
    clients->tell_all(order::Start{0, base::monotonic_now()});
    while (!clients->trouble()) {
        clients->listen(100ms);
        clients->drop_silent(3s);
    }
    EXPECT_EQ(clients->trouble()->code, Errc::timeout);
    EXPECT_EQ(clients->trouble()->message,
              "client-1 (pid " + std::to_string(silent) + "): has been silent for 3 s");
    EXPECT_TRUE(clients->all()[0].present);
    clients->end(30s);
    EXPECT_TRUE(children().empty());
}

// Bad plans are refused before anything is started.
TEST(Trial, RefusesPlansWithoutLoad) {
    const auto url = *parse_target("null:");
    for (const auto& plan : {plan_of({}), plan_of({steady(10, 0)}), plan_of({maximum(0ns)}),
                             plan_of({steady(1, 1)}, 0)}) {
        const auto result = run_trial(url, {}, plan, {});
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code, Errc::invalid_argument);
    }
}

// The client program missing or failing is an error before any load, by name.
TEST(Trial, ClientThatDoesNotStartIsAnError) {
    ::setenv("CRUCIBLE_WORKER", "/bin/false", 1);
    const auto result = run_trial(*parse_target("null:"), {}, plan_of({steady(10, 1)}), {});
    ::unsetenv("CRUCIBLE_WORKER");
    ASSERT_FALSE(result);
    EXPECT_NE(result.error().message.find("exited with code 1"), std::string::npos)
        << result.error().message;
    EXPECT_TRUE(children().empty());
}

// Each place of a closed loop thinks after every answer: two of them, 20 ms each, send at most
// twice in every 20 ms.
TEST(Trial, ThinkTimeKeepsAClosedLoopSlow) {
    auto plan = plan_of({maximum(300ms)}, 1);
    plan.phases[0].window = 2;
    plan.phases[0].think = 20ms;
    const auto result = run("null:", plan);
    const auto& delivery = result.phases[0].delivery;
    EXPECT_LE(delivery.sent, 2u * (300 / 20 + 1));
    EXPECT_GT(delivery.sent, 2u);  // they do come back
    EXPECT_EQ(delivery.handled, delivery.sent);
}

}  // namespace
}  // namespace crucible::lab
