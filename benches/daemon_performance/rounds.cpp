#include "daemon_performance/rounds.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "lab/compare/json_parts.h"
#include "lab/stats/robust.h"
#include "support/estimate.h"

namespace crucible::bench {
namespace {

using nlohmann::json;

/// (greatest - least) / median, in percent.
std::string spread_text(double spread) {
    return std::isfinite(spread) ? fmt::format("{:.0f} %", spread * 100) : "-";
}
double spread_of(const std::vector<double>& values) {
    if (values.empty()) return kNoValue;
    const auto [least, greatest] = std::ranges::minmax(values);
    const double median = lab::stats::median(values);
    return median > 0 ? (greatest - least) / median : kNoValue;
}

/// A number for each round, null where its trial failed.
json by_round_json(const std::vector<std::optional<std::vector<double>>>& rounds,
                   std::size_t measure) {
    json values = json::array();
    for (const auto& round : rounds)
        values.push_back(round ? lab::number((*round)[measure]) : json());
    return values;
}

}  // namespace

Measure throughput_measure() {
    return {"throughput", "events/s", "higher", "thousand/s", 1e-3};
}

Measure latency_measure(std::string name) {
    return {std::move(name), "s", "lower", "us", 1e6};
}

Measure bytes_measure(std::string name, std::string shown_unit, double shown_per_unit) {
    return {std::move(name), "bytes", "lower", std::move(shown_unit), shown_per_unit};
}

Result<std::vector<double>> one_value(const Result<double>& value) {
    if (!value) return std::unexpected(value.error());
    return std::vector{*value};
}

std::vector<double> Rounds::Series::values(std::size_t measure) const {
    std::vector<double> all;
    for (const auto& round : by_round)
        if (round && std::isfinite((*round)[measure])) all.push_back((*round)[measure]);
    return all;
}

void Rounds::run_trial(const Question& question, std::size_t arm, std::uint32_t round,
                       Series& series) {
    auto values = question.arms[arm].trial();
    if (values) {
        series.by_round[round] = *std::move(values);
        return;
    }
    series.absent = values.error().message;
    series.not_installed = values.error().code == Errc::unsupported;
    if (series.not_installed) return;
    fail(fmt::format("{}, {}, round {}", question.text, question.arms[arm].name, round + 1),
         values.error());
}

void Rounds::fail(std::string_view where, const Error& error) {
    ++failures_;
    fmt::print(stderr, "{}: {}\n", where, error.message);
}

void Rounds::ask(const Question& question) {
    std::vector<Series> all(question.arms.size());
    for (auto& series : all) series.by_round.resize(options_.rounds);
    for (std::uint32_t round = 0; round < options_.rounds; ++round) {
        for (const std::size_t arm : random_order(question.arms.size(), rng_)) {
            if (all[arm].not_installed) continue;
            run_trial(question, arm, round, all[arm]);
        }
    }
    json measures = json::array();
    for (std::size_t measure = 0; measure < question.measures.size(); ++measure)
        measures.push_back(show(question, measure, all));
    questions_.push_back({{"part", question.part},
                          {"question", question.text},
                          {"ratio", question.first_to_other ? "first / this" : "this / first"},
                          {"measures", std::move(measures)}});
}

json Rounds::show(const Question& question, std::size_t measure,
                  const std::vector<Series>& all) const {
    const auto& asked = question.measures[measure];
    fmt::print("\n{}: {}, {}\n", question.text, asked.name, asked.shown_unit);
    fmt::print("  {:15} {:>8} {:20} {:>6}  {:>6} {}\n", "", "median", "[95 %]", "spread",
               question.ratio_label, "[95 %]");
    json arms = json::array();
    for (std::size_t arm = 0; arm < all.size(); ++arm) {
        const auto values = all[arm].values(measure);
        std::vector<double> logarithms;
        for (std::size_t round = 0; round < options_.rounds; ++round) {
            const auto& first = all.front().by_round[round];
            const auto& other = all[arm].by_round[round];
            if (!first || !other) continue;
            const double ratio = (*first)[measure] / (*other)[measure];
            if (!(ratio > 0) || !std::isfinite(ratio)) continue;
            const double logarithm = std::log(ratio);
            logarithms.push_back(question.first_to_other ? logarithm : -logarithm);
        }
        const auto median = median_estimate(values);
        const auto against = arm == 0 ? Estimated{} : ratio_estimate(logarithms, options_.seed);
        const double spread = spread_of(values);
        if (values.empty()) {
            fmt::print("  {:15} {}\n", question.arms[arm].name, all[arm].absent);
        } else {
            const auto shown = [&](double value) {
                return four_digits(value * asked.shown_per_unit);
            };
            fmt::print("  {:15} {:>8} [{:>8}, {:>8}] {:>6}", question.arms[arm].name,
                       shown(median.value), shown(median.low), shown(median.high),
                       spread_text(spread));
            if (arm > 0) {
                fmt::print("  {:>6} [{:>6}, {:>6}]", four_digits(against.value),
                           four_digits(against.low), four_digits(against.high));
            }
            fmt::print("\n");
        }
        json one = estimate_to_json(median);
        one.update({{"arm", question.arms[arm].name},
                    {"description", question.arms[arm].description},
                    {"n", values.size()},
                    {"values", by_round_json(all[arm].by_round, measure)},
                    {"spread", lab::number(spread)},
                    {"ratio", arm == 0 ? json() : estimate_to_json(against)},
                    {"absent", values.empty() ? all[arm].absent : ""}});
        arms.push_back(std::move(one));
    }
    std::fflush(stdout);
    return {{"name", asked.name}, {"unit", asked.unit}, {"better", asked.better}, {"arms", arms}};
}

}  // namespace crucible::bench
