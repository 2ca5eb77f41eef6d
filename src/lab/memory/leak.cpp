#include "lab/memory/leak.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "base/assert.h"
#include "lab/memory/growth.h"
#include "lab/memory/rules.h"
#include "lab/memory/visible_leak.h"
#include "lab/stats/multiple_comparisons.h"
#include "lab/stats/trend.h"

namespace crucible::lab {
namespace {

/// Events handled up to the end of each judged iteration.
std::vector<double> events_handled(const LeakOptions& options, std::size_t iterations) {
    CRUCIBLE_ASSERT(options.events.empty() || options.events.size() == iterations);
    std::vector<double> result;
    double handled = 0;
    for (std::size_t i = options.warm_up; i < iterations; ++i) {
        const double events =
            options.events.empty() ? options.events_per_iteration : options.events[i];
        CRUCIBLE_ASSERT(events > 0 && std::isfinite(events));
        result.push_back(handled += events);
    }
    return result;
}

/// Neither interval alone holds for every noise: Sen's is far too narrow for a random walk.
LeakSlope course_slope(std::span<const double> events, std::span<const double> values,
                       double level) {
    const auto line = stats::theil_sen(events, values, level);
    const auto [low, high] =
        stats::hull(line.interval, drift_interval(span_rates(events, values), level));
    return {line.estimate, low, high};
}

/// A site on its way through the judgement. Empty spans: no objects counted.
struct Judged {
    std::span<const double> bytes;
    std::span<const double> objects;
    CourseTests bytes_tests;
    CourseTests objects_tests;
    SiteLeak leak;
};

bool changes(std::span<const double> values) {
    return std::ranges::adjacent_find(values, std::ranges::not_equal_to{}) != values.end();
}

/// One run's judgement while it is made.
class Run {
public:
    Run(std::span<const SiteCourse> sites, const LeakOptions& options, std::size_t iterations)
        : options_(options), events_(events_handled(options, iterations)) {
        for (const auto& site : sites) {
            CRUCIBLE_ASSERT(site.live_bytes.size() == iterations);
            CRUCIBLE_ASSERT(site.live_objects.empty() || site.live_objects.size() == iterations);
            Judged judged;
            judged.bytes = std::span(site.live_bytes).subspan(options.warm_up);
            if (!site.live_objects.empty()) {
                judged.objects = std::span(site.live_objects).subspan(options.warm_up);
            }
            judged.leak.site = site.site;
            sites_.push_back(std::move(judged));
        }
    }

    LeakJudgement judge() {
        adjust_tests();
        LeakJudgement result;
        result.iterations = events_.size();
        const VisibleLeak visible(events_, hypotheses_, options_.alpha);
        const std::vector<double> silence(events_.size());
        result.smallest_visible = visible.beneath(silence);
        for (auto& site : sites_) {
            judge_site(site);
            note_visible(site, visible, result.smallest_visible);
        }
        judge_total(result);
        for (auto& site : sites_) {
            if (site.leak.verdict == LeakVerdict::clean) continue;
            result.growing.push_back(std::move(site.leak));
        }
        std::ranges::stable_sort(result.growing, [](const SiteLeak& a, const SiteLeak& b) {
            return std::pair(a.verdict, a.slope.value) > std::pair(b.verdict, b.slope.value);
        });
        return result;
    }

private:
    /// Courses that never change are no hypotheses: their p-value is 1 whatever the threshold.
    void adjust_tests() {
        std::vector<CourseTests*> tests;
        for (auto& site : sites_) {
            if (changes(site.bytes)) {
                site.bytes_tests = test_course({events_, site.bytes});
                tests.push_back(&site.bytes_tests);
            }
            if (changes(site.objects)) {
                site.objects_tests = test_course({events_, site.objects, 1});
                tests.push_back(&site.objects_tests);
            }
        }
        hypotheses_ = std::max<std::size_t>(1, tests.size());
        adjust(tests, &CourseTests::trend_p);
        adjust(tests, &CourseTests::leak_p);
    }

    static void adjust(const std::vector<CourseTests*>& tests, double CourseTests::*p_value) {
        std::vector<double> p_values;
        for (const auto* test : tests) p_values.push_back(test->*p_value);
        const auto adjusted = stats::adjust(p_values, stats::Adjustment::holm);
        for (std::size_t i = 0; i < tests.size(); ++i) tests[i]->*p_value = adjusted[i];
    }

