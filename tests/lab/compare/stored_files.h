#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/file.h"
#include "lab/compare/stored.h"

namespace crucible::lab {

/// A folder for the files of one test.
class StoredFiles : public testing::Test {
protected:
    StoredFiles() : directory_(*base::TempDir::make("stored")) {}

    std::filesystem::path path(const std::string& name) const { return directory_.path() / name; }

    std::string write_text(const std::string& name, std::string_view content) const {
        std::filesystem::create_directories(path(name).parent_path());
        EXPECT_TRUE(base::write_file(path(name), content));
        return path(name);
    }
    std::string write(const std::string& name, const nlohmann::json& content) const {
        return write_text(name, content.dump());
    }

    /// The whole message of a refusal, which begins with the file's name.
    void expect_refused(const std::string& file, const std::string& message) const {
        const auto stored = read_stored(file);
        ASSERT_FALSE(stored) << message;
        EXPECT_EQ(stored.error().message, file + message);
    }

    /// One of the files that ship with the tests.
    static StoredResult shipped(const std::string& name) {
        auto stored = read_stored(std::filesystem::path(CRUCIBLE_TEST_DATA) / "stored" / name);
        EXPECT_TRUE(stored) << stored.error().message;
        return stored.value_or(StoredResult());
    }

private:
    base::TempDir directory_;
};

inline const StoredMetric& metric_of(const StoredResult& result, std::string_view name,
                                     std::size_t scenario = 0) {
    for (const auto& metric : result.scenarios.at(scenario).metrics) {
        if (metric.name == name) return metric;
    }
    ADD_FAILURE() << name;
    return result.scenarios.at(scenario).metrics.at(0);
}

/// Google Benchmark's JSON of one benchmark with these times, in ns.
inline nlohmann::json benchmark_json(const std::vector<double>& times,
                                     const std::string& name = "BM_Send") {
    nlohmann::json rows = nlohmann::json::array();
    for (const double time : times) {
        rows.push_back({{"name", name},
                        {"run_name", name},
                        {"run_type", "iteration"},
                        {"real_time", time},
                        {"cpu_time", time},
                        {"time_unit", "ns"}});
    }
    return {{"context",
             {{"date", "2026-01-31T12:00:00+00:00"},
              {"host_name", "bench"},
              {"num_cpus", 8},
              {"cpu_scaling_enabled", false},
              {"library_build_type", "release"}}},
            {"benchmarks", std::move(rows)}};
}

}  // namespace crucible::lab
