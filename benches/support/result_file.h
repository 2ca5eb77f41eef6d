#pragma once

#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "crucible/error.h"
#include "crucible/time.h"

namespace crucible::bench {

/// Shows what Google Benchmark's own reporter shows, and keeps the runs for a result file.
class RecordingReporter final : public benchmark::BenchmarkReporter {
public:
    RecordingReporter() : display_(benchmark::CreateDefaultDisplayReporter()) {}

    bool ReportContext(const Context& context) override { return display_->ReportContext(context); }
    void ReportRuns(const std::vector<Run>& runs) override {
        display_->ReportRuns(runs);
        runs_.insert(runs_.end(), runs.begin(), runs.end());
    }
    void Finalize() override { display_->Finalize(); }

    const std::vector<Run>& runs() const noexcept { return runs_; }
    /// The first benchmark that could not be measured: "<name>: <why>". Empty when there is none.
    std::string failure() const;

private:
    std::unique_ptr<benchmark::BenchmarkReporter> display_;
    std::vector<Run> runs_;
};

/// The runs as crucible.run/1 (docs/formats/README.md), one scenario per benchmark. A benchmark run
/// once has no interval; with --benchmark_repetitions its metrics are means over the repetitions
/// with a 95 % t interval.
Result<> write_result_file(const std::string& path, const RecordingReporter& reporter,
                           const std::vector<std::string>& command, WallTime started,
                           Duration duration);

}  // namespace crucible::bench
