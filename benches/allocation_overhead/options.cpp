#include "allocation_overhead/options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstddef>

namespace crucible::bench {
namespace {

std::unexpected<Error> bad_option(std::string message) {
    return std::unexpected(Error{Errc::invalid_argument, std::move(message)});
}

Result<> add_parts(std::string_view text, std::span<const std::string_view> known,
                   std::vector<std::string>& parts) {
    while (!text.empty()) {
        const auto word = text.substr(0, text.find(','));
        text.remove_prefix(std::min(text.size(), word.size() + 1));
        if (std::ranges::find(known, word) == known.end())
            return bad_option(fmt::format("--part '{}': one of {}", word, fmt::join(known, ", ")));
        parts.emplace_back(word);
    }
    return {};
}

template <class Number>
Result<> set_number(std::string_view option, std::string_view text, Number most, Number& number) {
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (status != std::errc{} || end != text.data() + text.size() || number < 1 || number > most) {
        return bad_option(fmt::format("{} '{}': a whole number from 1 to {}", option, text, most));
    }
    return {};
}

Result<> set_option(std::string_view option, std::string_view value,
                    std::span<const std::string_view> parts, OverheadOptions& options) {
    if (option == "--part") return add_parts(value, parts, options.parts);
    if (option == "--rounds") return set_number(option, value, 1000U, options.rounds);
    if (option == "--tool-rounds") return set_number(option, value, 1000U, options.tool_rounds);
    if (option == "--seed")
        return set_number(option, value, std::uint64_t{1'000'000}, options.seed);
    if (option != "--json")
        return bad_option(fmt::format("unknown option '{}'; see --help", option));
    options.json_path = value;
    return {};
}

}  // namespace

bool OverheadOptions::wants(std::string_view part) const {
    return parts.empty() || std::ranges::find(parts, part) != parts.end();
}

Result<OverheadOptions> parse_overhead_options(std::span<char* const> words,
                                               std::span<const std::string_view> parts) {
    OverheadOptions options;
    for (std::size_t i = 0; i < words.size(); ++i) {
        std::string_view option = words[i];
        if (option == "--smoke") {
            options.smoke = true;
            continue;
        }
        std::string_view value;
        if (const auto equals = option.find('='); equals != std::string_view::npos) {
            value = option.substr(equals + 1);
            option = option.substr(0, equals);
        } else if (i + 1 < words.size()) {
            value = words[++i];
        }
        if (value.empty() && option.starts_with("--"))
            return bad_option(fmt::format("{} needs a value; see --help", option));
        if (auto done = set_option(option, value, parts, options); !done)
            return std::unexpected(done.error());
    }
    if (options.smoke) {
        options.rounds = 1;
        options.tool_rounds = 1;
    }
    return options;
}

}  // namespace crucible::bench
