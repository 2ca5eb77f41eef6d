#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lab/report/document.h"
#include "lab/report/terminal_text.h"
#include "lab/report/wording.h"

namespace crucible::lab::report {

// What the terminal's reports share.

// Columns of the table of compared metrics, behind an indent of one.
inline constexpr std::size_t kLabel = 16;
inline constexpr std::size_t kBaseline = 10;
inline constexpr std::size_t kCandidate = 11;
inline constexpr std::size_t kChange = 7;
inline constexpr std::size_t kInterval = 15;

Ink ink_of(std::string_view verdict);
/// "[+1.0, +2.0]"; empty stays empty.
std::string bracketed(std::string text);

void write_failed_checks(TerminalText& text, const std::vector<FailedCheck>& failed);
void write_load(TerminalText& text, const std::string& name, const std::string& description,
                const Load& load);
void write_ledger_header(TerminalText& text);
void write_ledger_row(TerminalText& text, std::string_view name, const Delivery& delivery);
/// Program, seed, time and machine of a measurement.
void write_closing(TerminalText& text, const Header& header);

/// The whole of a memory profile; terminal_memory.cpp.
std::string render_memory(const MemoryDocument& document, std::size_t width, bool colour);

/// The whole of a scaling; terminal_scaling.cpp.
std::string render_scaling(const ScalingDocument& document, std::size_t width, bool colour);

/// The table of compared metrics; terminal.cpp.
void write_compared(TerminalText& text, const std::vector<ComparedMetric>& metrics, bool gated);

/// The whole of an observation; terminal_observation.cpp.
std::string render_observation(const ObservationDocument& document, std::size_t width, bool colour);

}  // namespace crucible::lab::report
