#pragma once

/// A library whose functions and lines the tests know. Line numbers stand in symbolizer_test.cpp.
using TakeStack = void (*)();

/// The only symbol that it exports.
extern "C" [[gnu::visibility("default")]] void run_known(TakeStack take);
