#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "crucible/error.h"

/// What the bench runs, each time in a process of its own, with and without the tracker. They
/// measure themselves from inside, so that starting a process is in none of their figures.
namespace crucible::bench {

/// The word that makes the bench such a program: `program NAME AMOUNT FILE`.
inline constexpr std::string_view kProgramWord = "program";

/// What a program found out.
struct ProgramResult {
    double seconds = 0;  ///< of what it measures
    /// Allocations that it knows it made; the tracker has to have counted these at least.
    std::uint64_t allocations = 0;
};

struct Program {
    std::string_view name;
    std::string_view amount;  ///< of what it is asked for how much
    Result<ProgramResult> (*run)(std::uint64_t amount);
};

/// malloc and free of 64 B, one after the other: for a pair.
Result<ProgramResult> small_pairs(std::uint64_t pairs);
/// A free and a malloc at each place of a ring of 1,024 blocks from 16 B to 4 KiB: for a pair.
Result<ProgramResult> ring_pairs(std::uint64_t pairs);
/// thread_allocations() before and after nothing, and their difference: for one.
Result<ProgramResult> counter_scopes(std::uint64_t scopes);
/// An AllocationScope entered and left: for one.
Result<ProgramResult> owner_scopes(std::uint64_t scopes);
/// Two threads that keep 16,384 records of strings each in a map: put one in, look four up, take
/// the oldest out. For so many allocations in all.
Result<ProgramResult> queried_maps(std::uint64_t allocations);
/// Two threads that do nothing but put strings into maps of 1,024 and take them out. For so many.
Result<ProgramResult> churned_maps(std::uint64_t allocations);
/// An event loop that handles so many events, paced: p99 from when an event was due until it was
/// handled.
Result<ProgramResult> event_loop(std::uint64_t events);

std::span<const Program> programs() noexcept;

/// Runs the one that the words name, and writes what it found out to the file. The exit code.
int program_main(std::span<char* const> words);

}  // namespace crucible::bench
