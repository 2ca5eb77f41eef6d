#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/process.h"
#include "in_process.h"

namespace crucible::app {

/// The tracker, as it was built.
inline std::filesystem::path tracker() {
    return std::filesystem::canonical(std::filesystem::path(CRUCIBLE).parent_path() /
                                      "../lib/libcrucible_alloc.so");
}

/// A daemon that somebody has started with the tracker, told to count in `counts`, and to sample
/// stacks as `sample` says.
struct TrackedDaemon {
    std::filesystem::path socket;
    std::optional<base::Process> process;

    TrackedDaemon(const std::filesystem::path& folder, const std::string& counts,
                  const std::string& sample = {})
        : socket(folder / "d.sock") {
        std::vector<std::string> environment{"LD_PRELOAD=" + tracker().string(),
                                             "CRUCIBLE_ALLOC_DIRECTORY=" + counts};
        if (!sample.empty()) environment.push_back("CRUCIBLE_ALLOC_SAMPLE=" + sample);
        auto started = base::Process::start(
            {.arguments = {std::filesystem::path(CRUCIBLE).parent_path() / "crucibled", "--socket",
                           socket, "--data", folder / "data", "--log-level", "off"},
             .inherit = {},
             .environment = std::move(environment)});
        EXPECT_TRUE(started) << started.error().message;
        if (!started) return;
        process.emplace(*std::move(started));
        const auto deadline = base::monotonic_now() + std::chrono::seconds(20);
        base::SteadyClock clock;
        while (!answers() && base::monotonic_now() < deadline)
            clock.sleep_until(clock.now() + std::chrono::milliseconds(5));
        EXPECT_TRUE(answers());
    }
    bool answers() const {
        return crucible({"daemon", "status", "--socket", socket}).exit_code == kDone;
    }
    /// Waits for its end.
    void end(int signal) {
        process->signal(signal);
        EXPECT_TRUE(process->wait(std::chrono::seconds(20)));
    }
};

}  // namespace crucible::app
