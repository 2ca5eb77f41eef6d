#include "lab/report/terminal_parts.h"

#include <fmt/format.h>

#include <algorithm>

namespace crucible::lab::report {
namespace {

std::size_t ledger_columns(std::string_view label) {
    return label.size() < 6 ? 9 : std::max<std::size_t>(10, label.size() + 1);
}

}  // namespace

Ink ink_of(std::string_view verdict) {
    if (verdict == "better" || verdict == "adopt") return Ink::good;
    if (verdict == "worse" || verdict == "keep") return Ink::bad;
    if (verdict == "inconclusive" || verdict == "not_proven") return Ink::warn;
    return Ink::plain;
}

void write_failed_checks(TerminalText& text, const std::vector<FailedCheck>& failed) {
    if (failed.empty()) return;
    text.blank();
    text.line(fmt::format("{} check{} failed", failed.size(), failed.size() == 1 ? "" : "s"),
              Ink::bad);
    for (const auto& entry : failed)
        text.item(failed_label(entry) + ":", entry.check.detail, 2, Ink::bad);
}

void write_load(TerminalText& text, const std::string& name, const std::string& description,
                const Load& load) {
    text.blank();
    text.paragraph(description.empty() ? name : name + ": " + description, 0, Ink::bold);
    text.paragraph(load_sentence(load), 2, Ink::dim);
    for (const auto& phase : load.phases)
        text.paragraph(phase.name + ": " + phase_sentence(phase), 2, Ink::dim);
}

void write_ledger_header(TerminalText& text) {
    std::string line = text.cell(" delivery", 11);
    for (const auto& [label, count] : delivery_columns({}))
        line += text.cell(label, ledger_columns(label), true);
    text.blank();
    text.line(line, Ink::dim);
}

void write_ledger_row(TerminalText& text, std::string_view name, const Delivery& delivery) {
    std::string line = text.cell(name, 11);
    for (const auto& [label, count] : delivery_columns(delivery)) {
        const bool bad =
            count > 0 && (label == "rejected" || label == "lost" || label == "duplicated");
        line += text.cell(format_integer(count), ledger_columns(label), true,
                          bad ? Ink::bad : Ink::plain);
    }
    text.line(line);
}

std::string bracketed(std::string text) {
    if (!text.empty()) text = "[" + text + "]";
    return text;
}

void write_closing(TerminalText& text, const Header& header) {
    const auto duration = header.duration_seconds
                              ? fmt::format("{:.0f} s", *header.duration_seconds)
                              : std::string("unknown time");
    auto sentence = fmt::format("crucible {} ({}), seed {}, started {}, took {}", header.version,
                                header.commit, header.seed, header.started, duration);
    if (const auto& machine = header.environment) {
        sentence += fmt::format("; {} core{} of {}", machine->cores, machine->cores == 1 ? "" : "s",
                                machine->cpu);
    }
    text.blank();
    text.paragraph(sentence, 0, Ink::dim);
}

}  // namespace crucible::lab::report
