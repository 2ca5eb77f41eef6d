#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "crucible/error.h"
#include "crucible/target.h"

namespace crucible {

/// What a client of a target of yours is opened with.
struct TargetOptions {
    std::uint32_t client = 0;  ///< its number, from 0
    std::string path;          ///< what stands in the URL between the colon and the question mark
    std::vector<std::pair<std::string, std::string>> options;  ///< `?key=value&…`, in that order
};

/// Opens one client of a system. Called in the client's process, once. The handler may be called
/// from any one thread at a time, also from inside Target::send().
using TargetFactory =
    std::function<Result<std::unique_ptr<Target>>(const TargetOptions&, CompletionHandler)>;

/// Makes `scheme:` a target of this program's commands, beside those that are built in. What the
/// client processes use counts as the system's, less what the harness alone would use. Before
/// measure(); not from two threads. - Errc::invalid_argument: not lower-case letters, digits and
/// dashes; Errc::already_exists.
Result<> register_target(std::string scheme, TargetFactory factory);

/// The program `crucible`, with the registered targets: `my_program compare mine: daemon:`. Its
/// client processes are this program again, so all of main() before it runs in each. Returns the
/// exit code.
int measure(int argc, char** argv);

}  // namespace crucible
