#include "app/crucible/compare_stored.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <ostream>

#include "app/crucible/command.h"
#include "app/crucible/output.h"
#include "app/crucible/parse_arguments.h"
#include "app/crucible/version.h"
#include "base/text.h"
#include "lab/compare/observation.h"
#include "lab/target/system.h"

namespace crucible::app {
namespace {

std::unexpected<Error> invalid(std::string message) {
    return std::unexpected(Error{Errc::invalid_argument, std::move(message)});
}

bool is_stored(const std::string& argument) {
    std::error_code status;
    // A target is one even where a file has its name: ./daemon: is the file.
    return !lab::parse_target(argument) && std::filesystem::exists(argument, status);
}

/// Nothing else than a file that is not there: it has no scheme, or a path before it.
bool looks_like_path(const std::string& argument) {
    return argument.ends_with(".json") || argument.find('/') < argument.find(':');
}

/// Refuses a directory for the result that holds one of those it is made of.
Result<> check_output(const std::string& out, const lab::StoredResult& result) {
    if (out.empty()) return {};
    for (const auto& file : result.files) {
        std::error_code status;
        if (std::filesystem::equivalent(std::filesystem::path(out) / "result.json", file.path,
                                        status))
            return invalid(
                fmt::format("--out '{}': {} is there, which is compared", out, file.path));
    }
    return {};
}

/// What a file says must not drive the terminal.
int refused(std::ostream& err, const Error& error) {
    return usage_error(err, base::printable(error.message));
}

}  // namespace

Result<bool> name_stored_results(const std::string& baseline, const std::string& candidate) {
    const bool first = is_stored(baseline);
    const bool second = is_stored(candidate);
    if (first && second) return true;
    for (const auto* argument : {&baseline, &candidate}) {
        const bool missing = !argument->empty() && !lab::parse_target(*argument) &&
                             !is_stored(*argument) &&
                             (first || second || looks_like_path(*argument));
        if (missing)
            return std::unexpected(
                Error{Errc::not_found, fmt::format("{}: no such file or directory", *argument)});
    }
    if (first == second || baseline.empty() || candidate.empty()) return false;
    return invalid(
        fmt::format("{} is a stored result and {} a target: compare two results, or two "
                    "targets",
                    first ? baseline : candidate, first ? candidate : baseline));
}

Result<> check_stored_options(const CLI::App& command) {
    constexpr std::array<std::string_view, 7> kApply{"baseline", "candidate", "--margin", "--json",
                                                     "--out",    "--quiet",   "--help"};
    for (const auto* option : command.get_options()) {
        const auto name = option->get_name();
        if (option->count() == 0 || std::ranges::find(kApply, name) != kApply.end()) continue;
        return invalid(
            fmt::format("{} says how to measure, but stored results are compared as they are: only "
                        "--margin, --json, --out and --quiet apply",
                        name));
    }
    return {};
}

int compare_stored(const StoredArguments& arguments, std::span<const std::string_view> args,
                   std::ostream& out, std::ostream& err) {
    const auto baseline = lab::read_stored(arguments.baseline);
    if (!baseline) return refused(err, baseline.error());
    const auto candidate = lab::read_stored(arguments.candidate);
    if (!candidate) return refused(err, candidate.error());
    for (const auto* side : {&*baseline, &*candidate}) {
        if (const auto ok = check_output(arguments.out, *side); !ok)
            return refused(err, ok.error());
    }
    const lab::CompareOptions options{.margin = arguments.margin};
    const auto observation = lab::observe(*baseline, *candidate, options);
    if (!observation) return refused(err, observation.error());
    const auto directory = prepare_output(arguments.out, "compare");
    if (!directory) return usage_error(err, directory.error().message);
    const auto facts = run_facts("compare", args, /*seed=*/0);
    const auto result = lab::observation_json(facts, options, *baseline, *candidate, *observation);
    if (const auto shown = show_result(out, result, *directory, arguments.json); !shown)
        return refused(err, shown.error());
    return kDone;
}

}  // namespace crucible::app
