#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "lab/pace/pattern.h"

namespace crucible::lab {
namespace {

using Segments = std::vector<Segment>;

std::unexpected<Error> bad(std::string message) {
    return std::unexpected(Error{Errc::invalid_argument, std::move(message)});
}

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(' ');
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (std::size_t begin = 0;;) {
        const auto end = text.find(separator, begin);
        parts.push_back(trimmed(text.substr(begin, end - begin)));
        if (end == std::string_view::npos) return parts;
        begin = end + 1;
    }
}

/// The values of one part, read in order. The first mistake stays.
class Values {
public:
    explicit Values(std::vector<std::string_view> texts) : texts_(std::move(texts)) {}

    double rate(std::string_view name) {
        const auto text = next();
        if (text == "0" || text == "0/s") return 0;
        const auto rate = base::parse_rate(text);
        if (!rate) return fail<double>(name, rate.error().message);
        return rate->events_per_second();
    }

    double rate_above_zero(std::string_view name) {
        const auto text = texts_[at_];
        const double value = rate(name);
        if (value == 0 && !error_) return fail<double>(name, fmt::format("'{}': above 0", text));
        return value;
    }

    Duration duration(std::string_view name) {
        const auto text = next();
        const auto duration = base::parse_duration(text);
        if (!duration) return fail<Duration>(name, duration.error().message);
        if (*duration <= Duration::zero() || *duration > Pattern::kDurationMax)
            return fail<Duration>(name, fmt::format("'{}': above 0 and at most 24h", text));
        return *duration;
    }

    std::uint64_t count(std::string_view name, std::uint64_t most) {
        const auto text = next();
        std::uint64_t value = 0;
        const auto* end = text.data() + text.size();
        const auto [rest, status] = std::from_chars(text.data(), end, value);
        if (status == std::errc{} && rest == end && value >= 1 && value <= most) return value;
        return fail<std::uint64_t>(name,
                                   fmt::format("'{}': a whole number from 1 to {}", text, most));
    }

    void require(bool condition, std::string_view message) {
        if (!condition && !error_) error_ = message;
    }

    const std::optional<std::string>& error() const noexcept { return error_; }

private:
    std::string_view next() { return texts_[at_++]; }

    template <typename T>
    T fail(std::string_view name, std::string_view message) {
        if (!error_) error_ = fmt::format("{} {}", name, message);
        return {};
    }

