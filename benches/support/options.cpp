#include "support/options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/units.h"

namespace crucible::bench {
namespace {

/// Publishers write who they are into payloads, and records have their key there.
constexpr std::size_t kPayloadLeast = 64;
constexpr std::size_t kPayloadMost = 1u << 20;

std::unexpected<Error> bad(std::string message) {
    return std::unexpected(Error{Errc::invalid_argument, std::move(message)});
}

std::vector<std::string> split(std::string_view text) {
    std::vector<std::string> words;
    while (!text.empty()) {
        const auto word = text.substr(0, text.find(','));
        text.remove_prefix(std::min(text.size(), word.size() + 1));
        words.emplace_back(word);
    }
    return words;
}

Result<> add_names(std::string_view option, std::string_view text,
                   std::span<const std::string_view> known, std::vector<std::string>& names) {
    for (auto& word : split(text)) {
        if (std::ranges::find(known, word) == known.end())
            return bad(fmt::format("{} '{}': one of {}", option, word, fmt::join(known, ", ")));
        names.push_back(std::move(word));
    }
    return {};
}

Result<> add_payloads(std::string_view text, std::vector<std::size_t>& payloads) {
    for (const auto& word : split(text)) {
        const auto bytes = base::parse_bytes(word);
        if (!bytes || *bytes < kPayloadLeast || *bytes > kPayloadMost)
            return bad(fmt::format("--payload '{}': sizes from 64B to 1MiB", word));
        payloads.push_back(static_cast<std::size_t>(*bytes));
    }
    return {};
}

/// A number in [least, most], whole if `least` is at least 1.
Result<double> number(std::string_view option, std::string_view text, double least, double most) {
    double value = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = least < 1 || value == static_cast<double>(static_cast<std::int64_t>(value));
    if (status != std::errc{} || end != text.data() + text.size() || !(value >= least) ||
        value > most || !whole) {
        return bad(fmt::format("{} '{}': a{} number from {} to {}", option, text,
                               least < 1 ? "" : " whole", least, most));
    }
    return value;
}

Result<> set(std::string_view option, std::string_view value, const Choices& choices,
             Options& options) {
    if (option == "--part") return add_names(option, value, choices.parts, options.parts);
    if (option == "--peer") return add_names(option, value, choices.peers, options.peers);
    if (option == "--payload") return add_payloads(value, options.payloads);
    if (option == "--json") {
        options.json_path = value;
        return {};
    }
    const bool seconds = option == "--seconds";
    const auto parsed =
        number(option, value, seconds ? 0.001 : 1, option == "--rounds" ? 1000 : 1e6);
    if (!parsed) return std::unexpected(parsed.error());
    if (seconds) {
        options.seconds = *parsed;
        options.seconds_given = true;
    }
    if (option == "--rounds") options.rounds = static_cast<std::uint32_t>(*parsed);
    if (option == "--seed") options.seed = static_cast<std::uint64_t>(*parsed);
    return {};
}

}  // namespace

bool Options::wants_peer(std::string_view name) const {
    return peers.empty() || std::ranges::find(peers, name) != peers.end();
}

Result<Options> parse_options(std::span<char* const> words, const Choices& choices) {
    constexpr std::array<std::string_view, 7> known{"--part",    "--peer", "--payload", "--rounds",
                                                    "--seconds", "--seed", "--json"};
    Options options;
    options.seconds = choices.seconds;
    for (std::size_t i = 0; i < words.size(); ++i) {
        std::string_view word = words[i];
        if (word == "--smoke") {
            options.smoke = true;
            continue;
        }
        std::string_view value;
        if (const auto equals = word.find('='); equals != std::string_view::npos) {
            value = word.substr(equals + 1);
            word = word.substr(0, equals);
        } else if (i + 1 < words.size()) {
            value = words[i + 1];
            ++i;
        }
        if (std::ranges::find(known, word) == known.end() ||
            (word == "--peer" && choices.peers.empty()))
            return bad(fmt::format("unknown option '{}'; see --help", word));
        if (value.empty()) return bad(fmt::format("{} needs a value; see --help", word));
        if (auto done = set(word, value, choices, options); !done)
            return std::unexpected(done.error());
    }
    if (options.smoke) {
        options.rounds = 1;
        options.seconds = std::min(options.seconds, 0.02);
    }
    return options;
}

}  // namespace crucible::bench
