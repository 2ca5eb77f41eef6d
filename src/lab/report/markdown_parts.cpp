#include "lab/report/markdown_parts.h"

#include <algorithm>

namespace crucible::lab::report {

std::string plain(std::string_view text) {
    constexpr std::string_view kMarkup = "\\`*_[]<>|#~&";
    std::string escaped;
    for (const char letter : text) {
        if (kMarkup.find(letter) != std::string_view::npos) escaped += '\\';
        escaped += letter;
    }
    return escaped;
}

std::string code(std::string_view text) {
    std::size_t longest = 0;
    std::size_t run = 0;
    std::string inner;
    for (const char letter : text) {
        run = letter == '`' ? run + 1 : 0;
        longest = std::max(longest, run);
        // A bar ends a table's cell even within code.
        if (letter == '|') inner += '\\';
        inner += letter;
    }
    const std::string fence(longest + 1, '`');
    const std::string_view pad = longest > 0 ? " " : "";
    return fmt::format("{0}{1}{2}{1}{0}", fence, pad, inner);
}

void write_alerts(Markdown& text, const Header& header, const std::vector<FailedCheck>& failed) {
    if (!header.failure.empty()) {
        text.line("> **A target failed, this result is partial:** {}", plain(header.failure));
        text.blank();
    }
    if (header.interrupted) {
        text.line("> **Interrupted, this result is partial.**");
        text.blank();
    }
    if (failed.empty()) return;
    text.line("> **{} check{} failed**", failed.size(), failed.size() == 1 ? "" : "s");
    text.line(">");
    for (const auto& entry : failed)
        text.line("> - **{}**: {}", plain(failed_label(entry)), plain(entry.check.detail));
    text.blank();
}

void write_load(Markdown& text, const std::string& name, const std::string& description,
                const Load& load) {
    text.line("## {}", plain(name));
    text.blank();
    if (!description.empty()) {
        text.line("{}", plain(description));
        text.blank();
    }
    text.line("- {}", plain(load_sentence(load)));
    for (const auto& phase : load.phases)
        text.line("- {}: {}", plain(phase.name), plain(phase_sentence(phase)));
}

void write_ledger(Markdown& text,
                  const std::vector<std::pair<std::string, const Delivery*>>& ledgers) {
    std::vector<std::string> names{"Events"};
    std::vector<std::string> rules{"---"};
    for (const auto& [label, count] : delivery_columns({})) {
        names.emplace_back(label);
        rules.emplace_back("---:");
    }
    text.row(names);
    text.row(rules);
    for (const auto& [name, delivery] : ledgers) {
        std::vector<std::string> cells{name};
        for (const auto& [label, count] : delivery_columns(*delivery))
            cells.push_back(format_integer(count));
        text.row(cells);
    }
    text.blank();
}

void write_checks(Markdown& text, const std::vector<Check>& checks) {
    if (checks.empty()) return;
    text.row({"Check", "Result", "Figures"});
    text.row({"---", "---", "---"});
    for (const auto& check : checks) {
        text.row({plain(check_label(check.name)), check.passed ? "passed" : "**failed**",
                  plain(check.detail)});
    }
    text.blank();
}

void write_origin(Markdown& text, const Header& header) {
    text.line("## How this was measured");
    text.blank();
    text.line("```sh");
    text.line("{}", shell_command(header.command));
    text.line("```");
    text.blank();
    text.line("- crucible {} ({}), seed {}", plain(header.version), plain(header.commit),
              header.seed);
    text.line("- Started {}{}", plain(header.started),
              header.duration_seconds ? fmt::format(", took {:.0f} s", *header.duration_seconds)
                                      : std::string());
    if (!header.environment) return;
    for (const auto& [name, value] : environment_lines(*header.environment))
        text.line("- {}: {}", name, plain(value));
}

}  // namespace crucible::lab::report
