#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace crucible::lab {

// Does a system leak? It runs the same iteration over and over, and at the quiescent point after
// each an allocation tracker says what every site (call stack) holds. Leaks, caches, pools and
// buffers all hold more at the end than at the start; how they came there tells them apart.
// docs/design/leaks.md has the rules and how often they are wrong.

/// In ascending weight: the heaviest of the sites is the run's.
enum class LeakVerdict : std::uint8_t {
    clean,           ///< does not grow, and more than LeakOptions::negligible would have shown
    bounded_growth,  ///< grew, and stood still in the last third or grew ever more slowly in it
    inconclusive,    ///< none of the others can be said from this run
    leak,            ///< grows to the end, as fast as before
};
/// The enumerator's own name.
std::string_view to_string(LeakVerdict verdict) noexcept;

/// What one site held at the quiescent point after each iteration, warm-up included.
struct SiteCourse {
    std::string site;                  ///< as the tracker names it
    std::vector<double> live_bytes;    ///< 0 where the site has not allocated yet
    std::vector<double> live_objects;  ///< as many values, or none where they were not counted
};

/// How many iterations are judged at least.
inline constexpr std::size_t kLeakIterationsMin = 20;

/// How the run was made, and how sure to be.
struct LeakOptions {
    double events_per_iteration = 0;  ///< > 0, where all iterations have as many
    /// One value > 0 for each iteration, where they differ. A buffer whose flushes nearly keep step
    /// with equal iterations looks like a leak; it does not with iteration_lengths().
    std::vector<double> events{};
    std::size_t warm_up = 0;   ///< iterations at the start that are not judged
    double alpha = 0.01;       ///< chance of any site that does not grow being taken for growing
    double confidence = 0.95;  ///< of the intervals
    double negligible = 0.01;  ///< bytes per event that a clean site may gain or lose
};

/// Bytes per event: Theil-Sen, and an interval that holds both for noise about the line (Sen's) and
/// for noise that accumulates (Student's of the rates of nine spans). Ends may be infinite.
struct LeakSlope {
    double value = 0;
    double ci_low = 0;
    double ci_high = 0;
};

/// A site that is not clean.
struct SiteLeak {
    std::string site;
    LeakVerdict verdict = LeakVerdict::inconclusive;
    std::string_view reason;  ///< why this verdict, in words; static
    LeakSlope slope;
    LeakSlope late_slope;  ///< of the last third alone, so made of its iterations
    double p_value = 1;    ///< of "neither a trend nor a drift", Holm over all sites
    /// Bytes per event that would have been called a leak at this site; nullopt: none.
    std::optional<double> smallest_visible;
    /// Its functions, innermost first, where they are known; judge_leaks() leaves it empty.
    std::vector<std::string> stack{};
};

/// Of a run.
struct LeakJudgement {
    LeakVerdict verdict = LeakVerdict::inconclusive;
    std::string reason;
    std::size_t iterations = 0;      ///< that were judged
    std::optional<LeakSlope> total;  ///< of all sites together; nullopt: too few iterations
    /// The smallest leak in bytes per event that would have been called one at every site that does
    /// not rise, beneath the noise of this run; at one that rises its own figure holds. At least
    /// what blocks of 16 bytes need on a site without noise. nullopt: too few iterations, or none.
    std::optional<double> smallest_visible;
    std::vector<SiteLeak> growing;  ///< all that are not clean: leaks first, then by slope
};

/// All courses have one length; `options` has one number of events for all iterations or one for
/// each. About n^2 (1 + log n) steps a site.
LeakJudgement judge_leaks(std::span<const SiteCourse> sites, const LeakOptions& options);

}  // namespace crucible::lab
