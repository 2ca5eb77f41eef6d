#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <nlohmann/json.hpp>
#include <ostream>

#include "app/crucible/command.h"
#include "app/crucible/output.h"
#include "app/crucible/parse_arguments.h"
#include "base/file.h"
#include "lab/record/histogram_log.h"
#include "lab/report/report.h"
#include "runtime/event/rfc3339.h"

namespace crucible::app {
namespace {

constexpr const char* kReportFooter = R"(Examples:
  crucible report benchmark_results/20260131T120000Z-compare
  crucible report result.json --format html > report.html)";

Result<nlohmann::json> load_result(const std::filesystem::path& given) {
    std::error_code status;
    const auto path = std::filesystem::is_directory(given, status) ? given / "result.json" : given;
    const auto text = base::read_file(path);
    if (!text) return std::unexpected(text.error());
    auto result = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
    if (result.is_discarded())
        return std::unexpected(Error{Errc::corrupt, path.string() + ": not JSON"});
    return result;
}

/// Every histogram below `node`, each with the way to it as its tag.
Result<> collect_histograms(const nlohmann::json& node, const std::string& tag, double length,
                            std::vector<lab::HistogramLogEntry>& entries) {
    if (node.is_object()) {
        for (const auto& [name, member] : node.items()) {
            const auto done = collect_histograms(member, tag + "." + name, length, entries);
            if (!done) return done;
        }
    } else if (node.is_string()) {
        auto histogram = lab::Histogram::decode(node.get<std::string>());
        if (!histogram) return std::unexpected(histogram.error());
        entries.push_back(
            {.tag = tag, .start = 0, .length = length, .histogram = *std::move(histogram)});
    }
    return {};
}

Result<std::string> histogram_log(const nlohmann::json& result) {
    lab::HistogramLog log;
    try {
        const auto started = runtime::parse_rfc3339(result.at("started").get<std::string>());
        if (started) log.start = std::chrono::duration<double>(started->time_since_epoch()).count();
        const auto& duration = result.at("duration_seconds");
        const double length = duration.is_number() ? duration.get<double>() : 0;
        for (const auto& scenario : result.at("scenarios")) {
            std::string tag = scenario.at("name");
            for (char& c : tag)
                if (c == ',' || static_cast<unsigned char>(c) <= ' ') c = '_';
            const auto done =
                collect_histograms(scenario.at("histograms"), tag, length, log.entries);
            if (!done) return std::unexpected(done.error());
        }
    } catch (const nlohmann::json::exception&) {
        return std::unexpected(Error{Errc::corrupt, "not a result with histograms"});
    }
    return lab::write_histogram_log(log);
}

Result<std::string> render(const nlohmann::json& result, std::string_view format) {
    if (format == "json") return json_text(result);
    if (format == "hdr") return histogram_log(result);
    if (format == "html") return lab::report::render_html(result);
    return lab::report::render_markdown(result);
}

}  // namespace

int report_command(std::span<const std::string_view> args, std::ostream& out, std::ostream& err) {
    CLI::App command("Renders a stored result again.", "report");
    std::string path;
    std::string format = "terminal";
    command.add_option("result", path, "a result's directory or its result.json")
        ->required()
        ->type_name("PATH");
    command
        .add_option(
            "--format", format,
            "terminal (default), markdown, html, json, or hdr: its histograms as a log that "
            "HdrHistogram's tools read")
        ->type_name("NAME")
        ->check(CLI::IsMember({"terminal", "markdown", "html", "json", "hdr"}));
    command.footer(kReportFooter);
    if (const auto ended = parse_arguments(command, args, out, err)) return *ended;
    const auto result = load_result(path);
    if (!result) return usage_error(err, result.error().message);
    Result<> printed;
    if (format == "terminal") {
        printed = print_table(out, *result);
    } else if (const auto text = render(*result, format)) {
        out << *text;
    } else {
        printed = std::unexpected(text.error());
    }
    if (!printed) return usage_error(err, path + ": " + printed.error().message);
    return kDone;
}

}  // namespace crucible::app
