#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lab/report/document.h"
#include "lab/report/wording.h"

namespace crucible::lab::report {

/// Markdown that grows line by line.
class Markdown {
public:
    template <typename... Args>
    void line(fmt::format_string<Args...> format, Args&&... args) {
        fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
        text_ += '\n';
    }
    void blank() { text_ += '\n'; }
    void row(const std::vector<std::string>& cells) { line("| {} |", fmt::join(cells, " | ")); }
    std::string take() { return std::move(text_); }

private:
    std::string text_;
};

/// Text that must not turn into markup.
std::string plain(std::string_view text);
/// Code within a line or a table: a fence longer than any run of backticks inside.
std::string code(std::string_view text);

// The parts that all kinds of results share.

void write_alerts(Markdown& text, const Header& header, const std::vector<FailedCheck>& failed);
void write_load(Markdown& text, const std::string& name, const std::string& description,
                const Load& load);
void write_ledger(Markdown& text,
                  const std::vector<std::pair<std::string, const Delivery*>>& ledgers);
void write_checks(Markdown& text, const std::vector<Check>& checks);
void write_origin(Markdown& text, const Header& header);

/// The whole of a memory profile; markdown_memory.cpp.
std::string render_memory(const MemoryDocument& document);

/// The whole of a scaling; markdown_scaling.cpp.
std::string render_scaling(const ScalingDocument& document);

/// The table of compared metrics; markdown.cpp.
void write_compared(Markdown& text, const std::vector<ComparedMetric>& metrics);

/// The whole of an observation; markdown_observation.cpp.
std::string render_observation(const ObservationDocument& document);

}  // namespace crucible::lab::report
