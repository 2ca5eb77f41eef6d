#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"

namespace crucible::app {

using namespace std::chrono_literals;

/// The complaints of the validator of docs/formats/SCHEMA about `result`, by way of the file
/// `found`; empty when it follows the schema.
inline std::string schema_complaints(std::string_view schema, const std::filesystem::path& result,
                                     const std::filesystem::path& found) {
    auto python = base::Process::start(
        {.arguments = {"/usr/bin/python3", CRUCIBLE_VALIDATE,
                       std::string(CRUCIBLE_FORMATS) + "/" + std::string(schema), result},
         .inherit = {},
         .standard_output = found,
         .standard_error = found});
    if (!python) return python.error().message;
    const auto status = python->wait(60s);
    if (status && status->exit_code == 0) return {};
    return "not valid: " + base::read_file(found).value_or("");
}

/// The program as a user runs it, with its result in a folder of its own.
class RealBinary : public testing::Test {
protected:
    RealBinary() : directory_(*base::TempDir::make("app")) {}

    base::Process start(std::vector<std::string> words) {
        words.insert(words.begin(), CRUCIBLE);
        words.insert(words.end(), {"--out", out().string()});
        auto process = base::Process::start({.arguments = std::move(words),
                                             .inherit = {},
                                             .standard_output = directory_.path() / "stdout",
                                             .standard_error = directory_.path() / "stderr"});
        EXPECT_TRUE(process) << process.error().message;
        return *std::move(process);
    }

    /// Waits for its end; the exit code, or -1.
    int run(std::vector<std::string> words) {
        auto process = start(std::move(words));
        const auto status = process.wait(300s);
        EXPECT_TRUE(status && status->signal == 0) << errors();
        return status ? status->exit_code : -1;
    }

    /// Until the load has begun: the first line of progress is out.
    bool wait_for_progress() const {
        const auto deadline = base::monotonic_now() + 20s;
        base::SteadyClock clock;
        while (errors().empty() && base::monotonic_now() < deadline) {
            clock.sleep_until(clock.now() + 10ms);
        }
        return !errors().empty();
    }

    std::string output() const {
        return base::read_file(directory_.path() / "stdout").value_or("");
    }
    std::filesystem::path out() const { return directory_.path() / "out"; }
    std::string errors() const {
        return base::read_file(directory_.path() / "stderr").value_or("");
    }

    std::string complaints(std::string_view schema) const {
        return schema_complaints(schema, out() / "result.json", directory_.path() / "complaints");
    }

    nlohmann::json result() const {
        return nlohmann::json::parse(base::read_file(out() / "result.json").value_or("null"));
    }

    static double metric(const nlohmann::json& result, std::string_view name) {
        for (const auto& metric : result.at("scenarios").at(0).at("metrics")) {
            if (metric.at("name") == name) return metric.at("value").get<double>();
        }
        ADD_FAILURE() << "no metric " << name;
        return 0;
    }

private:
    base::TempDir directory_;
};

}  // namespace crucible::app
