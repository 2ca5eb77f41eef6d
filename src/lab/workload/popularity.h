#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "crucible/error.h"

namespace crucible::lab {

/// Which of a number of keys an event is about: all alike, or a few of them most of the time.
class Popularity {
public:
    /// 64 keys, all alike.
    static Popularity standard();
    /// "uniform:1000" or "zipf:1000,1.1": key k, from 1, has a share of k^-1.1.
    /// - Errc::invalid_argument: neither; 1 to 1,000,000 keys, an exponent above 0 and at most 10.
    static Result<Popularity> parse(std::string_view text);

    /// From 0, the most popular one, to keys() - 1.
    std::uint64_t draw(base::Rng& random) const;
    std::uint64_t keys() const noexcept { return keys_; }
    const std::string& text() const noexcept { return text_; }

private:
    std::uint64_t keys_ = 1;
    /// Of Zipf's law: share of the keys up to each, not scaled. Shared by copies: it is large.
    std::shared_ptr<const std::vector<double>> cumulative_;
    std::string text_;
};

}  // namespace crucible::lab
