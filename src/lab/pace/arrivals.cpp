#include "lab/pace/arrivals.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <utility>

#include "base/units.h"

namespace crucible::lab {
namespace {

std::optional<double> parse_number(std::string_view text) {
    double value = 0;
    const auto* end = text.data() + text.size();
    const auto [rest, status] = std::from_chars(text.data(), end, value);
    if (status != std::errc{} || rest != end) return std::nullopt;
    return value;
}

}  // namespace

Result<Arrivals> parse_arrivals(std::string_view text) {
    if (text == "constant") return Arrivals::constant();
    if (text == "poisson") return Arrivals::poisson();
    constexpr std::string_view kOnOff = "onoff:";
    const auto bad = [text](std::string_view what) {
        return std::unexpected(
            Error{Errc::invalid_argument, fmt::format("arrivals '{}': {}", text, what)});
    };
    if (!text.starts_with(kOnOff))
        return bad("must be constant, poisson or onoff:DISPERSION[,DUTY]");
    const auto values = text.substr(kOnOff.size());
    const auto comma = values.find(',');
    const auto dispersion = parse_number(values.substr(0, comma));
    if (!dispersion || !(*dispersion > 1 && *dispersion <= Arrivals::kDispersionMax)) {
        return bad(fmt::format("the index of dispersion must be above 1 and at most {}",
                               Arrivals::kDispersionMax));
    }
    Arrivals arrivals{Arrivals::Kind::on_off, *dispersion, 0.5};
    if (comma != std::string_view::npos) {
        const auto duty = base::parse_fraction(values.substr(comma + 1));
        if (!duty || *duty < Arrivals::kDutyMin || *duty > Arrivals::kDutyMax)
            return bad("the share of time that is on must be from 1% to 99%");
        arrivals.duty = *duty;
    }
    return arrivals;
}

std::string to_string(const Arrivals& arrivals) {
    switch (arrivals.kind) {
        case Arrivals::Kind::constant:
            return "constant";
        case Arrivals::Kind::poisson:
            return "poisson";
        case Arrivals::Kind::on_off:
            return fmt::format("onoff:{},{}", arrivals.dispersion, arrivals.duty);
    }
    std::unreachable();
}

Gaps::Gaps(const Arrivals& arrivals, std::uint64_t seed) noexcept
    : on_off_(arrivals.kind == Arrivals::Kind::on_off), random_(seed) {
    if (!on_off_) return;
    const double off_share = 1 - arrivals.duty;
    const double changes = 2 * off_share / (arrivals.duty * (arrivals.dispersion - 1));
    mean_gap_ = arrivals.duty;
    mean_on_ = 1 / (off_share * changes);
    mean_off_ = 1 / (arrivals.duty * changes);
    // Begins as it would be found at any moment, so that the first events are like all others.
    if (random_.uniform() < arrivals.duty) on_left_ = mean_on_ * random_.exponential();
}

double Gaps::next() noexcept {
    if (!on_off_) return random_.exponential();
    double gap = 0;
    for (;;) {
        const double to_event = mean_gap_ * random_.exponential();
        if (to_event <= on_left_) {
            on_left_ -= to_event;
            return gap + to_event;
        }
        gap += on_left_ + mean_off_ * random_.exponential();
        on_left_ = mean_on_ * random_.exponential();
    }
}

}  // namespace crucible::lab
