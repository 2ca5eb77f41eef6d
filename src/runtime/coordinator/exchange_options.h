#pragma once

#include "crucible/error.h"
#include "runtime/coordinator/coordinator_options.h"
#include "runtime/dispatch/exchange.h"

namespace crucible::runtime {

/// The part of `options` that the exchange needs. - Errc::invalid_argument: one is out of range;
/// the message names it.
Result<ExchangeOptions> exchange_options(const CoordinatorOptions& options);

/// Puts the rules of `options.rules` in force, if there are such. - the errors of read_rules() and
/// RuleBook::replace(); the rules in force are then as before.
Result<> load_rules(const CoordinatorOptions& options, RuleBook& rules);

}  // namespace crucible::runtime
