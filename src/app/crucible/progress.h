#pragma once

#include <iosfwd>
#include <string>

#include "lab/experiment/experiment.h"

namespace crucible::app {

/// Shows where a run stands on `err`: one line that changes on a terminal, a line per round
/// elsewhere, nothing when quiet.
class ProgressLine {
public:
    ProgressLine(std::ostream& err, bool quiet);
    ~ProgressLine();

    void show(const lab::ExperimentProgress& progress);
    void show(const std::string& target, const lab::TrialProgress& progress);
    /// The same on a terminal alone: elsewhere who shows it has lines of its own.
    void show_running(const std::string& target, const lab::TrialProgress& progress);
    /// Takes the line away; the next show() puts it back.
    void clear();

private:
    void update(const std::string& text, const std::string& step);
    std::ostream& err_;
    bool quiet_;
    bool terminal_;
    std::string last_step_;
    bool dirty_ = false;
};

}  // namespace crucible::app
