#include <fmt/format.h>

#include <array>
#include <charconv>
#include <ostream>
#include <vector>

#include "app/crucible/command.h"
#include "app/crucible/parse_arguments.h"
#include "app/crucible/version.h"
#include "base/nearest.h"
#include "lab/run/trial.h"

namespace crucible::app {
namespace {

struct NamedCommand {
    std::string_view name;
    std::string_view summary;
    Command run;
};

constexpr std::array<NamedCommand, 7> kCommands{{
    {"compare", "compare two systems under the same load: which to ship", compare_command},
    {"run", "drive one system and measure it", run_command},
    {"profile", "count its allocations, every byte with its owner", profile_command},
    {"scale", "find until when it holds: breaking point, curves, what binds", scale_command},
    {"report", "render a stored result again", report_command},
    {"allocations", "what a process with the allocation tracker has counted", allocations_command},
    {"daemon", "look inside a running crucibled", daemon_command},
}};

void print_help(std::ostream& out) {
    out << "crucible " << version()
        << ": should you move from architecture A to architecture B?\n\n"
        << "Usage: crucible <command> [options]\n\nCommands:\n";
    for (const auto& command : kCommands)
        out << fmt::format("  {:<12} {}\n", command.name, command.summary);
    out << "\nExamples:\n"
           "  crucible compare coordinator: daemon:\n"
           "  crucible run daemon: --rate 5000 --duration 10s\n\n"
           "crucible <command> --help says more. The daemon itself: crucibled --help\n";
}

/// `crucible worker --control-fd N`: a client process of ours; not for people.
int worker(std::span<const std::string_view> args, std::ostream& err) {
    int fd = -1;
    if (args.size() == 2 && args[0] == "--control-fd") {
        std::from_chars(args[1].data(), args[1].data() + args[1].size(), fd);
    }
    if (fd < 0) return usage_error(err, "worker: started by crucible itself, with --control-fd N");
    return lab::worker_main(fd);
}

}  // namespace

int crucible_main(std::span<const std::string_view> args, std::ostream& out, std::ostream& err) {
    if (args.empty())
        return usage_error(
            err,
            "a command is missing: compare, run, profile, scale or report; see crucible --help");
    const auto name = args.front();
    if (name == "--help" || name == "-h" || name == "help") {
        print_help(out);
        return kDone;
    }
    if (name == "--version") {
        out << "crucible " << version() << " (" << commit() << ")\n";
        return kDone;
    }
    if (name == "worker") return worker(args.subspan(1), err);
    std::vector<std::string_view> names;
    for (const auto& command : kCommands) {
        if (command.name == name) return command.run(args.subspan(1), out, err);
        names.push_back(command.name);
    }
    const auto near = base::nearest(name, names);
    return usage_error(
        err, near.empty() ? fmt::format("unknown command '{}'; see crucible --help", name)
                          : fmt::format("unknown command '{}'; did you mean '{}'?", name, near));
}

}  // namespace crucible::app
