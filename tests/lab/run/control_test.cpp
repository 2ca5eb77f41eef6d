#include "lab/run/control.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

template <typename T, typename Message>
T get(const Result<Message>& message) {
    EXPECT_TRUE(message) << message.error().message;
    return std::get<T>(*message);
}

// A client works from nothing but this message: every part of the plan must arrive as it was.
TEST(Control, PlanArrivesWhole) {
    order::Prepare prepare{.client = 3, .endpoint = "daemon:/tmp/a \"b\".sock", .plan = {}};
    prepare.plan.clients = 7;
    prepare.plan.workload = {.seed = 0xffff'ffff'ffff'fff1u,
                             .payload = *PayloadSizes::parse("uniform:1KiB,4KiB"),
                             .mix = *Mix::parse("database=2,mcp=1"),
                             .accounts = *Popularity::parse("zipf:100,1.5"),
                             .faults = *Faults::parse("failing=2%"),
                             .webhook_secret = "s\n"};
    prepare.plan.cpus = *base::CpuSet::parse("0");
    prepare.plan.pacing = Pacing::coalesced;
    prepare.plan.drain_limit = 1234567891ns;
    Phase steady = steady_phase(*base::Rate::per_second(1234.5678901234), 99, 5ns);
    steady.arrivals = Arrivals::poisson();
    Phase maximum = maximum_phase(2s);
    maximum.window = 9;
    maximum.think = 7us;
    steady.flows_on = true;
    prepare.plan.phases = {steady, maximum};

    const std::string line = encode(Order{prepare});
    EXPECT_EQ(line.find('\n'), std::string::npos);
    const auto read = get<order::Prepare>(decode_order(line));
    EXPECT_EQ(read.client, 3u);
    EXPECT_EQ(read.endpoint, prepare.endpoint);
    EXPECT_EQ(read.plan.clients, 7u);
    EXPECT_EQ(read.plan.workload.seed, prepare.plan.workload.seed);
    EXPECT_EQ(read.plan.workload.payload.text(), "uniform:1KiB,4KiB");
    EXPECT_EQ(read.plan.workload.mix.text(), "database=2,mcp=1");
    EXPECT_EQ(read.plan.workload.accounts.text(), "zipf:100,1.5");
    EXPECT_EQ(read.plan.workload.faults.text(), "failing=2%");
    EXPECT_EQ(read.plan.cpus.text(), "0");
    EXPECT_EQ(read.plan.workload.webhook_secret, "s\n");
    EXPECT_EQ(read.plan.pacing, Pacing::coalesced);
    EXPECT_EQ(read.plan.drain_limit, 1234567891ns);
    ASSERT_EQ(read.plan.phases.size(), 2u);
    EXPECT_EQ(read.plan.phases[0].name, "steady");
    EXPECT_EQ(read.plan.phases[0].pattern, steady.pattern);
    EXPECT_EQ(read.plan.phases[0].arrivals, Arrivals::poisson());
    EXPECT_EQ(read.plan.phases[0].events(), 99u);
    EXPECT_EQ(read.plan.phases[0].warmup, 5ns);
    EXPECT_TRUE(read.plan.phases[0].flows_on);
    EXPECT_FALSE(read.plan.phases[1].flows_on);
    EXPECT_FALSE(read.plan.phases[1].pattern);
    EXPECT_EQ(read.plan.phases[1].duration(), 2s);
    EXPECT_EQ(read.plan.phases[1].window, 9u);
    EXPECT_EQ(read.plan.phases[1].think, 7us);
}

// Results are merged from what arrives: a histogram must be the one that was recorded, to the
// nanosecond of its extremes.
TEST(Control, ResultArrivesWhole) {
    ClientPhase phase;
    phase.client = 2;
    phase.delivery = {.planned = 10,
                      .sent = 9,
                      .handled = 6,
                      .rejected = 2,
                      .lost = 1,
                      .duplicated = 4,
                      .reordered = {1, 2, 3, 4}};
    phase.latency.record(123'456'789ns);
    phase.latency.record(-5ns);
    phase.service_time.record(7us);
    phase.own_lateness.record(3ns);
    phase.completed = 5;
    phase.completed_in_window = 4;
    phase.window_start = 1s;
    phase.window = 2s;
    phase.due_in_window = 8;
    phase.payload_bytes = 4711;
    phase.in_flight_max = 42;
    phase.faults[2] = {.sent = 9, .as_expected = 7, .otherwise = 1};
    phase.longest_stall = 77ns;
    phase.backlog = {0, 3, 2};
    phase.segments.resize(2);
    phase.segments[1].sent = 5;
    phase.segments[1].latency.record(1234567ns);
    phase.series_interval = 100ms;
    phase.latency_interval = 1s;
    phase.series = {{.sent = 1, .handled = 2, .refused = 3},
                    {.latency_sum = 4s, .latency_max = 5ns, .lateness_max = 6us}};
    phase.latency_series.resize(2);
    phase.latency_series[1].record(77ms);
    phase.unknown = 11;
    phase.in_flight_time = 12ns;
    phase.service_time_total = 13ns;
    phase.target_gone = "reset \"by\" peer";

    const auto read =
        get<news::PhaseReport>(decode_news(encode(News{news::PhaseReport{1, phase}})));
    EXPECT_EQ(read.phase, 1u);
    EXPECT_EQ(read.result.client, 2u);
    EXPECT_EQ(read.result.delivery, phase.delivery);
    EXPECT_EQ(read.result.latency, phase.latency);
    EXPECT_EQ(read.result.latency.clamped(), 1u);
    EXPECT_EQ(read.result.service_time, phase.service_time);
    EXPECT_EQ(read.result.lateness, phase.lateness);
    EXPECT_EQ(read.result.own_lateness, phase.own_lateness);
    EXPECT_EQ(read.result.completed, 5u);
    EXPECT_EQ(read.result.completed_in_window, 4u);
    EXPECT_EQ(read.result.window_start, 1s);
    EXPECT_EQ(read.result.window, 2s);
    EXPECT_EQ(read.result.due_in_window, 8u);
    EXPECT_EQ(read.result.payload_bytes, 4711u);
    EXPECT_EQ(read.result.in_flight_max, 42u);
    EXPECT_EQ(read.result.faults, phase.faults);
    EXPECT_EQ(read.result.longest_stall, 77ns);
    EXPECT_EQ(read.result.backlog, phase.backlog);
    EXPECT_EQ(read.result.unknown, 11u);
    ASSERT_EQ(read.result.segments.size(), 2u);
    EXPECT_EQ(read.result.segments[0].sent, 0u);
    EXPECT_EQ(read.result.segments[1].sent, 5u);
    EXPECT_EQ(read.result.segments[1].latency, phase.segments[1].latency);
    EXPECT_EQ(read.result.series_interval, 100ms);
    EXPECT_EQ(read.result.latency_interval, 1s);
    EXPECT_EQ(read.result.series, phase.series);
    EXPECT_EQ(read.result.latency_series, phase.latency_series);
    EXPECT_EQ(read.result.in_flight_time, 12ns);
    EXPECT_EQ(read.result.service_time_total, 13ns);
    EXPECT_EQ(read.result.target_gone, phase.target_gone);
}

