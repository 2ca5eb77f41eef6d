// The tracker against Valgrind's Memcheck and DHAT, which count the same calls by other means.
// CRUCIBLE_ALLOC_AGREEMENT=200 compares so many seeds instead of a few.
//
// What they mean (3.19), and what it is here:
// - Memcheck: a realloc() is an allocation and a free, as here. "total heap usage" is the process's
//   allocations, frees and requested bytes, "in use at exit" its live blocks and bytes.
// - DHAT: the same, in blocks and bytes, but a block of no bytes counts as one byte. Its t-gmax is
//   the peak of these bytes; `exercise` says what it is with that byte and without.
// Both are told not to have the C and C++ libraries free what they keep, once the program has
// ended: that is never freed without Valgrind.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <vector>

#include "alloc/watched.h"

namespace crucible::alloc {
namespace {

using namespace std::chrono_literals;

constexpr const char* kValgrind = "/usr/bin/valgrind";

int seeds_to_compare() {
    const char* const named = ::getenv("CRUCIBLE_ALLOC_AGREEMENT");
    return named == nullptr ? 4 : std::max(std::atoi(named), 1);
}

struct Usage {
    std::int64_t allocations = -1, frees = -1, bytes = -1, live_blocks = -1, live_bytes = -1;
    std::int64_t peak_bytes = -1;
};

/// The numbers of the expression's groups, in which Valgrind puts commas.
std::vector<std::int64_t> numbers(const std::string& text, const char* expression) {
    std::smatch found;
    if (!std::regex_search(text, found, std::regex(expression))) {
        ADD_FAILURE() << "not in Valgrind's output: " << expression << '\n' << text;
        return {-1, -1, -1};
    }
    std::vector<std::int64_t> all;
    for (std::size_t i = 1; i < found.size(); ++i) {
        std::string digits = found[i];
        std::erase(digits, ',');
        all.push_back(std::stoll(digits));
    }
    return all;
}

Usage memcheck_usage(const std::string& text) {
    const auto use = numbers(text, R"(in use at exit: ([\d,]+) bytes in ([\d,]+) blocks)");
    const auto total = numbers(
        text, R"(total heap usage: ([\d,]+) allocs, ([\d,]+) frees, ([\d,]+) bytes allocated)");
    return {total[0], total[1], total[2], use[1], use[0], -1};
}

Usage dhat_usage(const std::filesystem::path& file) {
    const auto content = base::read_file(file);
    if (!content) {
        ADD_FAILURE() << content.error().message;
        return {};
    }
    const auto all = nlohmann::json::parse(*content);
    EXPECT_EQ(all["dhatFileVersion"], 2);
    Usage usage{0, 0, 0, 0, 0, 0};
    for (const auto& point : all["pps"]) {
        usage.allocations += point["tbk"].get<std::int64_t>();
        usage.bytes += point["tb"].get<std::int64_t>();
        usage.live_blocks += point["ebk"].get<std::int64_t>();
        usage.live_bytes += point["eb"].get<std::int64_t>();
        usage.peak_bytes += point["gb"].get<std::int64_t>();
    }
    usage.frees = usage.allocations - usage.live_blocks;
    return usage;
}

/// One run with each.
void compare(int seed) {
    const ::testing::ScopedTrace trace(__FILE__, __LINE__, "seed " + std::to_string(seed));
    const std::vector<std::string> program{kPrograms / "exercise", std::to_string(seed), "1500",
                                           "1"};
    const auto directory = region_directory();
    const auto start = [&](std::vector<std::string> command, const char* name) {
        command.insert(command.begin(), kValgrind);
        command.insert(command.end(), {"--run-libc-freeres=no", "--run-cxx-freeres=no"});
        command.insert(command.end(), program.begin(), program.end());
        auto process = base::Process::start(
            {.arguments = command,
             .standard_output = directory.path() / (std::string(name) + ".output"),
             .standard_error = directory.path() / name});
        EXPECT_TRUE(process) << process.error().message;
        return std::move(*process);
    };
    // Beside each other: they take most of the time of all tests here.
    auto memcheck_run = start({"--leak-check=no", "--undef-value-errors=no"}, "memcheck");
    auto dhat_run =
        start({"--tool=dhat", "--dhat-out-file=" + (directory.path() / "json").string()}, "dhat");
    const Ended ended = run(program);
    ASSERT_EQ(ended.status.describe(), "exited with code 0") << ended.errors;
    ASSERT_EQ(memcheck_run.wait(60s).value().describe(), "exited with code 0");
    ASSERT_EQ(dhat_run.wait(60s).value().describe(), "exited with code 0");
    for (const auto* const output : {"memcheck.output", "dhat.output"})
        ASSERT_EQ(base::read_file(directory.path() / output).value(), ended.output);

    const Snapshot snapshot = snapshot_of(ended);
    const Counts& total = snapshot.total;
    const Exercised truth = exercised(ended.output);
    const Usage memcheck = memcheck_usage(base::read_file(directory.path() / "memcheck").value());
    EXPECT_EQ(total.allocations, static_cast<std::uint64_t>(memcheck.allocations));
    EXPECT_EQ(total.frees, static_cast<std::uint64_t>(memcheck.frees));
    EXPECT_EQ(total.bytes, static_cast<std::uint64_t>(memcheck.bytes));
    EXPECT_EQ(total.live_blocks(), memcheck.live_blocks);
    EXPECT_EQ(total.live_bytes(), memcheck.live_bytes);

    // With the bytes that are none.
    const Usage dhat = dhat_usage(directory.path() / "json");
    const std::int64_t of_nothing = truth.padded_bytes - static_cast<std::int64_t>(truth.bytes);
    EXPECT_EQ(total.allocations, static_cast<std::uint64_t>(dhat.allocations));
    EXPECT_EQ(total.frees, static_cast<std::uint64_t>(dhat.frees));
    EXPECT_EQ(static_cast<std::int64_t>(total.bytes) + of_nothing, dhat.bytes);
    EXPECT_EQ(total.live_blocks(), dhat.live_blocks);
    EXPECT_EQ(total.live_bytes() + truth.padded_live - truth.live, dhat.live_bytes);
    // What lives from before main() to the end, as the C++ library's reserve does.
    const std::int64_t besides = total.live_bytes() - truth.live;
    EXPECT_EQ(truth.padded_peak + besides, dhat.peak_bytes);
    EXPECT_EQ(truth.peak_low, owner(snapshot, "exercise").peak_live_bytes);
    EXPECT_LE(snapshot.peak_live_bytes, truth.peak_low + besides);
    EXPECT_GE(snapshot.peak_live_bytes + snapshot.peak_error_bytes, truth.peak_low + besides);
}

TEST(Agreement, WithMemcheckAndDhat) {
    if (!std::filesystem::exists(kValgrind)) GTEST_SKIP() << "valgrind is not installed";
    const int seeds = seeds_to_compare();
    for (int seed = 1; seed <= seeds; ++seed) compare(seed);
}

}  // namespace
}  // namespace crucible::alloc
