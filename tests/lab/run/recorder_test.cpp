#include "lab/run/recorder.h"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "base/start_time.h"
#include "lab/run/in_flight_times.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

MeasuredPart open_loop(std::uint64_t planned, std::uint64_t first_measured = 0) {
    return {.phase_start = kStart,
            .window_start = kStart + 100ms,
            .window_end = kStart + 200ms,
            .open_loop = true,
            .first_measured = first_measured,
            .planned = planned};
}

void send(Recorder& recorder, std::uint64_t token, TimePoint due, TimePoint sent) {
    recorder.sending(token, Event{}, {due, sent}, 0ns);
    recorder.accepted(sent);
}
void complete(Recorder& recorder, std::uint64_t token, TimePoint at,
              Outcome outcome = Outcome::handled) {
    const Completion completion{token, outcome};
    recorder.completed({&completion, 1}, at);
}

// The two clocks of an event: response time from when it was due, service time from when it left.
TEST(Recorder, CountsLatencyFromDueAndServiceFromSent) {
    Recorder recorder(open_loop(1));
    send(recorder, 0, kStart + 100ms, kStart + 103ms);
    complete(recorder, 0, kStart + 105ms);
    const auto result = recorder.finish(2, kStart + 200ms);
    EXPECT_EQ(result.client, 2u);
    EXPECT_EQ(result.latency.max(), 5ms);
    EXPECT_EQ(result.service_time.max(), 2ms);
    EXPECT_EQ(result.lateness.max(), 3ms);
    EXPECT_EQ(result.completed, 1u);
    EXPECT_EQ(result.completed_in_window, 1u);
    EXPECT_EQ(result.window_start, 100ms);
    EXPECT_EQ(result.window, 100ms);
}

// Warm-up events are accounted for and not measured; throughput counts what ends in the window,
// whenever it was due.
TEST(Recorder, KeepsTheWarmUpOutOfTheFigures) {
    Recorder recorder(open_loop(3, /*first_measured=*/2));
    send(recorder, 0, kStart, kStart + 50ms);
    send(recorder, 1, kStart + 90ms, kStart + 90ms);
    send(recorder, 2, kStart + 150ms, kStart + 150ms);
    complete(recorder, 0, kStart + 60ms);
    complete(recorder, 1, kStart + 110ms);
    complete(recorder, 2, kStart + 250ms);  // due in the window, ended after it
    const auto result = recorder.finish(0, kStart + 300ms);
    EXPECT_EQ(result.delivery.handled, 3u);
    EXPECT_EQ(result.completed, 1u);
    EXPECT_EQ(result.completed_in_window, 1u);
    EXPECT_EQ(result.latency.count(), 1u);
    EXPECT_EQ(result.latency.max(), 100ms);
    EXPECT_EQ(result.lateness.max(), 1ns);  // the histogram's smallest
    EXPECT_EQ(result.due_in_window, 1u);
}

// What is not handled has no latency: a system must not look fast by refusing.
TEST(Recorder, RefusedEventsHaveNoLatency) {
    Recorder recorder(open_loop(3));
    recorder.sending(0, Event{}, {kStart, kStart}, 0ns);
    recorder.refused(0, kStart);
    send(recorder, 1, kStart, kStart);
    complete(recorder, 1, kStart + 120ms, Outcome::failed);
    send(recorder, 2, kStart, kStart);
    const auto result = recorder.finish(0, kStart + 300ms);
    EXPECT_EQ(result.delivery.sent, 3u);
    EXPECT_EQ(result.delivery.rejected, 2u);
    EXPECT_EQ(result.delivery.lost, 1u);
    EXPECT_EQ(result.latency.count(), 0u);
    EXPECT_EQ(result.completed_in_window, 0u);
}

// A second acknowledgement counts as a duplicate and must not be measured again.
TEST(Recorder, MeasuresAnEventOnce) {
    Recorder recorder(open_loop(1));
    send(recorder, 0, kStart, kStart);
    complete(recorder, 0, kStart + 110ms);
    complete(recorder, 0, kStart + 120ms);
    complete(recorder, 7, kStart + 130ms);  // never sent
    const auto result = recorder.finish(0, kStart + 300ms);
    EXPECT_EQ(result.latency.count(), 1u);
    EXPECT_EQ(result.delivery.duplicated, 1u);
    EXPECT_EQ(result.unknown, 1u);
    EXPECT_EQ(result.in_flight_time, 110ms);
}

