#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "crucible/error.h"

/// What every `<name>_fuzzer.cpp` defines, and what they have in common. entry.cpp makes a program
/// of it.
namespace crucible::fuzz {

/// Does with `input` what the program does with bytes from strangers, and asserts what must then
/// hold: a broken property stops the process, as a crash would.
void run(std::string_view input);

/// Valid inputs, made with our own encoders, for the search to start from. Empty where the corpus
/// has texts written by hand.
std::vector<std::string> seeds();

/// Asserts that people can read `error` in a log: its message is one line, and not empty.
void check_message(const Error& error);

}  // namespace crucible::fuzz
