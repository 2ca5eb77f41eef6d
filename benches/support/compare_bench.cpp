#include "support/compare_bench.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/process.h"

namespace crucible::benches {
namespace {

constexpr int kDone = 0;
constexpr int kUsage = 2;
constexpr int kEnvironment = 3;
constexpr int kInconclusive = 4;
constexpr int kTargetFailed = 5;
constexpr Duration kSmokeLimit = std::chrono::minutes(1);

int complain(std::string_view what, int exit_code) {
    fmt::print(stderr, "{}: {}\n", base::self_executable().filename().string(), what);
    return exit_code;
}

std::string crucible_path() {
    if (const char* given = std::getenv("CRUCIBLE"); given != nullptr && *given != '\0')
        return given;
    return base::self_executable().parent_path() / "crucible";
}

/// Becomes `crucible compare`: signals and the exit code need no passing on.
int become(std::vector<std::string> command, const std::string& json_path) {
    if (!json_path.empty()) {
        const int file = ::open(json_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (file < 0 || ::dup2(file, STDOUT_FILENO) < 0)
            return complain(fmt::format("{}: {}", json_path, std::strerror(errno)), kUsage);
        command.emplace_back("--json");
    }
    std::vector<char*> words;
    for (auto& word : command) words.push_back(word.data());
    words.push_back(nullptr);
    ::execv(words.front(), words.data());
    return complain(fmt::format("{}: {}", command.front(), std::strerror(errno)), kUsage);
}

/// Runs it and checks that a whole result came out. That two short rounds on a busy machine prove
/// nothing is no failure here.
int smoke(std::vector<std::string> command, std::filesystem::path json_path) {
    auto directory = base::TempDir::make("bench");
    if (!directory) return complain(directory.error().message, kUsage);
    if (json_path.empty()) json_path = directory->path() / "result.json";
    // A process appends to its output file; the result of an earlier run must go, and a path that
    // cannot be written is said now.
    if (const auto emptied = base::write_file(json_path, ""); !emptied)
        return complain(emptied.error().message, kUsage);
    const std::string out = directory->path() / "out";
    command.insert(command.end(),
                   {"--rounds", "2", "--warmup", "100ms", "--out", out, "--quiet", "--json"});
    auto process = base::Process::start({.arguments = command, .standard_output = json_path});
    if (!process) return complain(process.error().message, kUsage);
    const auto ended = process->wait(kSmokeLimit);
    if (!ended) return complain("crucible compare did not end within a minute", kTargetFailed);
    const bool undecided = ended->exit_code == kEnvironment || ended->exit_code == kInconclusive;
    if (ended->signal != 0 || (ended->exit_code != kDone && !undecided)) {
        return complain(fmt::format("crucible compare {}", ended->describe()),
                        ended->signal != 0 ? kTargetFailed : ended->exit_code);
    }
    const auto result = base::read_file(json_path);
    if (!result) return complain(result.error().message, kTargetFailed);
    if (!result->contains("\"crucible.comparison/1\"") || !result->contains("\"verdict\""))
        return complain("crucible compare wrote no comparison", kTargetFailed);
    fmt::print("smoke: a comparison of {} bytes\n", result->size());
    return kDone;
}

}  // namespace

int compare_bench(int argc, char** argv, const CompareBench& bench) {
    bool is_smoke = false;
    std::string json_path;
    std::vector<std::string> others;
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument = argv[i];
        if (argument == "--help" || argument == "-h") {
            fmt::print("{}", bench.help);
            return kDone;
        }
        if (argument == "--smoke") {
            is_smoke = true;
        } else if (argument == "--json") {
            if (i + 1 == argc) return complain("--json needs a file", kUsage);
            json_path = argv[++i];
        } else if (argument.starts_with("--json=")) {
            json_path = argument.substr(7);
        } else {
            others.emplace_back(argument);
        }
    }
    std::vector<std::string> command{crucible_path(), "compare", "coordinator:", "daemon:"};
    if (is_smoke) {
        for (const auto option : bench.smoke_options) command.emplace_back(option);
    } else {
        for (const auto scenario : bench.scenarios)
            command.insert(command.end(), {"--scenario", std::string(scenario)});
        const bool given = std::ranges::any_of(others, [](const std::string& option) {
            return option.starts_with("--time-budget") || option.starts_with("--rounds");
        });
        if (!given)
            command.insert(command.end(), {"--time-budget", std::string(bench.time_budget)});
    }
    command.insert(command.end(), others.begin(), others.end());
    return is_smoke ? smoke(std::move(command), json_path) : become(std::move(command), json_path);
}

}  // namespace crucible::benches
