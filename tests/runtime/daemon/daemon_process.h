#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../dispatch/gated_service.h"
#include "base/file.h"
#include "base/process.h"

namespace crucible::runtime::testing {

/// A real crucibled in a folder of its own, which may be killed and started again.
class DaemonProcessTest : public ::testing::Test {
protected:
    /// Returns when it has said that it is ready.
    void start_daemon(const std::vector<std::string>& extra = {}) {
        int ends[2];
        ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        const base::UniqueFd reader(ends[0]);
        base::UniqueFd writer(ends[1]);
        base::Process::Options options;
        options.arguments = {CRUCIBLED,    "--socket", socket_.string(), "--data", data_.string(),
                             "--ready-fd", "3"};
        options.arguments.insert(options.arguments.end(), extra.begin(), extra.end());
        options.standard_error = directory_.path() / "stderr";
        options.inherit = {{writer.get(), 3}};
        auto process = base::Process::start(options);
        ASSERT_TRUE(process) << process.error().message;
        daemon_.emplace(std::move(*process));
        writer.reset();
        char byte = 0;
        while (::read(reader.get(), &byte, 1) > 0) {
        }
    }
    void kill_daemon() {
        daemon_->signal(SIGKILL);
        ASSERT_TRUE(daemon_->wait(kGenerousLimit));
        daemon_.reset();
    }

    base::TempDir directory_ = *base::TempDir::make("daemon-process");
    std::filesystem::path socket_ = directory_.path() / "d.sock";
    std::filesystem::path data_ = directory_.path() / "data";
    std::optional<base::Process> daemon_;
};

}  // namespace crucible::runtime::testing