    void judge_site(Judged& site) const {
        site.leak.slope = course_slope(events_, site.bytes, options_.confidence);
        const auto [line, walk] = late_slope(events_, site.bytes, options_.confidence);
        const auto late = stats::hull(line.interval, walk);
        site.leak.late_slope = {line.estimate, late.low, late.high};
        site.leak.p_value = std::min(site.bytes_tests.leak_p, site.objects_tests.leak_p);
        auto verdict = judge_course({events_, site.bytes}, site.bytes_tests, options_.alpha,
                                    std::max(-site.leak.slope.ci_low, site.leak.slope.ci_high),
                                    options_.negligible);
        if (!site.objects.empty()) {
            // Blocks of different sizes make bytes noisier than objects. That a count cannot be
            // excluded to grow says nothing more than the bytes do.
            const auto counted =
                judge_course({events_, site.objects, 1}, site.objects_tests, options_.alpha, 0, 0);
            verdict = together(verdict, counted, site.objects_tests.trend_p <= options_.alpha);
        }
        site.leak.verdict = verdict.verdict;
        site.leak.reason = verdict.reason;
    }

    void note_visible(Judged& site, const VisibleLeak& visible,
                      std::optional<double>& everywhere) const {
        const bool rises =
            std::min(site.bytes_tests.trend_p, site.objects_tests.trend_p) <= options_.alpha;
        if (site.leak.verdict == LeakVerdict::clean && !changes(site.bytes)) return;
        std::vector<double> noise(site.bytes.begin(), site.bytes.end());
        for (std::size_t i = 0; i < noise.size(); ++i) {
            noise[i] -= site.leak.slope.value * (events_[i] - events_.front());
        }
        site.leak.smallest_visible = visible.beneath(noise);
        if (rises || !everywhere) return;
        everywhere = site.leak.smallest_visible
                         ? std::optional(std::max(*everywhere, *site.leak.smallest_visible))
                         : std::nullopt;
    }

    void judge_total(LeakJudgement& result) const {
        std::vector<double> bytes(events_.size());
        for (const auto& site : sites_) {
            std::ranges::transform(bytes, site.bytes, bytes.begin(), std::plus{});
        }
        result.total = course_slope(events_, bytes, options_.confidence);
        result.verdict = LeakVerdict::clean;
        std::size_t heaviest = 0;
        for (const auto& site : sites_) {
            result.verdict = std::max(result.verdict, site.leak.verdict);
        }
        for (const auto& site : sites_) heaviest += site.leak.verdict == result.verdict;
        result.reason =
            fmt::format("{} of {} sites: {}", heaviest, sites_.size(), to_string(result.verdict));
        // Many sites of few blocks each, a stack for each depth of a recursion: none grows for
        // long, and together they do. So do many caches that fill one after the other.
        if (result.verdict < LeakVerdict::inconclusive &&
            grows_as_leaks_do({events_, bytes}, options_.alpha)) {
            result.verdict = LeakVerdict::inconclusive;
            result.reason = "all sites together grow to the end, though no single one does";
        }
    }

    const LeakOptions& options_;
    std::vector<double> events_;
    std::vector<Judged> sites_;
    std::size_t hypotheses_ = 1;
};

}  // namespace

std::string_view to_string(LeakVerdict verdict) noexcept {
    switch (verdict) {
        case LeakVerdict::clean:
            return "clean";
        case LeakVerdict::bounded_growth:
            return "bounded_growth";
        case LeakVerdict::inconclusive:
            return "inconclusive";
        case LeakVerdict::leak:
            return "leak";
    }
    return "unknown";
}

LeakJudgement judge_leaks(std::span<const SiteCourse> sites, const LeakOptions& options) {
    CRUCIBLE_ASSERT(options.alpha > 0 && options.alpha < 1 && options.negligible >= 0);
    stats::require_level(options.confidence);
    LeakJudgement result;
    if (sites.empty()) {
        result.reason = "no site was tracked";
        return result;
    }
    const std::size_t iterations = sites.front().live_bytes.size();
    const std::size_t judged = iterations - std::min(iterations, options.warm_up);
    if (judged < kLeakIterationsMin) {
        result.iterations = judged;
        result.reason = fmt::format("{} iterations after warm-up; a verdict takes {}", judged,
                                    kLeakIterationsMin);
        return result;
    }
    return Run(sites, options, iterations).judge();
}

}  // namespace crucible::lab
