#pragma once

#include <memory>

#include "crucible/error.h"
#include "lab/target/target.h"

namespace crucible::lab {

/// A system behind the standard input and output of a program, which each client starts for itself
/// (docs/formats/exec.md): an event is one line of JSON to it, an acknowledgement one line back.
/// Without a thread of its own: the sender's serves it. `command` is the shell's.
/// - Errc::failed: the program ended at once; the message has its last words.
Result<std::unique_ptr<Target>> open_exec(const std::string& command,
                                          CompletionHandler on_completion);

}  // namespace crucible::lab
