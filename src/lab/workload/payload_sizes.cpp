#include "lab/workload/payload_sizes.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numbers>
#include <optional>

#include "base/units.h"

namespace crucible::lab {
namespace {

constexpr std::uint64_t kSizeWeightMax = 1'000'000;
constexpr std::size_t kBinsMax = 1000;
constexpr double kSigmaMax = 5;

std::unexpected<Error> invalid_payload(std::string_view text, std::string_view what) {
    return std::unexpected(
        Error{Errc::invalid_argument, fmt::format("payload '{}': {}", text, what)});
}

Result<std::uint64_t> size_of(std::string_view part, std::string_view text) {
    const auto bytes = base::parse_bytes(part);
    if (!bytes) return std::unexpected(bytes.error());
    if (*bytes >= 1 && *bytes <= kPayloadBytesMax) return bytes;
    return invalid_payload(
        text, "from 1 B to 10 MiB less 4 KiB (an event is at most 10 MiB with its envelope)");
}

template <typename Number>
std::optional<Number> number_of(std::string_view text) {
    Number value{};
    const auto* end = text.data() + text.size();
    const auto [rest, status] = std::from_chars(text.data(), end, value);
    if (status != std::errc{} || rest != end) return std::nullopt;
    return value;
}

/// Standard normal, by Box and Muller (1958).
double normal(base::Rng& random) {
    const double radius = std::sqrt(2 * random.exponential());
    return radius * std::cos(2 * std::numbers::pi * random.uniform());
}

}  // namespace

PayloadSizes PayloadSizes::fixed(std::uint64_t bytes) {
    PayloadSizes sizes;
    sizes.low_ = bytes;
    sizes.text_ = fmt::format("{}B", bytes);
    return sizes;
}

Result<PayloadSizes> PayloadSizes::parse(std::string_view text) {
    const auto colon = text.find(':');
    PayloadSizes sizes;
    sizes.text_ = text;
    if (colon == std::string_view::npos) {
        const auto size = size_of(text, text);
        if (!size) return std::unexpected(size.error());
        sizes.low_ = *size;
        return sizes;
    }
    const auto shape = text.substr(0, colon);
    std::string_view rest = text.substr(colon + 1);
    const auto comma = rest.find(',');
    const auto second = comma == std::string_view::npos ? "" : rest.substr(comma + 1);
    if (shape == "uniform") {
        const auto low = size_of(rest.substr(0, comma), text);
        if (!low) return std::unexpected(low.error());
        const auto high = size_of(second, text);
        if (!high) return std::unexpected(high.error());
        if (*low > *high) return invalid_payload(text, "the smaller size stands first");
        sizes.kind_ = Kind::uniform;
        sizes.low_ = *low;
        sizes.high_ = *high;
        return sizes;
    }
    if (shape == "lognormal") {
        const auto median = size_of(rest.substr(0, comma), text);
        if (!median) return std::unexpected(median.error());
        const auto sigma = number_of<double>(second);
        if (!sigma || !(*sigma > 0 && *sigma <= kSigmaMax))
            return invalid_payload(
                text, "must be lognormal:MEDIAN,SIGMA with a sigma above 0, at most 5");
        sizes.kind_ = Kind::lognormal;
        sizes.low_ = *median;
        sizes.sigma_ = *sigma;
        return sizes;
    }
    if (shape != "histogram") {
        return invalid_payload(text,
                               "must be a size, uniform:LEAST,MOST, lognormal:MEDIAN,SIGMA or "
                               "histogram:SIZE*WEIGHT,...");
    }
    sizes.kind_ = Kind::histogram;
    std::uint64_t total = 0;
    while (!rest.empty()) {
        const auto part = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(rest.size(), part.size() + 1));
        const auto star = part.find('*');
        const auto bytes = size_of(part.substr(0, star), text);
        if (!bytes) return std::unexpected(bytes.error());
        const auto weight = star == std::string_view::npos
                                ? std::nullopt
                                : number_of<std::uint64_t>(part.substr(star + 1));
        if (!weight || *weight < 1 || *weight > kSizeWeightMax || sizes.bins_.size() == kBinsMax) {
            return invalid_payload(text,
                                   fmt::format("'{}' must be SIZE*WEIGHT with a weight from 1 to "
                                               "1000000, at most 1000 of them",
                                               part));
        }
        total += *weight;
        sizes.bins_.push_back({*bytes, total});
    }
    if (sizes.bins_.empty()) return invalid_payload(text, "must be histogram:SIZE*WEIGHT,...");
    return sizes;
}

std::uint64_t PayloadSizes::draw(base::Rng& random) const {
    switch (kind_) {
        case Kind::fixed:
            return low_;
        case Kind::uniform:
            return low_ + random.below(high_ - low_ + 1);
        case Kind::lognormal: {
            const double bytes = static_cast<double>(low_) * std::exp(sigma_ * normal(random));
            return static_cast<std::uint64_t>(
                std::clamp(std::round(bytes), 1.0, static_cast<double>(kPayloadBytesMax)));
        }
        case Kind::histogram:
            break;
    }
    const auto point = random.below(bins_.back().weight_up_to);
    return std::ranges::upper_bound(bins_, point, {}, &Bin::weight_up_to)->bytes;
}

double PayloadSizes::mean() const noexcept {
    switch (kind_) {
        case Kind::fixed:
            return static_cast<double>(low_);
        case Kind::uniform:
            return (static_cast<double>(low_) + static_cast<double>(high_)) / 2;
        case Kind::lognormal:
            return static_cast<double>(low_) * std::exp(sigma_ * sigma_ / 2);
        case Kind::histogram:
            break;
    }
    double sum = 0;
    std::uint64_t before = 0;
    for (const auto& bin : bins_) {
        sum += static_cast<double>(bin.bytes) * static_cast<double>(bin.weight_up_to - before);
        before = bin.weight_up_to;
    }
    return sum / static_cast<double>(before);
}

}  // namespace crucible::lab
