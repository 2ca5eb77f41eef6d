#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <ostream>

#include "app/crucible/command.h"
#include "app/crucible/output.h"
#include "app/crucible/parse_arguments.h"
#include "base/file.h"
#include "lab/report/report.h"

namespace crucible::app {
namespace {

constexpr const char* kFooter = R"(Examples:
  crucible report benchmark_results/20260131T120000Z-compare
  crucible report result.json --format html > report.html)";

Result<nlohmann::json> load_result(const std::filesystem::path& given) {
    std::error_code status;
    const auto path = std::filesystem::is_directory(given, status) ? given / "result.json" : given;
    const auto text = base::read_file(path);
    if (!text) return std::unexpected(text.error());
    auto json = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
    if (json.is_discarded())
        return std::unexpected(Error{Errc::corrupt, path.string() + ": not JSON"});
    return json;
}

Result<std::string> render(const nlohmann::json& result, std::string_view format) {
    if (format == "json") return json_text(result);
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
    command.add_option("--format", format, "terminal (default), markdown, html or json")
        ->type_name("NAME")
        ->check(CLI::IsMember({"terminal", "markdown", "html", "json"}));
    command.footer(kFooter);
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
