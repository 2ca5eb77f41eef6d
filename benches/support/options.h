#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crucible/error.h"
#include "crucible/time.h"

namespace crucible::bench {

/// What the command line asks for.
struct Options {
    std::vector<std::string> parts;     ///< empty: all
    std::vector<std::string> peers;     ///< empty: all
    std::vector<std::size_t> payloads;  ///< bytes, where a part has several; empty: the usual ones
    std::uint32_t rounds = 7;
    double seconds = 1;  ///< of each trial
    bool seconds_given = false;
    std::uint64_t seed = 1;
    std::string json_path;
    bool smoke = false;

    Duration trial_length() const {
        return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
    }
    bool wants_peer(std::string_view name) const;
};

/// The names that --part and --peer take; without peers there is no --peer.
struct Choices {
    std::vector<std::string_view> parts;
    std::vector<std::string_view> peers;
    double seconds = 1;  ///< of each trial where --seconds does not say
};

/// - Errc::invalid_argument: one line for the user: what is wrong, and what is allowed.
Result<Options> parse_options(std::span<char* const> words, const Choices& choices);

}  // namespace crucible::bench
