#include <fmt/format.h>

#include <array>
#include <charconv>

#include "lab/record/hdr_encoding.h"
#include "lab/record/histogram.h"

namespace crucible::lab {
namespace {

constexpr std::uint64_t kLowWord = ~std::uint64_t{0};

/// Takes the number up to the next semicolon (or the end) off the front of `text`.
bool take_number(std::string_view& text, std::uint64_t& number) {
    const auto end = std::min(text.find(';'), text.size());
    const auto [last, error] = std::from_chars(text.data(), text.data() + end, number);
    if (error != std::errc() || last != text.data() + end) return false;
    text.remove_prefix(std::min(end + 1, text.size()));
    return true;
}

}  // namespace

std::string Histogram::encode() const {
    std::size_t used = counts_.size();
    while (used > 0 && counts_[used - 1] == 0) --used;
    return encode_hdr({kSignificantDigits, kLowest.count(), kHighest.count()},
                      std::span(counts_).first(used));
}

std::string Histogram::encode_exact() const {
    // The sum in two words, high first: it may not fit one.
    return fmt::format("{};{};{};{};{};{}", encode(), min().count(), max_ns_,
                       static_cast<std::uint64_t>(sum_ns_ >> 64),
                       static_cast<std::uint64_t>(sum_ns_ & kLowWord), clamped_);
}

Result<Histogram> Histogram::decode(std::string_view text) {
    const auto end = std::min(text.find(';'), text.size());
    auto decoded = decode_hdr(text.substr(0, end), kCountsSize);
    if (!decoded) return std::unexpected(decoded.error());
    if (decoded->layout.significant_digits != kSignificantDigits ||
        decoded->layout.lowest != kLowest.count()) {
        return std::unexpected(
            Error{Errc::corrupt,
                  fmt::format("histogram encoding: {} significant digits from {}, not {} from {}",
                              decoded->layout.significant_digits, decoded->layout.lowest,
                              kSignificantDigits, kLowest.count())});
    }
    Histogram result;
    if (!result.take_counts(std::move(decoded->counts))) {
        return std::unexpected(
            Error{Errc::corrupt, "histogram encoding: counts outside the range"});
    }
    if (end < text.size() && !result.restore_facts(text.substr(end + 1))) {
        return std::unexpected(
            Error{Errc::corrupt, "histogram encoding: the exact figures do not fit its buckets"});
    }
    return result;
}

/// Replaces what the buckets say roughly by the exact figures; false unless they agree with the
/// buckets.
bool Histogram::restore_facts(std::string_view facts) {
    std::array<std::uint64_t, 5> numbers{};
    for (auto& number : numbers) {
        if (!take_number(facts, number)) return false;
    }
    if (!facts.empty()) return false;
    const auto [least, greatest, sum_high, sum_low, clamped] = numbers;
    const auto highest = static_cast<std::uint64_t>(kHighest.count());
    if (least > highest || greatest > highest || clamped > count_) return false;
    clamped_ = clamped;
    sum_ns_ = static_cast<WideSum>(sum_high) << 64 | sum_low;
    if (count_ == 0) return least == 0 && greatest == 0 && sum_ns_ == 0;
    const auto min_ns = static_cast<std::int64_t>(least);
    const auto max_ns = static_cast<std::int64_t>(greatest);
    if (min_ns < 1 || index_of(min_ns) != index_of(min_ns_) ||
        index_of(max_ns) != index_of(max_ns_))
        return false;
    min_ns_ = min_ns;
    max_ns_ = max_ns;
    return sum_ns_ >= static_cast<WideSum>(count_) * least &&
           sum_ns_ <= static_cast<WideSum>(count_) * greatest;
}

}  // namespace crucible::lab
