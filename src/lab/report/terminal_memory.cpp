#include <fmt/format.h>

#include <array>

#include "lab/report/terminal_parts.h"

namespace crucible::lab::report {
namespace {

constexpr std::size_t kSiteIndent = 12;

void write_metrics(TerminalText& text, const MemoryTarget& target) {
    for (const auto& metric : target.metrics) {
        const std::string label = text.cell(metric_label(metric.name), 18);
        if (metric.absent.empty())
            text.line(" " + label + format_with_interval(metric));
        else
            text.item(label + std::string(kNoValue) + " ", metric.absent, 1);
    }
}

constexpr std::size_t kPart = 16;
constexpr std::size_t kPartValue = 10;
constexpr std::size_t kPartChange = 30;

/// What is longer than a column, cut.
std::string cut(std::string text, std::size_t columns) {
    if (text.size() < columns) return text;
    return text.substr(0, columns - 2) + "…";
}

void write_owners(TerminalText& text, const std::array<std::string_view, 6>& columns,
                  const std::vector<OwnerRow>& rows) {
    if (rows.empty()) return;
    constexpr std::array<std::size_t, 6> kWidths{24, 9, 9, 13, 12, 12};
    const auto row = [&](const auto& cells) {
        std::string line = " " + text.cell(cut(std::string(cells[0]), kWidths[0]), kWidths[0]);
        for (std::size_t i = 1; i < cells.size(); ++i)
            line += text.cell(cells[i], kWidths[i], true);
        return line;
    };
    text.blank();
    text.line(row(columns), Ink::dim);
    for (const auto& owner : rows) text.line(row(owner_cells(owner)));
}

std::string part_change(const TerminalText& text, const ComparedMetric& metric) {
    if (metric.ratio) {
        const auto interval = bracketed(format_ratio_interval(*metric.ratio));
        return text.cell(format_percent_change(*metric.ratio->value), kChange, true) + " " +
               text.cell((interval.empty() ? "" : interval + " ") + "%", kPartChange - kChange - 1);
    }
    const auto change = !metric.difference               ? std::string(kNoValue)
                        : is_nothing(*metric.difference) ? std::string("none")
                                                         : short_difference(metric);
    return text.cell("  " + change, kPartChange);
}

void write_parts(TerminalText& text, const MemoryDocument& document) {
    for (const auto& table : part_tables(document)) {
        text.blank();
        text.line(" " + table.title);
        text.line(" " + text.cell("", kPart) + text.cell("baseline", kPartValue, true) +
                      text.cell("candidate", kPartValue, true) +
                      text.cell("   change [95 %]", kPartChange) + "verdict",
                  Ink::dim);
        for (const auto& [part, metric] : table.rows) {
            text.line(" " + text.cell(cut(part, kPart), kPart) +
                      text.cell(format_value(metric.name, metric.unit, metric.baseline), kPartValue,
                                true) +
                      text.cell(format_value(metric.name, metric.unit, metric.candidate),
                                kPartValue, true) +
                      part_change(text, metric) +
                      text.cell(verdict_word(metric.verdict), 1, false, ink_of(metric.verdict)));
        }
    }
}

/// Words that no line has room for, cut.
std::string fitting(std::string_view text, std::size_t columns) {
    std::string result;
    while (!text.empty()) {
        const auto word = text.substr(0, text.find(' '));
        text.remove_prefix(std::min(word.size() + 1, text.size()));
        if (!result.empty()) result += ' ';
        if (word.size() <= columns) {
            result += word;
        } else {
            result += std::string(word.substr(0, columns - 1)) + "…";
        }
    }
    return result;
}

void write_sites(TerminalText& text, const MemoryTarget& target, std::size_t width) {
    if (!target.stacks) return;
    text.blank();
    const auto& stacks = *target.stacks;
    // Figures with intervals leave no room for the owner beside them, nor for their samples.
    const auto row = [&](const std::vector<std::string>& cells, std::string_view owner) {
        if (stacks.sampled())
            return " " + text.cell(cells[0], 23, true) + text.cell(cells[1], 26, true) +
                   text.cell(cells[2], 26, true);
        return " " + text.cell(cells[0], 11, true) + text.cell(cells[1], 19, true) +
               text.cell(cells[2], 11, true) + "  " + std::string(owner);
    };
    const auto where = [&](std::string_view place) {
        text.paragraph(fitting(place, width - kSiteIndent), kSiteIndent);
    };
    text.line(row(site_columns(stacks), "owner, and where"), Ink::dim);
    if (stacks.sampled())
        text.line(std::string(kSiteIndent, ' ') + "owner, samples, and where", Ink::dim);
    for (const auto& site : telling_sites(stacks)) {
        const auto cells = site_cells(stacks, site);
        text.line(row(cells, site.owner));
        if (stacks.sampled()) where(fmt::format("{}, {} samples", site.owner, cells.back()));
        where(site.site);
    }
    if (stacks.few) {
        const auto cells = few_cells(stacks);
        text.line(row(cells, ""));
        where(fmt::format("{}: {}", few_label(stacks), cells.back()));
    }
    text.paragraph(fmt::format("{}; {}", sampling_sentence(stacks), files_sentence(stacks)), 1,
                   Ink::dim);
    for (const auto& remark : stacks.remarks) text.item("-", remark, 3, Ink::dim);
}

void write_resources(TerminalText& text, const MemoryTarget& target) {
    if (!target.resources) return;
    constexpr std::array<std::size_t, 5> kShown{1, 3, 4, 8, 9};  // of kProcessColumns
    const auto row = [&](const auto& cells) {
        std::string line = " " + text.cell(cells[0], 23);
        for (const auto i : kShown) line += text.cell(cells[i], i == 9 ? 16 : 10, true);
        return line;
    };
    text.blank();
    text.line(row(kProcessColumns), Ink::dim);
    for (const auto& process : target.resources->processes) text.line(row(process_cells(process)));
    text.paragraph(sampler_sentence(*target.resources), 1, Ink::dim);
}

void write_ladder(TerminalText& text, const MemoryTarget& target) {
    if (target.by_clients.size() < 2) return;
    text.blank();
    text.line(" " + text.cell("clients", 8) + text.cell("memory peak [95 %]", 36) + "live [95 %]",
              Ink::dim);
    for (const auto& at : target.by_clients) {
        std::string peak;
        std::string live;
        for (const auto& metric : at.metrics) {
            if (metric.name == "memory_peak") peak = format_with_interval(metric);
            if (metric.name == "live_bytes") live = format_with_interval(metric);
        }
        text.line(" " + text.cell(fmt::format("{}", at.clients), 8) + text.cell(peak, 36) + live);
    }
    std::string peak;
    std::string live;
    for (const auto& slope : target.per_client) {
        if (slope.name == "memory_peak") peak = format_with_interval(slope);
        if (slope.name == "live_bytes") live = format_with_interval(slope);
    }
    text.line(" " + text.cell("each", 8) + text.cell(peak, 36) + live);
}

}  // namespace

std::string render_memory(const MemoryDocument& document, std::size_t width, bool colour) {
    TerminalText text(width, colour);
    text.paragraph(headline(document), 0, Ink::bold);
    write_failed_checks(text, failed_checks(document));
    write_load(text, document.scenario, document.description, document.load);
    if (!document.compared.empty()) {
        text.blank();
        text.item("baseline ", document.targets.front().target, 1);
        text.item("candidate", document.targets.back().target, 1);
        write_compared(text, document.compared, true);
        write_compared(text, document.compared, false);
        write_parts(text, document);
    }
    for (const auto& target : document.targets) {
        text.blank();
        text.line(target.target, Ink::bold);
        for (const auto& failure : target.failures) text.item("failed:", failure, 1, Ink::bad);
        for (const auto& missing : target.missing) text.item("not counted:", missing, 1, Ink::warn);
        write_metrics(text, target);
        write_ledger_header(text);
        write_ledger_row(text, " counted", target.delivery);
        if (target.leak) {
            text.blank();
            const bool leaks = target.leak->verdict == "leak";
            text.paragraph(leak_sentence(*target.leak), 1, leaks ? Ink::bad : Ink::plain);
            for (const auto& line : telling_leaks(*target.leak)) text.item("-", line, 3);
        }
        write_owners(text, part_columns("stage"), target.stages);
        write_owners(text, part_columns("category alone"), target.categories);
        write_owners(text, kOwnerColumns, telling_owners(target));
        write_sites(text, target, width);
        write_resources(text, target);
        write_ladder(text, target);
    }
    text.blank();
    text.paragraph(
        fmt::format("Memory is the proportional set size in trials without counting, net of the "
                    "harness; live, peak and allocations are requested bytes in trials of their "
                    "own. {} Peak/event is by how much a peak grows with each further event in "
                    "flight. A category alone is of events of no other.",
                    kPeaksSentence),
        0, Ink::dim);
    text.line("Size classes, threads and lifetimes are in report.html.", Ink::dim);
    write_closing(text, document.header);
    return text.take();
}

}  // namespace crucible::lab::report
