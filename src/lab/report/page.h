#pragma once

#include <fmt/format.h>

#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lab/report/charts.h"
#include "lab/report/document.h"
#include "lab/report/wording.h"

namespace crucible::lab::report {

/// HTML that grows. add() takes markup; everything else escapes what it is given.
class Page {
public:
    template <typename... Args>
    void add(fmt::format_string<Args...> format, Args&&... args) {
        fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
        text_ += '\n';
    }
    /// A frame that scrolls by itself and can be reached by the keyboard; close it with
    /// end_frame().
    void begin_frame(std::string_view label);
    void end_frame() { add("</div>"); }
    std::string take() { return std::move(text_); }

private:
    std::string text_;
};

// The parts that comparisons and runs share.

/// Everything up to <main>: `badge` is {class, text}.
void write_head(Page& page, std::string_view kind, const std::string& headline,
                const std::pair<std::string, std::string>& badge, const Header& header);
/// A metric's value and its change, in percent or in its own unit, as markup; kNoValue for none.
std::string value_of(const ComparedMetric& metric, const std::optional<Estimate>& estimate);
std::string change_of(const ComparedMetric& metric);
/// The targets: {class, role, url}.
struct Side {
    std::string_view mark;
    std::string_view role;
    const std::string& url;
};
void write_sides(Page& page, const std::vector<Side>& sides);
/// Of targets with a `.target`: one, or a baseline and candidates.
template <typename Target>
void write_targets(Page& page, const std::vector<Target>& targets) {
    std::vector<Side> sides;
    for (const auto& target : targets) {
        const std::string_view role = targets.size() == 1 ? "Target"
                                      : sides.empty()     ? "Baseline"
                                                          : "Candidate";
        sides.push_back({target_mark(sides.size()), role, target.target});
    }
    write_sides(page, sides);
}
/// Failure, interruption and failed checks: what a reader must know before any figure.
void write_alerts(Page& page, const Header& header, const std::vector<FailedCheck>& failed);
void write_load(Page& page, const Load& load);
void write_ledger(Page& page,
                  const std::vector<std::pair<std::string_view, const Delivery*>>& ledgers);
void write_harness(Page& page, const std::vector<HarnessCost>& harness);
void write_checks(Page& page, const std::vector<Check>& checks);
/// Nothing where there are no stretches.
void write_segments(Page& page, std::string_view caption, const std::vector<SegmentRow>& segments);
/// Null where there is none.
const Series* find_series(const std::vector<Series>& all, std::string_view phase,
                          std::string_view name);
/// A chart in its frame with a caption, both markup; nothing where the chart is empty.
void write_figure(Page& page, const std::string& chart, std::string_view caption);
/// Command, seed and environment.
void write_origin(Page& page, const Header& header);
/// What each metric means.
void write_meanings(Page& page, const std::vector<std::string>& metrics);
void write_foot(Page& page, const Header& header);

}  // namespace crucible::lab::report
