#include "lab/pace/pattern.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>
#include <vector>

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

Pattern parsed(std::string_view text) {
    auto pattern = Pattern::parse(text);
    EXPECT_TRUE(pattern) << pattern.error().message;
    return pattern ? *pattern : Pattern::steady(*base::Rate::per_second(1), 1s);
}

std::string refusal(std::string_view text) {
    const auto pattern = Pattern::parse(text);
    return pattern ? "accepted" : pattern.error().message;
}

/// The integral of the rate up to `time`, by Simpson's rule over each segment: knows nothing of the
/// closed forms.
double integral(const Pattern& pattern, Duration time) {
    double sum = 0;
    for (std::size_t i = 0; i < pattern.segments().size(); ++i) {
        const auto& segment = pattern.segments()[i];
        const Duration part = std::min(time - pattern.start_of(i), segment.duration);
        if (part <= 0ns) break;
        constexpr int kSteps = 2000;
        const double width = std::chrono::duration<double>(part).count() / kSteps;
        for (int s = 0; s < kSteps; ++s) {
            const auto at = [&](double share) {
                return segment.rate_at(std::chrono::duration_cast<Duration>(
                    std::chrono::duration<double>((s + share) * width)));
            };
            sum += width / 6 * (at(0) + 4 * at(0.5) + at(1));
        }
    }
    return sum;
}

// What is promised of every pattern: at any moment the number of events due is within one of the
// integral of its rate, and due times never fall.
TEST(Pattern, EventsAreWithinOneOfTheIntegralOfTheRate) {
    for (const auto* text :
         {"steady:137/s,3s", "ramp:0,1000,4s", "ramp:500,3,4s", "spike:100,2000,1s,5s",
          "step:100,500,100,500ms", "step:500,100,150,500ms", "sine:300,300,2s,5s",
          "sine:300,120,700ms,5s", "ramp:0,300,2s;steady:300,1s;ramp:300,0,2s"}) {
        const Pattern pattern = parsed(text);
        const auto events = static_cast<std::uint64_t>(std::llround(pattern.events()));
        std::vector<Duration> due;
        for (std::uint64_t i = 0; i < events; ++i)
            due.push_back(pattern.time_of(static_cast<double>(i)));
        EXPECT_TRUE(std::ranges::is_sorted(due)) << text;
        EXPECT_EQ(due.front(), 0ns) << text;
        EXPECT_LT(due.back(), pattern.duration()) << text;
        for (int part = 1; part <= 20; ++part) {
            const Duration time = pattern.duration() * part / 20;
            const auto sent = std::ranges::lower_bound(due, time) - due.begin();
            EXPECT_NEAR(static_cast<double>(sent), integral(pattern, time), 1.001)
                << text << " after " << part << "/20";
            EXPECT_NEAR(pattern.count_at(time), integral(pattern, time), 0.01) << text;
        }
    }
}

// Exact places of simple ones.
TEST(Pattern, KnownTimes) {
    // A ramp from 0 has sent t^2 / (2 D) of its final rate: a quarter of the events in half the
    // time.
    const Pattern ramp = parsed("ramp:0,1000,4s");
    EXPECT_DOUBLE_EQ(ramp.events(), 2000);
    EXPECT_EQ(ramp.time_of(500), 2s);
    // Level to 2 s, peak to 3 s, level to 5 s.
    const Pattern spike = parsed("spike:100,2000,1s,5s");
    EXPECT_DOUBLE_EQ(spike.events(), 200 + 2000 + 200);
    EXPECT_EQ(spike.time_of(199), 1990ms);
    EXPECT_EQ(spike.time_of(200), 2s);
    EXPECT_EQ(spike.time_of(1200), 2500ms);
    EXPECT_EQ(spike.time_of(2300), 4s);
    // A wave's whole periods hold its mean.
    const Pattern sine = parsed("sine:300,200,2s,6s");
    EXPECT_DOUBLE_EQ(sine.events(), 1800);
    EXPECT_EQ(sine.time_of(600), 2s);
    EXPECT_EQ(sine.time_of(1200), 4s);
    EXPECT_DOUBLE_EQ(sine.segments()[0].rate_at(500ms), 500);
    // 3 bursts of 100, each at one moment.
    const Pattern burst = parsed("burst:100,250ms,3");
    EXPECT_DOUBLE_EQ(burst.events(), 300);
    EXPECT_EQ(burst.duration(), 750ms);
    EXPECT_EQ(burst.time_of(99), 0ms);
    EXPECT_EQ(burst.time_of(100), 250ms);
    EXPECT_EQ(burst.time_of(299), 500ms);
    EXPECT_DOUBLE_EQ(burst.count_at(0ns), 100);
    EXPECT_DOUBLE_EQ(burst.count_at(499ms), 200);
    // Behind its end a pattern goes on at its mean rate: a random arrival process may need it.
    EXPECT_EQ(ramp.time_of(2500), 5s);
}

TEST(Pattern, StretchesHaveNames) {
    const auto names = [](std::string_view text) {
        const Pattern pattern = parsed(text);
        std::vector<std::string> result;
        for (const auto& segment : pattern.segments()) result.push_back(segment.name);
        return result;
    };
    using Names = std::vector<std::string>;
    EXPECT_EQ(names("spike:1,9,1s,5s"), (Names{"before", "peak", "after"}));
    EXPECT_EQ(names("step:100,300,100,1s"), (Names{"100/s", "200/s", "300/s"}));
    EXPECT_EQ(names("step:300,100,150,1s"), (Names{"300/s", "150/s"}));
    EXPECT_EQ(names("morning=ramp:1,5,1s; noon = steady:5,1s"), (Names{"morning", "noon"}));
    EXPECT_EQ(names("rush=spike:1,9,1s,5s"), (Names{"rush before", "rush peak", "rush after"}));
}