// A stall is silence while something is in flight: idle time is none, and neither is the warm-up.
TEST(Recorder, LongestStallIgnoresIdleTime) {
    Recorder recorder(open_loop(4));
    send(recorder, 0, kStart, kStart);
    complete(recorder, 0, kStart + 90ms);               // 90 ms, all of it warm-up
    send(recorder, 1, kStart + 140ms, kStart + 140ms);  // 50 ms idle before it
    send(recorder, 2, kStart + 145ms, kStart + 145ms);
    complete(recorder, 1, kStart + 150ms);
    complete(recorder, 2, kStart + 165ms);  // 15 ms after the last completion
    EXPECT_EQ(recorder.finish(0, kStart + 300ms).longest_stall, 15ms);
}

// What never ends stalls until the phase does.
TEST(Recorder, LongestStallCountsWhatNeverEnds) {
    Recorder recorder(open_loop(1));
    send(recorder, 0, kStart + 120ms, kStart + 120ms);
    EXPECT_EQ(recorder.finish(0, kStart + 300ms).longest_stall, 180ms);
}

// The most at once, whatever came before and after.
TEST(Recorder, KnowsTheMostInFlight) {
    Recorder recorder(open_loop(5));
    send(recorder, 0, kStart, kStart);
    send(recorder, 1, kStart, kStart);
    send(recorder, 2, kStart, kStart);
    complete(recorder, 1, kStart + 110ms);
    complete(recorder, 0, kStart + 110ms);
    send(recorder, 3, kStart + 120ms, kStart + 120ms);
    complete(recorder, 2, kStart + 130ms);
    complete(recorder, 3, kStart + 130ms);
    EXPECT_EQ(recorder.finish(0, kStart + 300ms).in_flight_max, 3u);
}

// Little's law compares a sum over counts with a sum over events: both are exact.
TEST(Recorder, TimeInFlightIsExact) {
    Recorder recorder(open_loop(3));
    send(recorder, 0, kStart, kStart + 1ms);
    send(recorder, 1, kStart, kStart + 2ms);
    complete(recorder, 1, kStart + 12ms);
    complete(recorder, 0, kStart + 31ms);
    recorder.sending(2, Event{}, {kStart, kStart + 40ms}, 0ns);
    recorder.refused(2, kStart + 40ms);
    const auto result = recorder.finish(0, kStart + 300ms);
    EXPECT_EQ(result.in_flight_time, 40ms);
    EXPECT_EQ(result.service_time_total, 40ms);
}

// A load that was ended early has a shorter window, or its throughput would look too low.
TEST(Recorder, WindowEndsWithTheLoad) {
    Recorder recorder(open_loop(100));
    send(recorder, 0, kStart + 100ms, kStart + 100ms);
    complete(recorder, 0, kStart + 101ms);
    recorder.end_window(kStart + 150ms);
    send(recorder, 1, kStart + 101ms, kStart + 149ms);
    complete(recorder, 1, kStart + 151ms);
    const auto result = recorder.finish(0, kStart + 300ms);
    EXPECT_EQ(result.window, 50ms);
    EXPECT_EQ(result.completed_in_window, 1u);
    EXPECT_EQ(result.due_in_window, 2u);
}

// A run of days may not grow: memory is for what is in flight, whatever has passed through.
TEST(InFlightTimes, UsesMemoryForWhatIsInFlightOnly) {
    InFlightTimes times;
    for (std::uint64_t token = 0; token < 1'000'000; ++token) {
        const TimePoint due = kStart + Duration(token);
        times.put(token, {due, due + 1us});
        if (token >= 1000) {
            const auto taken = times.take(token - 1000);
            ASSERT_EQ(taken.due, kStart + Duration(token - 1000));
            ASSERT_EQ(taken.sent, taken.due + 1us);
        }
    }
    EXPECT_LE(times.blocks(), 2u);
}

}  // namespace
}  // namespace crucible::lab
