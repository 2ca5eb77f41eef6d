#include "app/crucible/parse_arguments.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

#include "app/crucible/command.h"
#include "base/nearest.h"

namespace crucible::app {
namespace {

std::vector<std::string> known_options(const CLI::App& command) {
    std::vector<std::string> names;
    for (const auto* option : command.get_options()) {
        for (const auto& name : option->get_lnames()) names.push_back("--" + name);
    }
    return names;
}

/// The first word that looks like an option and is none. CLI11 would report it only after
/// everything else.
std::optional<std::string> unknown_option(const CLI::App& command,
                                          std::span<const std::string_view> args) {
    const auto known = known_options(command);
    for (const auto word : args) {
        if (word == "--") break;
        if (!word.starts_with("--")) {
            if (word.starts_with("-") && word.size() > 1 && word != "-h" &&
                !std::isdigit(static_cast<unsigned char>(word[1]))) {
                return std::string(word);
            }
            continue;
        }
        const auto name = word.substr(0, word.find('='));
        if (std::ranges::find(known, name) == known.end()) return std::string(name);
    }
    return std::nullopt;
}

/// The first option that was given an empty value, "$UNSET" in a script. Commands take an empty one
/// for one that was not given.
std::optional<std::string> empty_option(const CLI::App& command) {
    for (const auto* option : command.get_options()) {
        const auto& given = option->results();
        if (!option->get_lnames().empty() && std::ranges::find(given, "") != given.end())
            return "--" + option->get_lnames().front();
    }
    return std::nullopt;
}

}  // namespace

int usage_error(std::ostream& err, std::string_view message) {
    err << "crucible: " << message << '\n';
    return kBadUsage;
}

std::optional<int> parse_arguments(CLI::App& command, std::span<const std::string_view> args,
                                   std::ostream& out, std::ostream& err) {
    if (const auto unknown = unknown_option(command, args)) {
        const auto names = known_options(command);
        const std::vector<std::string_view> known(names.begin(), names.end());
        const auto near = base::nearest(*unknown, known);
        return usage_error(
            err, near.empty()
                     ? fmt::format("unknown option '{}'; see crucible {} --help", *unknown,
                                   command.get_name())
                     : fmt::format("unknown option '{}'; did you mean '{}'?", *unknown, near));
    }
    std::vector<std::string> reversed(args.rbegin(), args.rend());
    try {
        command.parse(reversed);
        if (const auto name = empty_option(command)) {
            return usage_error(err, fmt::format("{} '': must not be empty; see crucible {} --help",
                                                *name, command.get_name()));
        }
    } catch (const CLI::CallForHelp&) {
        out << command.help();
        return kDone;
    } catch (const CLI::ParseError& error) {
        std::string message = error.what();
        std::ranges::replace(message, '\n', ' ');
        return usage_error(err,
                           fmt::format("{}; see crucible {} --help", message, command.get_name()));
    }
    return std::nullopt;
}

}  // namespace crucible::app
