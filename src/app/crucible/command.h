#pragma once

#include <iosfwd>
#include <span>
#include <string_view>

namespace crucible::app {

/// Exit codes of every command (README.md lists them for users).
inline constexpr int kDone = 0;
inline constexpr int kJudgedFailed = 1;
inline constexpr int kBadUsage = 2;
inline constexpr int kEnvironmentInvalid = 3;
inline constexpr int kTargetFailed = 5;
inline constexpr int kInterrupted = 130;

/// `args` are the words after the command's name. The result goes to `out`, progress and errors to
/// `err`; the return value is the process's exit code.
using Command = int (*)(std::span<const std::string_view> args, std::ostream& out,
                        std::ostream& err);

/// crucible compare <baseline> <candidate>
int compare_command(std::span<const std::string_view> args, std::ostream& out, std::ostream& err);
/// crucible run <target>
int run_command(std::span<const std::string_view> args, std::ostream& out, std::ostream& err);
/// crucible profile <target> [candidate]
int profile_command(std::span<const std::string_view> args, std::ostream& out, std::ostream& err);
/// crucible scale <target> [candidate]
int scale_command(std::span<const std::string_view> args, std::ostream& out, std::ostream& err);
/// crucible report <result>
int report_command(std::span<const std::string_view> args, std::ostream& out, std::ostream& err);

/// crucible daemon status|services|queues|rules|dead-letters
int daemon_command(std::span<const std::string_view> args, std::ostream& out, std::ostream& err);

/// crucible allocations <pid or directory>
int allocations_command(std::span<const std::string_view> args, std::ostream& out,
                        std::ostream& err);

/// The whole program: `args` are all words after the program's name.
int crucible_main(std::span<const std::string_view> args, std::ostream& out, std::ostream& err);

}  // namespace crucible::app
