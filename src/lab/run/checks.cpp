#include "lab/run/checks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "base/units.h"
#include "lab/run/merge.h"

namespace crucible::lab {
namespace {

constexpr double kLittlesTolerance = 0.01;

std::string count(std::uint64_t value) {
    std::string digits = fmt::format("{}", value);
    for (auto i = static_cast<std::ptrdiff_t>(digits.size()) - 3; i > 0; i -= 3)
        digits.insert(static_cast<std::size_t>(i), ",");
    return digits;
}

std::string time(Duration duration) {
    return base::format_duration(std::chrono::duration<double>(duration).count());
}

Check conservation(const Delivery& total, const std::vector<PhaseResult>& phases) {
    std::uint64_t unknown = 0;
    for (const auto& phase : phases) {
        for (const auto& client : phase.clients) unknown += client.unknown;
    }
    Check check{"conservation",
                total.sent == total.handled + total.rejected + total.lost && unknown == 0,
                fmt::format("{} sent = {} handled + {} rejected + {} lost", count(total.sent),
                            count(total.handled), count(total.rejected), count(total.lost))};
    if (unknown > 0) {
        check.detail += fmt::format("; {} acknowledgements of events never sent", count(unknown));
    }
    return check;
}

/// How late the injector may be by its own fault in `phase`.
Duration lateness_bound(const PhaseResult& phase, Duration lateness_p99) {
    if (!phase.saturated) return kLatenessMax;
    return std::max(
        kLatenessMax,
        Duration(std::llround(kOwnShareMax * static_cast<double>(lateness_p99.count()))));
}

Check schedule_kept(const std::vector<PhaseResult>& phases) {
    Check check{"schedule_kept", true, "closed loop: no event has a due time"};
    for (const auto& phase : phases) {
        if (phase.own_lateness.count() == 0) continue;
        const Duration own = phase.own_lateness.quantile(0.99);
        const Duration all = phase.lateness.quantile(0.99);
        const Duration bound = lateness_bound(phase, all);
        check.passed = own <= bound;
        check.detail = fmt::format("lateness p99 {}; the bound is {}", time(own), time(bound));
        if (!check.passed) {
            check.detail +=
                "; the load generator could not keep up: use more --clients, a lower --rate, or "
                "cores that are not shared with the target";
            return check;
        }
        if (all > kLatenessMax) {
            check.detail +=
                fmt::format("; {} with the time that the target's own send() took", time(all));
        }
    }
    return check;
}

Check clock_sanity(const std::vector<PhaseResult>& phases) {
    std::uint64_t clamped = 0;
    std::uint64_t values = 0;
    for (const auto& phase : phases) {
        for (const auto* histogram : {&phase.latency, &phase.service_time, &phase.lateness}) {
            clamped += histogram->clamped();
            values += histogram->count();
        }
    }
    return {"clock_sanity", clamped == 0,
            fmt::format("{} of {} durations negative or above 1 h", count(clamped), count(values))};
}

Check offered_as_planned(const Delivery& total) {
    const std::uint64_t unsent = total.planned - std::min(total.planned, total.sent);
    return {
        "offered_as_planned",
        static_cast<double>(unsent) <= kUnsentMax * static_cast<double>(total.planned),
        fmt::format("{} of {} planned events were sent", count(total.sent), count(total.planned))};
}

Check faults_as_expected(const std::vector<PhaseResult>& phases) {
    FaultCounts counts{};
    for (const auto& phase : phases)
        for (std::size_t i = 0; i < kFaultCount; ++i) counts[i] += phase.faults[i];
    Check check{"faults_as_expected", true, ""};
    for (const auto fault : {Fault::malformed, Fault::failing, Fault::duplicate}) {
        const auto& one = counts[static_cast<std::size_t>(fault)];
        if (one.sent == 0) continue;
        check.detail += fmt::format("{}{} of {} {} {}", check.detail.empty() ? "" : ", ",
                                    count(one.as_expected), count(one.sent), to_string(fault),
                                    to_string(expected_outcome(fault)));
        check.passed = check.passed && one.otherwise == 0;
    }
    if (check.detail.empty()) check.detail = "no faulty event was sent";
    return check;
}

Check answers_as_expected(const std::vector<PhaseResult>& phases) {
    std::vector<std::string> remarks;
    if (!phases.empty()) {
        // A target's remarks run up to the end of the phase: those of the last one are all.
        for (const auto& client : phases.back().clients) {
            if (!client.remarks.empty())
                remarks.push_back(fmt::format("client-{}: {}", client.client, client.remarks));
        }
    }
    return {"answers_as_expected", remarks.empty(),
            remarks.empty() ? "nothing else was answered"
                            : fmt::format("{}", fmt::join(remarks, "; "))};
}

Check littles_law(const Delivery& total, const std::vector<PhaseResult>& phases) {
    if (total.lost > 0) {
        return {"littles_law", true,
                fmt::format("not computed: {} lost events have no end", count(total.lost))};
    }
    double from_counts = 0;
    double from_times = 0;
    for (const auto& phase : phases) {
        for (const auto& client : phase.clients) {
            from_counts += std::chrono::duration<double>(client.in_flight_time).count();
            from_times += std::chrono::duration<double>(client.service_time_total).count();
        }
    }
    if (from_times <= 0) return {"littles_law", true, "not computed: no event was in flight"};
    const double ratio = from_counts / from_times;
    return {"littles_law", std::abs(ratio - 1) <= kLittlesTolerance,
            fmt::format("L / (lambda W) = {:.4f}; within 1 % of 1 is expected", ratio)};
}

Check not_saturated(const std::vector<PhaseResult>& phases) {
    Check check{"not_saturated", true, "closed loop: cannot be"};
    for (const auto& phase : phases) {
        if (!phase.phase.open_loop()) continue;
        const auto judged = judge_saturation(phase.phase, phase.clients);
        check.passed = !judged.saturated;
        if (!phase.phase.pattern->is_steady()) {
            check.detail = fmt::format("{}: the rate changes; latencies are those of the pattern",
                                       phase.phase.name);
            continue;
        }
        if (!judged.judged) {
            check.detail = fmt::format("{}: too short to tell", phase.phase.name);
            continue;
        }
        check.detail = fmt::format(
            "{}: {} of {} due events handled in time; mean backlog of the thirds {:.1f}, {:.1f}, "
            "{:.1f}",
            phase.phase.name, count(judged.completed), count(judged.due), judged.first_third,
            judged.middle_third, judged.last_third);
        if (judged.saturated) break;
    }
    return check;
}

}  // namespace

bool invalidates(std::string_view name) noexcept {
    constexpr std::array<std::string_view, 3> kNames{"conservation", "schedule_kept",
                                                     "clock_sanity"};
    return std::ranges::find(kNames, name) != kNames.end();
}

std::vector<Check> trial_checks(const std::vector<PhaseResult>& phases) {
    Delivery total;
    for (const auto& phase : phases) total += phase.delivery;
    return {conservation(total, phases),
            offered_as_planned(total),
            schedule_kept(phases),
            clock_sanity(phases),
            {"no_duplicates", total.duplicated == 0,
             fmt::format("{} acknowledged more than once", count(total.duplicated))},
            {"no_losses", total.lost == 0,
             fmt::format("{} of {} events never ended", count(total.lost), count(total.sent))},
            answers_as_expected(phases),
            faults_as_expected(phases),
            littles_law(total, phases),
            not_saturated(phases)};
}

Check clock_steady(const Surroundings& surroundings) {
    // 500 ppm is the fastest at which kernels slew.
    const Duration allowed = kClockStepMax + surroundings.wall / 2000;
    const Duration step = surroundings.clock_step;
    return {
        "clock_steady", step <= allowed && -step <= allowed,
        fmt::format("the wall clock went {} {} in {}", time(step < Duration::zero() ? -step : step),
                    step < Duration::zero() ? "back" : "ahead", time(surroundings.wall))};
}

bool TrialResult::valid() const {
    return !failure && !interrupted && std::ranges::none_of(checks, [](const Check& check) {
        return !check.passed && invalidates(check.name);
    });
}

}  // namespace crucible::lab
