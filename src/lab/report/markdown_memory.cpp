#include "lab/report/markdown_parts.h"

namespace crucible::lab::report {
namespace {

template <typename Columns>
void write_heads(Markdown& text, const Columns& columns) {
    text.row({columns.begin(), columns.end()});
    std::vector<std::string> rule(columns.size(), "---:");
    rule.front() = "---";
    text.row(rule);
}

template <typename Cells>
void write_cells(Markdown& text, Cells cells) {
    cells.front() = plain(cells.front());
    text.row({cells.begin(), cells.end()});
}

void write_sites(Markdown& text, const MemoryTarget& target) {
    if (!target.stacks) return;
    text.line("Where ({}; {}):", plain(sampling_sentence(*target.stacks)),
              plain(files_sentence(*target.stacks)));
    text.blank();
    const auto& stacks = *target.stacks;
    for (const auto& remark : stacks.remarks) text.line("- {}", plain(remark));
    if (!stacks.remarks.empty()) text.blank();
    const auto row = [&text](std::vector<std::string> cells, std::string owner, std::string place) {
        cells.push_back(std::move(owner));
        cells.push_back(std::move(place));
        text.row(cells);
    };
    const auto columns = site_columns(stacks);
    row(columns, "owner", "place");
    row(std::vector<std::string>(columns.size(), "---:"), "---", "---");
    for (const auto& site : telling_sites(stacks))
        row(site_cells(stacks, site), plain(site.owner), code(site.site));
    if (stacks.few) row(few_cells(stacks), "", few_label(stacks));
    text.blank();
}

void write_owners(Markdown& text, const std::array<std::string_view, 6>& columns,
                  const std::vector<OwnerRow>& rows) {
    if (rows.empty()) return;
    write_heads(text, columns);
    for (const auto& row : rows) write_cells(text, owner_cells(row));
    text.blank();
}

void write_parts(Markdown& text, const MemoryDocument& document) {
    for (const auto& table : part_tables(document)) {
        text.row({table.title, "Baseline", "Candidate", "Difference [95 %]", "Ratio % [95 %]",
                  "Verdict", "Because"});
        text.row({"---", "---:", "---:", "---:", "---:", "---", "---"});
        for (const auto& [part, metric] : table.rows) {
            text.row({plain(part), format_value(metric.name, metric.unit, metric.baseline),
                      format_value(metric.name, metric.unit, metric.candidate),
                      metric.difference ? short_difference(metric) : std::string(kNoValue),
                      metric.ratio ? format_percent_change(*metric.ratio->value) + " " +
                                         format_ratio_interval(*metric.ratio)
                                   : std::string(kNoValue),
                      plain(verdict_word(metric.verdict)), plain(metric.reason)});
        }
        text.blank();
    }
}

void write_sizes_and_threads(Markdown& text, const MemoryTarget& target) {
    if (!target.sizes.empty()) {
        write_heads(text, kSizeColumns);
        for (const auto& row : telling_sizes(target)) write_cells(text, size_cells(row));
        text.blank();
    }
    if (target.threads.empty()) return;
    write_heads(text, kThreadColumns);
    for (const auto& row : telling_threads(target)) write_cells(text, thread_cells(row));
    text.blank();
}

void write_lifetimes(Markdown& text, const MemoryTarget& target) {
    if (target.lifetimes.empty()) return;
    write_heads(text, kLifetimeColumns);
    for (const auto& row : target.lifetimes) write_cells(text, lifetime_cells(row));
    text.blank();
}

void write_resources(Markdown& text, const MemoryTarget& target) {
    if (!target.resources) return;
    write_heads(text, kProcessColumns);
    for (const auto& row : target.resources->processes) write_cells(text, process_cells(row));
    text.blank();
    text.line("What its processes used in one trial without counting: {}.",
              plain(sampler_sentence(*target.resources)));
    text.blank();
}

void write_target(Markdown& text, const MemoryTarget& target) {
    text.line("## {}", code(target.target));
    text.blank();
    for (const auto& failure : target.failures) text.line("- Failed: {}", plain(failure));
    for (const auto& missing : target.missing) text.line("- Not counted: {}", plain(missing));
    if (!target.failures.empty() || !target.missing.empty()) text.blank();
    text.row({"Metric", "Value [95 %]", "Rounds", "Note"});
    text.row({"---", "---:", "---:", "---"});
    for (const auto& metric : target.metrics) {
        text.row({plain(metric_label(metric.name)), format_with_interval(metric),
                  format_integer(metric.n), plain(metric.absent)});
    }
    text.blank();
    write_ledger(text, {{"Counted", &target.delivery}});
    if (target.leak) {
        text.line("{}", plain(leak_sentence(*target.leak)));
        for (const auto& line : telling_leaks(*target.leak)) text.line("- {}", plain(line));
        text.blank();
    }
    write_owners(text, part_columns("stage"), target.stages);
    write_owners(text, part_columns("category alone"), target.categories);
    write_owners(text, kOwnerColumns, telling_owners(target));
    write_sizes_and_threads(text, target);
    write_sites(text, target);
    write_lifetimes(text, target);
    write_resources(text, target);
    if (target.by_clients.size() < 2) return;
    text.row({"clients", "memory peak [95 %]", "live [95 %]"});
    text.row({"---:", "---:", "---:"});
    const auto row = [&text](const std::string& clients, const std::vector<MemoryMetric>& metrics) {
        std::string peak;
        std::string live;
        for (const auto& metric : metrics) {
            if (metric.name == "memory_peak") peak = format_with_interval(metric);
            if (metric.name == "live_bytes") live = format_with_interval(metric);
        }
        text.row({clients, peak, live});
    };
    for (const auto& at : target.by_clients) row(format_integer(at.clients), at.metrics);
    row("each", target.per_client);
    text.blank();
}

}  // namespace

std::string render_memory(const MemoryDocument& document) {
    Markdown text;
    text.line("# {}", plain(headline(document)));
    text.blank();
    write_alerts(text, document.header, failed_checks(document));
    write_load(text, document.scenario, document.description, document.load);
    text.blank();
    if (!document.compared.empty()) {
        text.line(
            "Baseline {}, candidate {}, with {} clients:", code(document.targets.front().target),
            code(document.targets.back().target), document.clients);
        text.blank();
        write_compared(text, document.compared);
        write_parts(text, document);
    }
    for (const auto& target : document.targets) write_target(text, target);
    text.line("{}", kPeaksSentence);
    text.blank();
    write_checks(text, document.checks);
    write_origin(text, document.header);
    return text.take();
}

}  // namespace crucible::lab::report
