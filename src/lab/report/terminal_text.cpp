#include "lab/report/terminal_text.h"

#include <algorithm>

namespace crucible::lab::report {
namespace {

std::string_view sequence(Ink ink) {
    switch (ink) {
        case Ink::plain:
            return "";
        case Ink::bold:
            return "\x1b[1m";
        case Ink::dim:
            return "\x1b[2m";
        case Ink::good:
            return "\x1b[32m";
        case Ink::bad:
            return "\x1b[31m";
        case Ink::warn:
            return "\x1b[33m";
    }
    return "";
}

std::vector<std::string> wrap(std::string_view text, std::size_t width) {
    std::vector<std::string> lines(1);
    while (!text.empty()) {
        const auto word = text.substr(0, text.find(' '));
        text.remove_prefix(std::min(text.size(), word.size() + 1));
        if (word.empty()) continue;
        auto& line = lines.back();
        if (line.empty()) {
            line = word;
        } else if (columns(line) + 1 + columns(word) <= width) {
            line += ' ';
            line += word;
        } else {
            lines.emplace_back(word);
        }
    }
    return lines;
}

}  // namespace

std::size_t columns(std::string_view text) noexcept {
    return static_cast<std::size_t>(std::ranges::count_if(
        text, [](char byte) { return (static_cast<unsigned char>(byte) & 0xc0) != 0x80; }));
}

std::string TerminalText::inked(std::string_view text, Ink ink) const {
    if (!colour_ || ink == Ink::plain || text.empty()) return std::string(text);
    return std::string(sequence(ink)) + std::string(text) + "\x1b[0m";
}

void TerminalText::paragraph(std::string_view text, std::size_t indent, Ink ink) {
    for (const auto& line : wrap(text, width_ - indent))
        text_ += std::string(indent, ' ') + inked(line, ink) + '\n';
}

void TerminalText::item(std::string_view bullet, std::string_view text, std::size_t indent,
                        Ink ink) {
    const std::size_t inner = indent + columns(bullet) + 1;
    std::string lead = std::string(indent, ' ') + std::string(bullet) + ' ';
    for (const auto& line : wrap(text, width_ - inner)) {
        text_ += lead + inked(line, ink) + '\n';
        lead.assign(inner, ' ');
    }
}

void TerminalText::line(std::string_view text, Ink ink) {
    // No blanks at line ends: they would wrap a narrow terminal.
    const auto end = text.find_last_not_of(' ');
    text_ += inked(text.substr(0, end == std::string_view::npos ? 0 : end + 1), ink) + '\n';
}

std::string TerminalText::cell(std::string_view text, std::size_t width, bool right,
                               Ink ink) const {
    const std::string padding(width - std::min(width, columns(text)), ' ');
    return right ? padding + inked(text, ink) : inked(text, ink) + padding;
}

}  // namespace crucible::lab::report
