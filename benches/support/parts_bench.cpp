#include "support/parts_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "crucible_version.h"
#include "lab/compare/json_parts.h"
#include "lab/run/trial.h"
#include "runtime/event/rfc3339.h"

namespace crucible::bench {
namespace {

constexpr int kDone = 0;
constexpr int kUsage = 2;
constexpr int kTargetFailed = 5;

int complain(std::string_view program, std::string_view what) {
    fmt::print(stderr, "{}: {}\n", program, what);
    return kUsage;
}

Result<> write_result(const PartsBench& bench, const Options& options, std::span<char* const> words,
                      WallTime started, double seconds, const Rounds& rounds) {
    const lab::RunFacts facts{.version = kCrucibleVersion,
                              .commit = kCrucibleCommit,
                              .command = {words.begin(), words.end()},
                              .started = runtime::to_rfc3339(started),
                              .duration_seconds = seconds,
                              .seed = options.seed};
    auto result = lab::header_json(std::string(bench.schema), facts);
    result["rounds"] = options.rounds;
    result["trial_seconds"] = options.seconds;
    result["failed_trials"] = rounds.failures();
    result["questions"] = rounds.questions();
    for (const auto name : bench.records)
        result[std::string(name)] = rounds.records(std::string(name));
    return base::write_file(options.json_path, result.dump(1) + "\n");
}

}  // namespace

int run_parts_bench(std::span<char* const> words, const PartsBench& bench) {
    const auto arguments = words.subspan(1);
    Choices choices{.parts = {}, .peers = bench.peers, .seconds = bench.seconds};
    for (const auto& part : bench.parts) choices.parts.push_back(part.name);
    for (const std::string_view word : arguments) {
        if (word != "--help" && word != "-h") continue;
        fmt::print("{}", bench.help);
        return kDone;
    }
    const auto options = parse_options(arguments, choices);
    if (!options) return complain(bench.name, options.error().message);
    if (!options->json_path.empty()) {
        // What cannot be written is better said before than after.
        const auto emptied = base::write_file(options->json_path, "");
        if (!emptied) return complain(bench.name, emptied.error().message);
    }
    // Thousands of connections are opened, half of them by the servers, which inherit the limit.
    base::raise_descriptor_limit();
    const auto started = base::wall_now();
    const auto begin = base::monotonic_now();
    Rounds rounds(*options);
    for (const auto& part : bench.parts) {
        if (!options->parts.empty() &&
            std::ranges::find(options->parts, part.name) == options->parts.end())
            continue;
        part.run(*options, rounds);
    }
    const std::chrono::duration<double> spent = base::monotonic_now() - begin;
    if (!options->json_path.empty()) {
        const auto written = write_result(bench, *options, words, started, spent.count(), rounds);
        if (!written) return complain(bench.name, written.error().message);
    }
    if (rounds.failures() == 0) return kDone;
    fmt::print(stderr, "{}: {} trials failed\n", bench.name, rounds.failures());
    return kTargetFailed;
}

int run_lab_worker(std::span<char* const> words) {
    const std::string_view number = words.empty() ? "" : words.back();
    int descriptor = -1;
    std::from_chars(number.data(), number.data() + number.size(), descriptor);
    if (descriptor < 0) return complain(kLabWorker, "started by the bench itself");
    return lab::worker_main(descriptor);
}

}  // namespace crucible::bench
