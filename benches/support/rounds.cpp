#include "support/rounds.h"

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

std::size_t name_width(const Question& question) {
    std::size_t width = 15;
    for (const auto& arm : question.arms) width = std::max(width, arm.name.size());
    return width;
}

}  // namespace

struct Rounds::Row {
    Estimated median;
    double spread = kNoValue;
    Estimated against;
    std::vector<double> values;
    const Series* series = nullptr;
};

namespace {

/// Why an arm has no value of a measure; empty where it has one.
std::string why_absent(const Measure& measure, const auto& row) {
    if (!row.values.empty()) return {};
    return row.series->absent.empty() ? measure.why_none : row.series->absent;
}

void print_table(const Question& question, const Measure& asked, const auto& rows) {
    const auto width = name_width(question);
    fmt::print("\n{}: {}, {}\n", question.text, asked.name, asked.shown_unit);
    fmt::print("  {:{}} {:>8} {:20} {:>6}  {:>6} {}\n", "", width, "median", "[95 %]", "spread",
               question.ratio_label, "[95 %]");
    for (std::size_t arm = 0; arm < rows.size(); ++arm) {
        const auto& row = rows[arm];
        const auto& name = question.arms[arm].name;
        if (row.values.empty()) {
            fmt::print("  {:{}} {}\n", name, width, why_absent(asked, row));
            continue;
        }
        const auto shown = [&](double value) { return four_digits(value * asked.shown_per_unit); };
        fmt::print("  {:{}} {:>8} [{:>8}, {:>8}] {:>6}", name, width, shown(row.median.value),
                   shown(row.median.low), shown(row.median.high), spread_text(row.spread));
        if (question.arms[arm].against != arm) {
            fmt::print("  {:>6} [{:>6}, {:>6}]", four_digits(row.against.value),
                       four_digits(row.against.low), four_digits(row.against.high));
        }
        fmt::print("\n");
    }
}

void print_side_by_side(const Question& question, const auto& rows_by_measure) {
    const auto width = name_width(question);
    fmt::print("\n{}\n  {:{}}", question.text, "", width);
    for (const auto& measure : question.measures) fmt::print(" {:>11}", measure.shown_unit);
    fmt::print("\n");
    for (std::size_t arm = 0; arm < question.arms.size(); ++arm) {
        fmt::print("  {:{}}", question.arms[arm].name, width);
        const auto& series = *rows_by_measure.front()[arm].series;
        if (!series.absent.empty()) fmt::print(" {}", series.absent);
        for (std::size_t m = 0; m < question.measures.size() && series.absent.empty(); ++m) {
            fmt::print(" {:>11}", four_digits(rows_by_measure[m][arm].median.value *
                                              question.measures[m].shown_per_unit));
        }
        fmt::print("\n");
    }
}

json arm_json(const Arm& arm, const Question& question, std::size_t measure, const auto& row) {
    json one = estimate_to_json(row.median);
    const bool has_ratio = &question.arms[arm.against] != &arm;
    one.update({{"arm", arm.name},
                {"description", arm.description},
                {"n", row.values.size()},
                {"values", by_round_json(row.series->by_round, measure)},
                {"spread", lab::number(row.spread)},
                {"ratio", has_ratio ? estimate_to_json(row.against) : json()},
                {"absent", why_absent(question.measures[measure], row)}});
    if (has_ratio && arm.against != 0) one["against"] = question.arms[arm.against].name;
    return one;
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

void Rounds::record(const std::string& list, json entry) {
    records_[list].push_back(std::move(entry));
}

json Rounds::records(const std::string& list) const {
    return records_.value(list, json::array());
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
    std::vector<std::vector<Row>> rows;
    json measures = json::array();
    for (std::size_t measure = 0; measure < question.measures.size(); ++measure) {
        const auto& asked = question.measures[measure];
        const auto& own = rows.emplace_back(rows_of(question, measure, all));
        if (!question.side_by_side) print_table(question, asked, own);
        json arms = json::array();
        for (std::size_t arm = 0; arm < own.size(); ++arm)
            arms.push_back(arm_json(question.arms[arm], question, measure, own[arm]));
        measures.push_back({{"name", asked.name},
                            {"unit", asked.unit},
                            {"better", asked.better},
                            {"arms", std::move(arms)}});
    }
    if (question.side_by_side) print_side_by_side(question, rows);
    std::fflush(stdout);
    questions_.push_back({{"part", question.part},
                          {"question", question.text},
                          {"ratio", question.first_to_other ? "first / this" : "this / first"},
                          {"measures", std::move(measures)}});
}

std::vector<Rounds::Row> Rounds::rows_of(const Question& question, std::size_t measure,
                                         const std::vector<Series>& all) const {
    std::vector<Row> rows;
    for (std::size_t arm = 0; arm < all.size(); ++arm) {
        const std::size_t first = question.arms[arm].against;
        std::vector<double> logarithms;
        for (std::size_t round = 0; round < options_.rounds && first != arm; ++round) {
            const auto& one = all[first].by_round[round];
            const auto& other = all[arm].by_round[round];
            if (!one || !other) continue;
            const double ratio = (*one)[measure] / (*other)[measure];
            if (!(ratio > 0) || !std::isfinite(ratio)) continue;
            const double logarithm = std::log(ratio);
            logarithms.push_back(question.first_to_other ? logarithm : -logarithm);
        }
        auto values = all[arm].values(measure);
        rows.push_back({.median = median_estimate(values),
                        .spread = spread_of(values),
                        .against = ratio_estimate(logarithms, options_.seed),
                        .values = values,
                        .series = &all[arm]});
    }
    return rows;
}

}  // namespace crucible::bench
