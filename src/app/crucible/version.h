#pragma once

#include <span>
#include <string_view>

#include "lab/compare/comparison.h"

namespace crucible::app {

/// "0.1.0", and the commit it was built from ("unknown" outside a checkout).
std::string_view version() noexcept;
std::string_view commit() noexcept;

/// The facts of a run that starts now.
lab::RunFacts run_facts(std::string_view command, std::span<const std::string_view> args,
                        std::uint64_t seed);

}  // namespace crucible::app
