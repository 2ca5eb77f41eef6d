#include "lab/report/page_memory.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "lab/report/charts.h"
#include "lab/report/page.h"
#include "lab/report/typography.h"

namespace crucible::lab::report {
namespace {

std::string figure_of(const MemoryMetric& metric) {
    return escape_html(typeset(format_with_interval(metric)));
}

void write_compared(Page& page, const MemoryDocument& document) {
    if (document.compared.empty()) return;
    page.add("<section><h2>Compared with {} clients</h2>", document.clients);
    write_figure(page, forest_chart(document.compared, document.method->margin),
                 "Change from the baseline to the candidate with its interval; the band is the "
                 "margin within which differences do not matter.");
    page.begin_frame("Compared metrics");
    page.add("<table><thead><tr>");
    for (const auto* column :
         {"Metric", "Baseline", "Candidate", "Change %", "95 % interval", "Verdict", "Because"})
        page.add(R"(<th scope="col">{}</th>)", column);
    page.add("</tr></thead><tbody>");
    for (const auto& metric : document.compared) {
        page.add(R"(<tr><th scope="row" title="{}">{}</th><td class="num">{}</td>)",
                 escape_html(metric_meaning(metric.name)), escape_html(metric_label(metric.name)),
                 value_of(metric, metric.baseline));
        const auto interval = metric.ratio ? format_ratio_interval(*metric.ratio) : std::string();
        page.add(R"(<td class="num">{}</td><td class="num">{}</td><td class="range">{}</td>)",
                 value_of(metric, metric.candidate), change_of(metric),
                 escape_html(typeset(interval)));
        page.add(R"(<td><span class="chip {}">{}</span></td><td class="note">{}</td></tr>)",
                 escape_html(metric.verdict), escape_html(verdict_word(metric.verdict)),
                 escape_html(metric.reason));
    }
    page.add("</tbody></table>");
    page.end_frame();
    page.add("</section>");
}

void write_parts(Page& page, const MemoryDocument& document) {
    const auto tables = part_tables(document);
    if (tables.empty()) return;
    page.add("<section><h2>Compared by stage, category and owner</h2>");
    for (const auto& table : tables) {
        page.begin_frame(table.title);
        page.add("<table><caption>{}</caption><thead><tr>", escape_html(table.title));
        for (const auto* column : {"Part", "Baseline", "Candidate", "Difference", "Change %",
                                   "95 % interval", "Verdict", "Because"})
            page.add(R"(<th scope="col">{}</th>)", column);
        page.add("</tr></thead><tbody>");
        for (const auto& [part, metric] : table.rows) {
            page.add(R"(<tr><th scope="row">{}</th><td class="num">{}</td>)", escape_html(part),
                     value_of(metric, metric.baseline));
            page.add(R"(<td class="num">{}</td><td class="num">{}</td><td class="num">{}</td>)",
                     value_of(metric, metric.candidate),
                     metric.difference ? escape_html(typeset(short_difference(metric)))
                                       : std::string(kNoValue),
                     metric.ratio ? change_of(metric) : std::string(kNoValue));
            const auto interval =
                metric.ratio ? format_ratio_interval(*metric.ratio) : std::string();
            page.add(R"(<td class="range">{}</td><td><span class="chip {}">{}</span></td>)",
                     escape_html(typeset(interval)), escape_html(metric.verdict),
                     escape_html(verdict_word(metric.verdict)));
            page.add(R"(<td class="note">{}</td></tr>)", escape_html(metric.reason));
        }
        page.add("</tbody></table>");
        page.end_frame();
    }
    page.add("</section>");
}

void write_files(Page& page, const AllocationSites& stacks) {
    page.add("<p>{}. All of them: ", escape_html(typeset(sampling_sentence(stacks))));
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kFiles{
        {{"allocated", "flame graph of what was allocated"},
         {"live", "flame graph of what is live"},
         {"difference", "flame graph of the difference"},
         {"folded", "folded stacks"},
         {"pprof", "profile for pprof"}}};
    bool first = true;
    for (const auto& [what, text] : kFiles) {
        const auto file = stacks.files.find(std::string(what));
        if (file == stacks.files.end()) continue;
        page.add(R"({}<a href="{}">{}</a>)", first ? "" : ", ", escape_html(file->second), text);
        first = false;
    }
    page.add(".</p>");
}

void write_sites(Page& page, const MemoryTarget& target) {
    if (!target.stacks) return;
    page.begin_frame("Where memory is allocated in " + target.target);
    page.add("<table><caption>Where</caption><thead><tr>");
    const auto& stacks = *target.stacks;
    for (const auto& column : site_columns(stacks))
        page.add(R"(<th scope="col" class="num">{}</th>)", escape_html(typeset(column)));
    page.add(R"(<th scope="col">owner</th><th scope="col">place</th></tr></thead><tbody>)");
    const auto row = [&page](const std::vector<std::string>& cells, std::string_view owner,
                             std::string_view place) {
        page.add("<tr>");
        for (const auto& cell : cells)
            page.add(R"(<td class="num">{}</td>)", escape_html(typeset(cell)));
        page.add(R"(<td>{}</td><td class="note">{}</td></tr>)", escape_html(owner),
                 escape_html(place));
    };
    for (const auto& site : telling_sites(stacks))
        row(site_cells(stacks, site), site.owner, site.site);
    if (stacks.few) row(few_cells(stacks), "", few_label(stacks));
    page.add("</tbody></table>");
    page.end_frame();
    write_files(page, *target.stacks);
    for (const auto& remark : target.stacks->remarks)
        page.add(R"(<p class="sub">{}</p>)", escape_html(remark));
}

/// The first cell of each row is its name, the others are figures.
template <typename Columns, typename Rows, typename Cells>
void write_table(Page& page, std::string_view caption, const MemoryTarget& target,
                 const Columns& columns, const Rows& rows, const Cells& cells_of) {
    page.begin_frame(fmt::format("{} of {}", caption, target.target));
    page.add("<table><caption>{}</caption><thead><tr>", caption);
    for (std::size_t i = 0; i < columns.size(); ++i)
        page.add(R"(<th scope="col"{}>{}</th>)", i == 0 ? "" : R"( class="num")", columns[i]);
    page.add("</tr></thead><tbody>");
    for (const auto& row : rows) {
        const auto cells = cells_of(row);
        page.add(R"(<tr><th scope="row">{}</th>)", escape_html(cells[0]));
        for (std::size_t i = 1; i < cells.size(); ++i)
            page.add(R"(<td class="num">{}</td>)", escape_html(typeset(cells[i])));
        page.add("</tr>");
    }
    page.add("</tbody></table>");
    page.end_frame();
}

void write_lifetimes(Page& page, const MemoryTarget& target) {
    if (target.lifetimes.empty()) return;
    write_table(page, "How long blocks lived", target, kLifetimeColumns, target.lifetimes,
                lifetime_cells);
}

void write_resources(Page& page, const MemoryTarget& target) {
    if (!target.resources) return;
    write_table(page, "What its processes used", target, kProcessColumns,
                target.resources->processes, process_cells);
    page.add(R"(<p class="sub">In one trial without counting; {}.</p>)",
             escape_html(typeset(sampler_sentence(*target.resources))));
}

void write_ladder_row(Page& page, const std::string& clients,
                      const std::vector<MemoryMetric>& metrics) {
    page.add(R"(<tr><th scope="row">{}</th>)", clients);
    for (const auto* name : {"memory_peak", "live_bytes", "live_bytes_peak"}) {
        std::string cell;
        for (const auto& metric : metrics)
            if (metric.name == name) cell = figure_of(metric);
        page.add(R"(<td class="num">{}</td>)", cell);
    }
    page.add("</tr>");
}

void write_ladder(Page& page, const MemoryTarget& target) {
    if (target.by_clients.size() < 2) return;
    page.begin_frame("Memory by the number of clients of " + target.target);
    page.add(R"(<table><caption>By the number of clients</caption><thead><tr>)"
             R"(<th scope="col">clients</th><th scope="col" class="num">memory peak</th>)"
             R"(<th scope="col" class="num">live</th>)"
             R"(<th scope="col" class="num">live peak</th></tr></thead><tbody>)");
    for (const auto& at : target.by_clients)
        write_ladder_row(page, format_integer(at.clients), at.metrics);
    write_ladder_row(page, "each further one", target.per_client);
    page.add("</tbody></table>");
    page.end_frame();
}

void write_target(Page& page, const MemoryTarget& target) {
    page.add("<section><h2>{}</h2>", escape_html(target.target));
    for (const auto& failure : target.failures) page.add("<p>Failed: {}</p>", escape_html(failure));
    for (const auto& missing : target.missing)
        page.add("<p>Not counted: {}</p>", escape_html(missing));
    page.begin_frame("Memory of " + target.target);
    page.add("<table><caption>Memory</caption><tbody>");
    for (const auto& metric : target.metrics) {
        page.add(R"(<tr><th scope="row" title="{}">{}</th><td class="num">{}</td>)"
                 R"(<td class="note">{}</td></tr>)",
                 escape_html(metric_meaning(metric.name)), escape_html(metric_label(metric.name)),
                 figure_of(metric), escape_html(metric.absent));
    }
    page.add("</tbody></table>");
    page.end_frame();
    write_ledger(page, {{"Counted", &target.delivery}});
    if (target.leak) {
        page.add("<p>{}</p>", escape_html(typeset(leak_sentence(*target.leak))));
        for (const auto& line : telling_leaks(*target.leak))
            page.add(R"(<p class="sub">{}</p>)", escape_html(line));
    }
    if (!target.stages.empty()) {
        write_table(page, "By stage of an event's path", target, part_columns("stage"),
                    target.stages, owner_cells);
    }
    if (!target.categories.empty()) {
        write_table(page, "With events of one category alone", target, part_columns("category"),
                    target.categories, owner_cells);
    }
    if (!target.owners.empty()) {
        write_table(page, "Who owns it", target, kOwnerColumns, telling_owners(target),
                    owner_cells);
    }
    if (!target.sizes.empty()) {
        write_table(page, "By what blocks can hold", target, kSizeColumns, telling_sizes(target),
                    size_cells);
    }
    if (!target.threads.empty()) {
        write_table(page, "Which threads allocate and free it", target, kThreadColumns,
                    telling_threads(target), thread_cells);
    }
    write_sites(page, target);
    write_lifetimes(page, target);
    write_resources(page, target);
    write_ladder(page, target);
    page.add("</section>");
}

std::pair<std::string, std::string> badge_of(const MemoryDocument& document) {
    if (!document.header.failure.empty()) return {"failed", "FAILED"};
    if (document.header.interrupted) return {"open", "INTERRUPTED"};
    return {"done", "MEASURED"};
}

}  // namespace

std::string render_page(const MemoryDocument& document) {
    Page page;
    write_head(page, "memory profile", headline(document), badge_of(document), document.header);
    write_targets(page, document.targets);
    write_alerts(page, document.header, failed_checks(document));
    page.add("<section><h2>{}</h2>", escape_html(document.scenario));
    if (!document.description.empty()) page.add("<p>{}</p>", escape_html(document.description));
    write_load(page, document.load);
    page.add("</section>");
    write_compared(page, document);
    write_parts(page, document);
    for (const auto& target : document.targets) write_target(page, target);
    page.add("<section><h2>How this was measured</h2>");
    page.add(
        "<p>Memory is the proportional set size of the system's processes in trials without "
        "counting, net of the harness alone under the same load. Allocations were counted, each of "
        "them and with its owner, in trials of their own by a tracker in the place of malloc. Live "
        "and peak are requested bytes. {} What an event in flight takes at the peak is by how much "
        "it grows from small bursts to a large one, of as many events in all, over the events that "
        "were in flight. A category alone was measured with events of no other.</p>",
        escape_html(kPeaksSentence));
    write_checks(page, document.checks);
    std::vector<std::string> names;
    for (const auto& target : document.targets) {
        if (!names.empty()) break;
        for (const auto& metric : target.metrics) names.push_back(metric.name);
    }
    write_meanings(page, names);
    write_origin(page, document.header);
    page.add("</section>");
    write_foot(page, document.header);
    return page.take();
}

}  // namespace crucible::lab::report
