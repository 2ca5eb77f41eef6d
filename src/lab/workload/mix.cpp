#include "lab/workload/mix.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <charconv>
#include <numeric>
#include <optional>

#include "base/assert.h"
#include "base/nearest.h"
#include "runtime/service/deal.h"

namespace crucible::lab {
namespace {

constexpr std::uint64_t kBlockMax = 1000;
constexpr std::uint64_t kCategoryWeightMax = 1'000'000;

std::unexpected<Error> invalid_mix(std::string_view text, std::string_view what) {
    return std::unexpected(Error{Errc::invalid_argument, fmt::format("mix '{}': {}", text, what)});
}

/// Where the category stands in the production mix.
std::optional<std::size_t> place_of(std::string_view name) {
    for (std::size_t i = 0; i < runtime::kProductionMix.size(); ++i)
        if (to_string(runtime::kProductionMix[i].category) == name) return i;
    return std::nullopt;
}

}  // namespace

Mix Mix::production() {
    std::string text;
    for (const auto& [category, percent] : runtime::kProductionMix)
        text += fmt::format("{}{}={}", text.empty() ? "" : ",", to_string(category), percent);
    auto mix = parse(text);
    CRUCIBLE_ASSERT(mix);
    return *std::move(mix);
}

Mix Mix::only(Category category) {
    auto mix = parse(fmt::format("{}=1", to_string(category)));
    CRUCIBLE_ASSERT(mix);
    return *std::move(mix);
}

Result<Mix> Mix::parse(std::string_view text) {
    std::array<std::uint64_t, runtime::kProductionMix.size()> weights{};
    for (std::string_view rest = text; !rest.empty();) {
        const auto part = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(rest.size(), part.size() + 1));
        const auto equals = part.find('=');
        const auto name = part.substr(0, equals);
        const auto place = place_of(name);
        if (!place) {
            std::vector<std::string_view> names;
            for (const auto& share : runtime::kProductionMix)
                names.push_back(to_string(share.category));
            const auto near = base::nearest(name, names);
            return invalid_mix(
                text,
                near.empty()
                    ? fmt::format("no category '{}'; there are {}", name, fmt::join(names, ", "))
                    : fmt::format("no category '{}'; did you mean '{}'?", name, near));
        }
        if (weights[*place] != 0)
            return invalid_mix(text, fmt::format("'{}' is given twice", name));
        const auto number = equals == std::string_view::npos ? "" : part.substr(equals + 1);
        const auto* end = number.data() + number.size();
        const auto [stopped, status] = std::from_chars(number.data(), end, weights[*place]);
        if (status != std::errc{} || stopped != end || weights[*place] < 1 ||
            weights[*place] > kCategoryWeightMax)
            return invalid_mix(text,
                               fmt::format("'{}' must be CATEGORY=WEIGHT, a weight being a whole "
                                           "number from 1 to 1000000",
                                           part));
    }
    std::uint64_t divisor = 0;
    std::uint64_t total = 0;
    for (const auto weight : weights) {
        divisor = std::gcd(divisor, weight);
        total += weight;
    }
    if (total == 0) return invalid_mix(text, "must be CATEGORY=WEIGHT,...");
    if (total / divisor > kBlockMax) {
        return invalid_mix(text,
                           fmt::format("these shares are exact only in {} events; use rounder "
                                       "weights, 1000 events must do",
                                       total / divisor));
    }
    Mix mix;
    mix.text_ = text;
    for (std::size_t i = 0; i < weights.size(); ++i)
        mix.block_.insert(mix.block_.end(), weights[i] / divisor,
                          runtime::kProductionMix[i].category);
    return mix;
}

}  // namespace crucible::lab
