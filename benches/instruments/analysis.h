#pragma once

namespace crucible::bench {

/// What it takes to judge a comparison: the bootstrap over rounds, a look after a round, and the
/// whole analysis of 40 rounds of four scenarios.
void register_analysis();

}  // namespace crucible::bench
