#include "lab/workload/popularity.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/assert.h"

namespace crucible::lab {
namespace {

constexpr std::uint64_t kKeysMax = 1'000'000;
constexpr double kExponentMax = 10;

template <typename Number>
bool read(std::string_view text, Number& value) {
    const auto* end = text.data() + text.size();
    const auto [rest, status] = std::from_chars(text.data(), end, value);
    return status == std::errc{} && rest == end;
}

}  // namespace

Popularity Popularity::standard() {
    auto popularity = parse("uniform:64");
    CRUCIBLE_ASSERT(popularity);
    return *std::move(popularity);
}

Result<Popularity> Popularity::parse(std::string_view text) {
    Popularity popularity;
    popularity.text_ = text;
    const auto colon = text.find(':');
    const auto shape = text.substr(0, colon);
    const auto rest = colon == std::string_view::npos ? "" : text.substr(colon + 1);
    const auto comma = rest.find(',');
    double exponent = 0;
    const bool zipf = shape == "zipf";
    const bool read_well =
        (zipf || (shape == "uniform" && comma == std::string_view::npos)) &&
        read(rest.substr(0, comma), popularity.keys_) &&
        (!zipf || (comma != std::string_view::npos && read(rest.substr(comma + 1), exponent)));
    if (!read_well || popularity.keys_ < 1 || popularity.keys_ > kKeysMax ||
        (zipf && !(exponent > 0 && exponent <= kExponentMax))) {
        return std::unexpected(
            Error{Errc::invalid_argument,
                  fmt::format("keys '{}': must be uniform:COUNT or zipf:COUNT,EXPONENT with 1 to "
                              "1000000 keys and an exponent above 0, at most 10",
                              text)});
    }
    if (!zipf) return popularity;
    std::vector<double> cumulative(popularity.keys_);
    double sum = 0;
    for (std::size_t i = 0; i < cumulative.size(); ++i) {
        sum += std::pow(static_cast<double>(i + 1), -exponent);
        cumulative[i] = sum;
    }
    popularity.cumulative_ = std::make_shared<const std::vector<double>>(std::move(cumulative));
    return popularity;
}

std::uint64_t Popularity::draw(base::Rng& random) const {
    if (!cumulative_) return random.below(keys_);
    const double point = random.uniform() * cumulative_->back();
    const auto found = std::ranges::upper_bound(*cumulative_, point);
    return std::min(static_cast<std::uint64_t>(found - cumulative_->begin()), keys_ - 1);
}

}  // namespace crucible::lab
