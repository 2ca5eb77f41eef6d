#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lab/aggregate/metric.h"
#include "lab/memory/counted_parts.h"
#include "lab/memory/leak.h"
#include "lab/memory/memory_trial.h"

namespace crucible::lab {

/// What one owner of the system under test did in one phase of a trial, over all processes.
struct OwnerFigures {
    std::string place;       ///< "client" or "system": in which processes
    std::string owner;       ///< "process" for what no part of ours owns
    double allocations = 0;  ///< in the phase
    double bytes = 0;
    double frees = 0;
    double freed_bytes = 0;
    double live_bytes = 0;  ///< when the phase's events had ended
    double live_blocks = 0;
    /// Most that was live at once since the processes began, summed over them. Of several owners
    /// together the sum of theirs, which need not have been at once; but of MemoryFigures::total.
    double peak_bytes = 0;
    /// By how much that grows with each further event in flight; MemoryFigures::why_no_peaks.
    double peak_per_event = 0;

    OwnerFigures& operator+=(const OwnerFigures& other) noexcept;
};

/// Figures per event are over the events that were sent. One that was refused at once took next to
/// nothing: where more than this share of them was not handled, what an event takes is not known. A
/// third of the difference that does not matter unless the user says otherwise.
inline constexpr double kNotHandledMax = 0.01;
/// Why figures per event of events with these ends say nothing; empty: they do.
std::string why_no_per_event(const Delivery& delivery);

/// What the allocations of the system under test in one phase come to. What the harness in the
/// client processes allocates for itself is left out.
struct MemoryFigures {
    double events = 0;                 ///< sent in the phase, its warm-up included
    double payload_bytes = 0;          ///< of those
    std::vector<OwnerFigures> owners;  ///< by place and name
    /// Of all owners; its peak is that of each process as a whole, the measurement's own owners
    /// left out, so that owners' do not add up to it.
    OwnerFigures total;
    std::vector<SizeFigures> sizes;      ///< the same allocations by size class
    std::vector<ThreadFigures> threads;  ///< and by thread
    double harness_live_bytes = 0;
    /// Of the processes that hold the system, harness and all: resident memory that is no file's,
    /// less the tracker's headers, and what of the live blocks could be used. No resident bytes:
    /// they could not be read.
    double resident_bytes = 0;
    double usable_bytes = 0;
    /// Most events in flight in the trials with few and with many, where they were varied.
    double few_in_flight = 0;
    double many_in_flight = 0;
    /// Why nothing is known of what events in flight take; empty: it is.
    std::string why_no_peaks = "events in flight were not varied";
    std::string why_no_per_event;  ///< as that function says of the phase
    /// In every process owners, threads and size classes add up to the same, and nothing is
    /// uncounted.
    Check conserved;
};

/// What the measurement's own owners hold in a client process.
double harness_live_bytes(const alloc::Snapshot& client);
/// Whether a process is the system's, or holds it.
bool is_measured(const MemoryTrial& trial, const ProcessCourse& process) noexcept;
/// Whether that owner in a client process is part of the measurement itself.
bool is_harness_owner(std::string_view owner) noexcept;
/// "system: database-1"; "client: process" of what no part of ours owns.
std::string owner_label(const ProcessCourse& process, const std::string& owner);

/// Of phase `phase` (0-based). No value where no process of the system was watched.
std::optional<MemoryFigures> memory_figures(const MemoryTrial& trial, std::size_t phase);

/// What each owner of the system under test held after each phase, over all processes of a place:
/// "system: database-1". Empty where no process of the system was watched.
std::vector<SiteCourse> owner_courses(const MemoryTrial& trial);

/// Those that trials without counting say: of memory, net of the harness.
inline constexpr std::array<std::string_view, 2> kPlainMemoryMetrics{"memory_peak", "memory_mean"};
/// The metrics of allocations, in the order in which reports show them.
std::span<const MetricInfo> allocation_metrics() noexcept;
std::vector<MetricValue> allocation_values(const MemoryFigures& figures);
/// Those of them that there are of a part of the system as well: none of these decides.
std::span<const MetricInfo> part_metrics() noexcept;
/// Of a part of `figures`.
std::vector<MetricValue> part_values(const OwnerFigures& part, const MemoryFigures& figures);

}  // namespace crucible::lab
