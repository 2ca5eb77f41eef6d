#include "app/crucible/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <iostream>

namespace crucible::app {
namespace {

constexpr std::size_t kColumns = 79;

std::string minutes(Duration time) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time).count();
    return fmt::format("{}:{:02}", seconds / 60, seconds % 60);
}

}  // namespace

ProgressLine::ProgressLine(std::ostream& err, bool quiet)
    : err_(err), quiet_(quiet), terminal_(&err == &std::cerr && ::isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() {
    clear();
}

void ProgressLine::clear() {
    if (dirty_) err_ << "\r\033[K" << std::flush;
    dirty_ = false;
}

void ProgressLine::update(const std::string& text, const std::string& step) {
    if (quiet_) return;
    if (terminal_) {
        err_ << "\r\033[K" << text.substr(0, kColumns) << std::flush;
        dirty_ = true;
    } else if (step != last_step_) {
        err_ << step << '\n' << std::flush;
    }
    last_step_ = step;
}

void ProgressLine::show(const lab::ExperimentProgress& progress) {
    std::string round = "warming up";
    if (progress.round > 0) round = fmt::format("round {}", progress.round);
    if (progress.round > 0 && progress.rounds > 0) round += fmt::format("/{}", progress.rounds);
    const auto left = minutes(progress.remaining);
    update(fmt::format("{}  {}  {} {}  {} left", progress.scenario, round, to_string(progress.arm),
                       progress.trial.phase, left),
           fmt::format("{}: {}", progress.scenario, round));
}

void ProgressLine::show_running(const std::string& target, const lab::TrialProgress& progress) {
    if (terminal_) show(target, progress);
}

void ProgressLine::show(const std::string& target, const lab::TrialProgress& progress) {
    const auto planned =
        progress.planned > 0 ? fmt::format(" of {}", progress.planned) : std::string();
    update(fmt::format("{}  {}  {}{} sent, {} handled  {} left", target, progress.phase,
                       progress.sent, planned, progress.handled, minutes(progress.remaining)),
           fmt::format("{}: {}", target, progress.phase));
}

}  // namespace crucible::app
