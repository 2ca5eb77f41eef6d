#include "lab/scale/slo.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "base/nearest.h"
#include "base/text.h"
#include "base/units.h"

namespace crucible::lab::scale {
namespace {

struct Sign {
    std::string_view text;
    SloLimit::Side side;
};
/// The longer ones first: "<" is the beginning of "<=".
constexpr std::array<Sign, 4> kSigns{{{"<=", SloLimit::Side::at_most},
                                      {">=", SloLimit::Side::at_least},
                                      {"<", SloLimit::Side::below},
                                      {">", SloLimit::Side::above}}};

bool is_upper(SloLimit::Side side) noexcept {
    return side == SloLimit::Side::below || side == SloLimit::Side::at_most;
}

/// Metrics of unit "1" that are no shares.
bool is_share(const MetricInfo& metric) noexcept {
    return metric.unit == "1" && metric.name != "context_switches_per_event";
}

/// What a value of the metric looks like.
std::string_view value_form(const MetricInfo& metric) noexcept {
    if (metric.unit == "s") return "a time with its unit, e.g. 10ms";
    if (metric.unit == "events/s") return "events per second, e.g. 500/s or 2k/s";
    if (metric.unit == "bytes") return "a size, e.g. 64MiB";
    if (metric.unit == "bytes/s") return "a size per second, e.g. 10MiB/s";
    if (is_share(metric)) return "a share, e.g. 0.1% or 0.001";
    return "a number, e.g. 0 or 3.5";
}

std::optional<double> read_number(std::string_view text) {
    double value = 0;
    const auto* end = text.data() + text.size();
    const auto [rest, status] = std::from_chars(text.data(), end, value);
    if (status != std::errc{} || rest != end || !std::isfinite(value)) return std::nullopt;
    return value;
}

template <typename T>
std::optional<double> number_of(const Result<T>& parsed) {
    if (!parsed) return std::nullopt;
    return static_cast<double>(*parsed);
}

/// - nullopt: not of the metric's form.
std::optional<double> read_value(const MetricInfo& metric, std::string_view text) {
    std::optional<double> value;
    if (metric.unit == "s") {
        if (const auto time = base::parse_duration(text))
            value = std::chrono::duration<double>(*time).count();
    } else if (metric.unit == "events/s") {
        if (const auto rate = base::parse_rate(text)) value = rate->events_per_second();
    } else if (metric.unit == "bytes") {
        value = number_of(base::parse_bytes(text));
    } else if (metric.unit == "bytes/s") {
        if (text.ends_with("/s")) text.remove_suffix(2);
        value = number_of(base::parse_bytes(text));
    } else if (is_share(metric)) {
        value = number_of(base::parse_fraction(text));
    } else {
        value = read_number(text);
    }
    return value && *value >= 0 ? value : std::nullopt;
}

bool is_name_character(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/// Reads the limits from left to right; the first mistake ends it.
class SloReader {
public:
    explicit SloReader(std::string_view text) : text_(text) {}

    Result<Slo> read() {
        Slo slo;
        do {
            auto limit = read_limit(slo);
            if (!limit) return std::unexpected(limit.error());
            slo.limits.push_back(*std::move(limit));
            skip_blanks();
        } while (take(","));
        for (const auto& limit : slo.limits) slo.text += (slo.text.empty() ? "" : ",") + limit.text;
        return slo;
    }

private:
    Result<SloLimit> read_limit(const Slo& before) {
        skip_blanks();
        const std::size_t name_at = at_;
        while (at_ < text_.size() && is_name_character(text_[at_])) ++at_;
        const auto name = text_.substr(name_at, at_ - name_at);
        if (name.empty()) return wrong(name_at, "a metric is expected", known_names());
        SloLimit limit;
        limit.metric = find_metric(name);
        if (limit.metric == nullptr) return unknown_metric(name_at, name);
        skip_blanks();
        const std::size_t sign_at = at_;
        const auto* sign =
            std::ranges::find_if(kSigns, [this](const Sign& s) { return take(s.text); });
        if (sign == kSigns.end())
            return wrong(sign_at, fmt::format("after {} one of", name), "<, <=, >, >=");
        limit.side = sign->side;
        for (const auto& other : before.limits) {
            if (other.metric == limit.metric && is_upper(other.side) == is_upper(limit.side))
                return wrong(name_at, fmt::format("{} has this limit already", name), other.text);
        }
        skip_blanks();
        const std::size_t value_at = at_;
        at_ = std::min(text_.find(',', at_), text_.size());
        auto value = text_.substr(value_at, at_ - value_at);
        while (value.ends_with(' ')) value.remove_suffix(1);
        const auto bound = read_value(*limit.metric, value);
        if (!bound) {
            return wrong(value_at, fmt::format("{} takes", name),
                         std::string(value_form(*limit.metric)));
        }
        limit.bound = *bound;
        limit.text = fmt::format("{}{}{}", name, sign->text, value);
        return limit;
    }

    bool take(std::string_view sign) {
        if (!text_.substr(at_).starts_with(sign)) return false;
        at_ += sign.size();
        return true;
    }
    void skip_blanks() {
        while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    }

    /// "column 13, at 'foo<3'": people count from 1.
    std::unexpected<Error> wrong(std::size_t at, const std::string& what,
                                 const std::string& allowed) const {
        const auto rest = text_.substr(at);
        return std::unexpected(
            Error{Errc::invalid_argument,
                  fmt::format("slo {}, column {}, at {}: {}: {}", base::in_quotes(text_), at + 1,
                              rest.empty() ? "its end" : base::in_quotes(rest), what, allowed)});
    }

    std::unexpected<Error> unknown_metric(std::size_t at, std::string_view name) const {
        std::vector<std::string_view> names;
        for (const auto& metric : known_metrics()) names.push_back(metric.name);
        const auto near = base::nearest(name, names);
        if (near.empty())
            return wrong(at, fmt::format("unknown metric '{}'; known", name), known_names());
        return wrong(at, fmt::format("unknown metric '{}'; did you mean", name),
                     fmt::format("{}?", near));
    }

    static std::string known_names() {
        std::vector<std::string_view> names;
        for (const auto& metric : known_metrics()) names.push_back(metric.name);
        return fmt::format("{}", fmt::join(names, ", "));
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

/// What grows with the backlog.
bool is_latency(const MetricInfo& metric) noexcept {
    return metric.name.starts_with("latency_") || metric.name == "service_time_p99";
}

}  // namespace

bool SloLimit::holds(double value) const noexcept {
    switch (side) {
        case Side::below:
            return value < bound;
        case Side::at_most:
            return value <= bound;
        case Side::above:
            return value > bound;
        case Side::at_least:
            return value >= bound;
    }
    return false;
}

bool Slo::limits_resources() const noexcept {
    return std::ranges::any_of(
        limits, [](const SloLimit& limit) { return is_resource(limit.metric->name); });
}

Result<Slo> Slo::parse(std::string_view text) {
    return SloReader(text).read();
}

const SloOutcome* SloJudgement::worst() const noexcept {
    const SloOutcome* worst = nullptr;
    // What has no excess (a bound of 0, a latency without end) is beyond all others.
    const auto excess = [](const SloOutcome& outcome) { return outcome.excess.value_or(HUGE_VAL); };
    for (const auto& outcome : outcomes) {
        if (outcome.broken && (worst == nullptr || excess(outcome) > excess(*worst)))
            worst = &outcome;
    }
    return worst;
}

SloJudgement judge_slo(const Slo& slo, const std::vector<MetricValue>& metrics, bool saturated) {
    SloJudgement judgement;
    for (const auto& limit : slo.limits) {
        SloOutcome outcome{.limit = &limit,
                           .value = {},
                           .at_most = {},
                           .broken = false,
                           .excess = {},
                           .absent = {}};
        const auto found = std::ranges::find(metrics, limit.metric, &MetricValue::info);
        if (found != metrics.end()) {
            outcome.value = found->value;
            outcome.absent = found->absent;
            if (!found->value && found->at_most && is_upper(limit.side) &&
                limit.holds(*found->at_most))
                outcome.at_most = found->at_most;
        } else {
            outcome.absent = "not measured";
        }
        if (outcome.value) {
            outcome.broken = !limit.holds(*outcome.value);
            if (limit.bound > 0) {
                const double beyond = *outcome.value / limit.bound - 1;
                outcome.excess = is_upper(limit.side) ? beyond : -beyond;
            }
        } else if (saturated && is_latency(*limit.metric) && is_upper(limit.side)) {
            outcome.broken = true;
        }
        judgement.unknown = judgement.unknown || !outcome.judged();
        judgement.broken = judgement.broken || outcome.broken;
        judgement.outcomes.push_back(std::move(outcome));
    }
    return judgement;
}

std::string format_metric_value(const MetricInfo& metric, double value) {
    if (metric.unit == "s") return base::format_duration(value);
    if (metric.unit == "events/s") return base::format_count(value) + "/s";
    if (metric.unit == "bytes") return base::format_bytes(value);
    if (metric.unit == "bytes/s") return base::format_bytes(value) + "/s";
    if (is_share(metric)) return fmt::format("{:.3g} %", value * 100);
    return base::format_count(value);
}

std::string describe(const SloOutcome& outcome) {
    const auto& limit = *outcome.limit;
    if (outcome.at_most) {
        return fmt::format("{} kept: at most {}, {}", limit.text,
                           format_metric_value(*limit.metric, *outcome.at_most), outcome.absent);
    }
    if (!outcome.value) {
        return fmt::format("{} {}: {}", limit.text, outcome.broken ? "broken" : "not judged",
                           outcome.absent);
    }
    auto text = fmt::format("{} {}: {}", limit.text, outcome.broken ? "broken" : "kept",
                            format_metric_value(*limit.metric, *outcome.value));
    if (outcome.broken && outcome.excess)
        text += fmt::format(", {:.0f} % beyond", *outcome.excess * 100);
    return text;
}

}  // namespace crucible::lab::scale
