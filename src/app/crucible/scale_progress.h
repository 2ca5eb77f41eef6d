#pragma once

#include <iosfwd>
#include <string>

#include "app/crucible/progress.h"
#include "lab/scale/scaling.h"

namespace crucible::app {

/// Shows a scaling on `err` while it runs: a table that gets a row with each trial, and below it on
/// a terminal the trial under way. Nothing when quiet.
class ScaleProgress {
public:
    ScaleProgress(std::ostream& err, bool quiet, lab::scale::Axis axis);

    void show(const lab::scale::ScalingProgress& progress);
    void add(const lab::scale::ScalingStep& step);

private:
    std::ostream& err_;
    bool quiet_;
    lab::scale::Axis axis_;
    bool has_head_ = false;
    ProgressLine line_;
};

}  // namespace crucible::app
