#include "lab/workload/faults.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "base/units.h"
#include "lab/workload/streams.h"

namespace crucible::lab {
namespace {

struct Named {
    std::string_view name;
    Fault fault;
};
constexpr std::array<Named, 3> kNames{{{"malformed", Fault::malformed},
                                       {"failing", Fault::failing},
                                       {"duplicates", Fault::duplicate}}};

std::unexpected<Error> invalid_faults(std::string_view text, std::string_view what) {
    return std::unexpected(
        Error{Errc::invalid_argument, fmt::format("faults '{}': {}", text, what)});
}

}  // namespace

std::string_view to_string(Fault fault) noexcept {
    switch (fault) {
        case Fault::none:
            return "none";
        case Fault::malformed:
            return "malformed";
        case Fault::failing:
            return "failing";
        case Fault::duplicate:
            return "duplicate";
    }
    return "none";
}

Outcome expected_outcome(Fault fault) noexcept {
    switch (fault) {
        case Fault::malformed:
            return Outcome::rejected;
        case Fault::failing:
            return Outcome::failed;
        case Fault::none:
        case Fault::duplicate:
            break;
    }
    return Outcome::handled;
}

Result<Faults> Faults::parse(std::string_view text) {
    Faults faults;
    faults.text_ = text;
    constexpr std::string_view kAllowed =
        "must be malformed=SHARE, failing=SHARE and duplicates=SHARE, joined by commas, each from "
        "0.0001% on, 50% in all at most";
    for (std::string_view rest = text; !rest.empty();) {
        const auto part = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(rest.size(), part.size() + 1));
        const auto equals = part.find('=');
        const auto* found = std::ranges::find(kNames, part.substr(0, equals), &Named::name);
        if (found == kNames.end() || equals == std::string_view::npos)
            return invalid_faults(text, kAllowed);
        const auto share = base::parse_fraction(part.substr(equals + 1));
        if (!share) return invalid_faults(text, share.error().message);
        auto& millionths = faults.shares_[static_cast<std::size_t>(found->fault)];
        if (millionths > 0 || !(*share > 0 && *share <= 0.5)) return invalid_faults(text, kAllowed);
        millionths = static_cast<std::uint64_t>(std::llround(*share * kWhole));
        if (millionths == 0) return invalid_faults(text, kAllowed);
        faults.total_ += millionths;
    }
    if (faults.total_ == 0 || faults.total_ > kWhole / 2) return invalid_faults(text, kAllowed);
    return faults;
}

Fault Faults::at(std::uint64_t seed, std::uint64_t ordinal, std::uint64_t index) const noexcept {
    if (total_ == 0 || before(ordinal + 1) == before(ordinal)) return Fault::none;
    auto random = base::Rng::at(seed, static_cast<std::uint64_t>(Stream::fault), index);
    auto point = random.below(total_);
    for (const auto fault : {Fault::malformed, Fault::failing}) {
        const auto share = shares_[static_cast<std::size_t>(fault)];
        if (point < share) return fault;
        point -= share;
    }
    return Fault::duplicate;
}

std::uint64_t Faults::before(std::uint64_t ordinal) const noexcept {
    // Ordinals are below 2^33: no overflow. Half of all at most, so the first one is sound.
    return ordinal * total_ / kWhole;
}

std::uint64_t Faults::ordinal_of(std::uint64_t sound) const noexcept {
    if (total_ == 0) return sound;
    std::uint64_t ordinal = sound + sound * total_ / (kWhole - total_);
    // The guess is off by one at most, as it rounds once more.
    while (ordinal - before(ordinal) < sound || before(ordinal + 1) != before(ordinal)) ++ordinal;
    while (ordinal - before(ordinal) > sound) --ordinal;
    return ordinal;
}

}  // namespace crucible::lab