    std::vector<std::string_view> texts_;
    std::size_t at_ = 0;
    std::optional<std::string> error_;
};

Segment level(std::string name, double rate, Duration duration) {
    return {.name = std::move(name), .duration = duration, .from = rate, .to = rate};
}

Segments steady(Values& values) {
    const double rate = values.rate_above_zero("RATE");
    return {level("steady", rate, values.duration("DURATION"))};
}

Segments burst(Values& values) {
    constexpr std::uint64_t kMost = 1'000'000'000;
    const auto size = values.count("SIZE", kMost);
    const Duration interval = values.duration("INTERVAL");
    const auto count = values.count("COUNT", kMost);
    if (values.error()) return {};
    values.require(count <= static_cast<std::uint64_t>(Pattern::kDurationMax / interval),
                   "INTERVAL times COUNT: at most 24h");
    if (values.error()) return {};
    return {{.name = "burst",
             .shape = Segment::Shape::bursts,
             .duration = interval * static_cast<std::int64_t>(count),
             .period = interval,
             .size = size}};
}

Segments ramp(Values& values) {
    const double from = values.rate("FROM");
    const double to = values.rate("TO");
    const Duration duration = values.duration("DURATION");
    values.require(from + to > 0, "FROM and TO are both 0");
    return {{.name = "ramp", .duration = duration, .from = from, .to = to}};
}

Segments spike(Values& values) {
    const double base = values.rate("BASE");
    const double peak = values.rate_above_zero("PEAK");
    const Duration peak_duration = values.duration("PEAK_DURATION");
    const Duration duration = values.duration("DURATION");
    values.require(peak_duration < duration, "PEAK_DURATION must be below DURATION");
    if (values.error()) return {};
    const Duration before = (duration - peak_duration) / 2;
    return {level("before", base, before), level("peak", peak, peak_duration),
            level("after", base, duration - peak_duration - before)};
}

Segments step(Values& values) {
    const double from = values.rate("FROM");
    const double to = values.rate("TO");
    const double step = values.rate_above_zero("STEP");
    const Duration duration = values.duration("STEP_DURATION");
    values.require(from + to > 0, "FROM and TO are both 0");
    if (values.error()) return {};
    const double steps = std::floor(std::abs(to - from) / step + 1e-9) + 1;
    values.require(steps <= static_cast<double>(Pattern::kSegmentsMax),
                   fmt::format("more than {} steps", Pattern::kSegmentsMax));
    if (values.error()) return {};
    Segments segments;
    for (int i = 0; i < static_cast<int>(steps); ++i) {
        const double rate = from + (to < from ? -step : step) * i;
        segments.push_back(level(fmt::format("{:g}/s", rate), rate, duration));
    }
    return segments;
}

Segments sine(Values& values) {
    const double mean = values.rate_above_zero("MEAN");
    const double amplitude = values.rate("AMPLITUDE");
    const Duration period = values.duration("PERIOD");
    const Duration duration = values.duration("DURATION");
    values.require(amplitude <= mean, "AMPLITUDE must be at most MEAN: a rate is never negative");
    return {{.name = "sine",
             .shape = Segment::Shape::sine,
             .duration = duration,
             .from = mean,
             .to = amplitude,
             .period = period}};
}

struct Kind {
    std::string_view name;
    std::string_view form;
    std::size_t values;
    Segments (*read)(Values&);
    std::size_t durations_from;  ///< of its values: those grow where it is stretched
};
constexpr std::array<Kind, 6> kKinds{{
    {"steady", "RATE,DURATION", 2, steady, 1},
    {"burst", "SIZE,INTERVAL,COUNT", 3, burst, 3},
    {"ramp", "FROM,TO,DURATION", 3, ramp, 2},
    {"spike", "BASE,PEAK,PEAK_DURATION,DURATION", 4, spike, 2},
    {"step", "FROM,TO,STEP,STEP_DURATION", 4, step, 3},
    {"sine", "MEAN,AMPLITUDE,PERIOD,DURATION", 4, sine, 2},
}};

/// A part that parse_part() has read, `factor` times as long.
std::string stretched_part(std::string_view part, double factor) {
    const auto colon = part.find(':');
    const std::string_view head = part.substr(0, colon);
    const auto equals = head.find('=');
    const auto kind = std::ranges::find(
        kKinds, trimmed(equals == std::string_view::npos ? head : head.substr(equals + 1)),
        &Kind::name);
    const auto given = split(part.substr(colon + 1), ',');
    std::vector<std::string> values(given.begin(), given.end());
    const auto times = [factor](const std::string& text) {
        return std::to_string(std::max(1LL, std::llround(std::stod(text) * factor)));
    };
    if (kind->read == burst) {
        auto& grows = values[values[2] == "1" ? 0 : 2];
        grows = times(grows);
    }
    for (std::size_t i = kind->durations_from; i < values.size(); ++i) {
        const auto length = static_cast<double>(base::parse_duration(values[i])->count());
        values[i] = fmt::format("{:.0f}ns", std::ceil(length * factor));
    }
    return fmt::format("{}:{}", head, fmt::join(values, ","));
}

/// "name=kind:values", or the same without a name.
Result<Segments> parse_part(std::string_view part) {
    const auto colon = part.find(':');
    std::string_view name;
    std::string_view kind_name = trimmed(part.substr(0, colon));
    if (const auto equals = kind_name.find('='); equals != std::string_view::npos) {
        name = trimmed(kind_name.substr(0, equals));
        kind_name = trimmed(kind_name.substr(equals + 1));
        if (name.empty()) return bad(fmt::format("pattern '{}': an empty name before '='", part));
    }
    const auto kind = std::ranges::find(kKinds, kind_name, &Kind::name);
    if (kind == kKinds.end()) {
        std::vector<std::string_view> names;
        for (const auto& known : kKinds) names.push_back(known.name);
        return bad(fmt::format("pattern '{}': unknown kind '{}'; known: {}", part, kind_name,
                               fmt::join(names, ", ")));
    }
    auto texts = colon == std::string_view::npos ? std::vector<std::string_view>{}
                                                 : split(part.substr(colon + 1), ',');
    if (texts.size() != kind->values) {
        return bad(fmt::format("pattern '{}': {} values, must be {}:{}", part, texts.size(),
                               kind->name, kind->form));
    }
    Values values(std::move(texts));
    auto segments = kind->read(values);
    if (values.error())
        return bad(
            fmt::format("pattern '{}' ({}:{}): {}", part, kind->name, kind->form, *values.error()));
    if (!name.empty()) {
        for (auto& segment : segments) {
            segment.name =
                segments.size() == 1 ? std::string(name) : fmt::format("{} {}", name, segment.name);
        }
    }
    return segments;
}

}  // namespace

Result<Pattern> Pattern::parse(std::string_view text) {
    Segments all;
    for (const auto part : split(text, ';')) {
        auto segments = parse_part(part);
        if (!segments) return std::unexpected(segments.error());
        std::ranges::move(*segments, std::back_inserter(all));
    }
    if (all.size() > kSegmentsMax)
        return bad(fmt::format("pattern: {} stretches, at most {}", all.size(), kSegmentsMax));
    Pattern pattern(std::move(all), std::string(trimmed(text)));
    if (pattern.duration() > kDurationMax)
        return bad(fmt::format("pattern '{}': longer than 24h", text));
    if (pattern.events() < 1) return bad(fmt::format("pattern '{}': no event in it", text));
    if (pattern.events() > kEventsMax)
        return bad(fmt::format("pattern '{}': {:.0f} events, at most {:.0f}", text,
                               pattern.events(), kEventsMax));
    return pattern;
}

Result<Pattern> Pattern::stretched(double factor) const {
    const double least = 1 / events_;
    std::vector<std::string> parts;
    for (const auto part : split(text_, ';'))
        parts.push_back(stretched_part(part, std::max(factor, least)));
    return parse(fmt::format("{}", fmt::join(parts, ";")));
}

}  // namespace crucible::lab
