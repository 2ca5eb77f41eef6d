#pragma once

namespace crucible::base {

/// Prints the failed condition and its place to stderr and aborts.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace crucible::base

/// A broken invariant is a bug: it stops the process in every build type.
#define CRUCIBLE_ASSERT(condition) \
    ((condition) ? (void)0 : ::crucible::base::assertion_failed(#condition, __FILE__, __LINE__))