TEST(Control, ShortMessagesReadBack) {
    const auto start = get<order::Start>(
        decode_order(encode(Order{order::Start{1, TimePoint{} + 123456789012345ns}})));
    EXPECT_EQ(start.phase, 1u);
    EXPECT_EQ(start.at, TimePoint{} + 123456789012345ns);
    get<order::Stop>(decode_order(encode(Order{order::Stop{}})));
    EXPECT_EQ(get<order::Report>(decode_order(encode(Order{order::Report{4}}))).phase, 4u);
    get<order::End>(decode_order(encode(Order{order::End{}})));
    EXPECT_EQ(get<news::Ready>(decode_news(encode(News{news::Ready{{7, 9}}}))).processes,
              (std::vector<pid_t>{7, 9}));
    const auto failed = get<news::Failed>(
        decode_news(encode(News{news::Failed{{Errc::permission_denied, "no \xff"}}})));
    EXPECT_EQ(failed.error.code, Errc::permission_denied);
    const auto progress = get<news::Progress>(decode_news(encode(News{news::Progress{1, 20, 10}})));
    EXPECT_EQ(progress.sent, 20u);
    EXPECT_EQ(progress.handled, 10u);
    EXPECT_EQ(get<news::Drained>(decode_news(encode(News{news::Drained{2}}))).phase, 2u);
}

// Another version may mean other things by the same words: refused, and said why.
TEST(Control, RefusesAnotherVersion) {
    const auto news = decode_news(R"({"type":"ready","version":1})");
    ASSERT_FALSE(news);
    EXPECT_EQ(news.error().code, Errc::unsupported);
    EXPECT_EQ(news.error().message, "the peer speaks control protocol 1, this program 3");
}

TEST(Control, RefusesWhatIsNoMessage) {
    for (const auto* line : {"", "{", "[]", R"({"type":"what"})", R"({"type":"start","phase":0})",
                             R"({"type":"start","phase":-1,"at_ns":"soon"})", "\xff\xfe"}) {
        const auto order = decode_order(line);
        ASSERT_FALSE(order) << line;
        EXPECT_EQ(order.error().code, Errc::corrupt) << line;
        EXPECT_FALSE(decode_news(line)) << line;
    }
}

struct Pair {
    Pair() {
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        a.emplace(base::UniqueFd(ends[0]));
        b.emplace(base::UniqueFd(ends[1]));
    }
    std::optional<Channel> a;
    std::optional<Channel> b;
};

// A stream has no message boundaries: lines come out whole and in order however they arrived, and
// what a peer said before it went is still heard.
TEST(Channel, GivesWholeLinesUntilThePeerIsGone) {
    Pair pair;
    ASSERT_TRUE(pair.a->send("one"));
    ASSERT_TRUE(pair.a->send(std::string(20'000, 'x')));
    ASSERT_EQ(::send(pair.a->descriptor(), "half", 4, 0), 4);
    ASSERT_TRUE(pair.b->receive());
    EXPECT_EQ(pair.b->next_line(), "one");
    EXPECT_EQ(pair.b->next_line(), std::string(20'000, 'x'));
    EXPECT_EQ(pair.b->next_line(), std::nullopt);
    ASSERT_EQ(::send(pair.a->descriptor(), "+half\n", 6, 0), 6);
    pair.a.reset();
    const auto received = pair.b->receive();
    ASSERT_FALSE(received);
    EXPECT_EQ(received.error().code, Errc::closed);
    EXPECT_EQ(pair.b->next_line(), "half+half");
    const auto sent = pair.b->send("nobody");
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error().code, Errc::closed);
}

}  // namespace
}  // namespace crucible::lab