TEST(Pattern, TextReadsBack) {
    for (const auto* text : {"spike:100,2k/s,5s,60s", "a=ramp:0,5/s,1s;sine:3,2,1s,9s"}) {
        const Pattern pattern = parsed(text);
        EXPECT_EQ(pattern.text(), text);
        EXPECT_EQ(parsed(pattern.text()), pattern);
    }
    const auto rate = *base::Rate::per_second(1234.5678901234);
    const Pattern steady = Pattern::steady(rate, 1234567891ns);
    EXPECT_EQ(parsed(steady.text()), steady);
    EXPECT_TRUE(steady.is_steady());
    EXPECT_FALSE(parsed("ramp:1,2,1s").is_steady());
}

// The same rates for longer or shorter, what is counted in bursts with more or fewer of them.
TEST(Pattern, IsStretched) {
    const auto text = [](std::string_view of, double factor) {
        const auto pattern = parsed(of).stretched(factor);
        return pattern ? pattern->text() : pattern.error().message;
    };
    EXPECT_EQ(text("steady:100,2s", 1.5), "steady:100,3000000000ns");
    EXPECT_EQ(text("burst:10,20ms,4", 1.5), "burst:10,20ms,6");
    EXPECT_EQ(text("burst:10,20ms,1", 1.5), "burst:15,20ms,1");
    EXPECT_EQ(text("a=ramp:0,5/s,1s;sine:3,2,1s,9s", 0.5),
              "a=ramp:0,5/s,500000000ns;sine:3,2,500000000ns,4500000000ns");
    EXPECT_EQ(text("spike:0,2k/s,5s,60s", 0.5), "spike:0,2k/s,2500000000ns,30000000000ns");
    EXPECT_EQ(text("step:100,300,100,1s", 2), "step:100,300,100,2000000000ns");
    // There is an event in each.
    EXPECT_EQ(text("steady:1,1s", 0.5), "steady:1,1000000000ns");
    EXPECT_EQ(text("steady:1,20h", 1.5),
              "pattern 'steady:1,108000000000000ns' "
              "(steady:RATE,DURATION): DURATION '108000000000000ns': "
              "above 0 and at most 24h");
}

TEST(Pattern, RatesForWarmUpAndSizing) {
    EXPECT_DOUBLE_EQ(parsed("spike:100,2000,1s,5s").initial_rate(), 100);
    EXPECT_DOUBLE_EQ(parsed("ramp:0,1000,4s").initial_rate(), 500);  // nothing to warm up with at 0
    EXPECT_DOUBLE_EQ(parsed("burst:100,250ms,3").initial_rate(), 400);
    EXPECT_DOUBLE_EQ(parsed("sine:300,200,2s,6s").peak_rate(), 500);
    EXPECT_DOUBLE_EQ(parsed("spike:100,2000,1s,5s").peak_rate(), 2000);
    EXPECT_DOUBLE_EQ(parsed("spike:100,2000,1s,5s").mean_rate(), 480);
}

TEST(Pattern, MistakesNameThePartAndWhatIsAllowed) {
    EXPECT_EQ(refusal("spikes:1,2,3s,4s"),
              "pattern 'spikes:1,2,3s,4s': unknown kind 'spikes'; known: steady, burst, ramp, "
              "spike, step, sine");
    EXPECT_EQ(refusal("ramp:1,2"), "pattern 'ramp:1,2': 2 values, must be ramp:FROM,TO,DURATION");
    EXPECT_EQ(refusal("steady"), "pattern 'steady': 0 values, must be steady:RATE,DURATION");
    EXPECT_EQ(refusal("steady:0,1s"),
              "pattern 'steady:0,1s' (steady:RATE,DURATION): RATE '0': above 0");
    EXPECT_EQ(refusal("spike:1,9,5s,5s"),
              "pattern 'spike:1,9,5s,5s' (spike:BASE,PEAK,PEAK_DURATION,DURATION): PEAK_DURATION "
              "must be below DURATION");
    EXPECT_EQ(refusal("sine:5,6,1s,2s"),
              "pattern 'sine:5,6,1s,2s' (sine:MEAN,AMPLITUDE,PERIOD,DURATION): AMPLITUDE must be "
              "at most MEAN: a rate is never negative");
    EXPECT_EQ(refusal("ramp:0,0,1s"),
              "pattern 'ramp:0,0,1s' (ramp:FROM,TO,DURATION): FROM and TO are both 0");
    EXPECT_EQ(refusal("step:1,1000,1,1s"),
              "pattern 'step:1,1000,1,1s' (step:FROM,TO,STEP,STEP_DURATION): more than 100 steps");
    EXPECT_EQ(refusal("burst:2.5,1s,3"),
              "pattern 'burst:2.5,1s,3' (burst:SIZE,INTERVAL,COUNT): SIZE '2.5': a whole number "
              "from 1 to 1000000000");
    EXPECT_EQ(refusal("steady:1/s,1s;"),
              "pattern '': unknown kind ''; known: steady, burst, ramp, spike, step, sine");
    EXPECT_EQ(refusal("steady:0.1,1s"), "pattern 'steady:0.1,1s': no event in it");
    EXPECT_EQ(refusal("steady:1M/s,2h"),
              "pattern 'steady:1M/s,2h': 7200000000 events, at most 4000000000");
    EXPECT_EQ(refusal("steady:1,20h;steady:1,20h"),
              "pattern 'steady:1,20h;steady:1,20h': longer than 24h");
    EXPECT_TRUE(refusal("ramp:1,2,3").find("DURATION") != std::string::npos);
}

}  // namespace
}  // namespace crucible::lab
