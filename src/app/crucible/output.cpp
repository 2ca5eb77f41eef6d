#include "app/crucible/output.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/file.h"
#include "lab/report/report.h"

namespace crucible::app {
namespace {

std::string format_utc(const char* form) {
    const std::time_t now = std::chrono::system_clock::to_time_t(
        std::chrono::time_point_cast<std::chrono::system_clock::duration>(base::wall_now()));
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    char text[64];
    return std::string(text, std::strftime(text, sizeof text, form, &parts));
}

bool is_terminal(const std::ostream& out) {
    return &out == &std::cout && ::isatty(STDOUT_FILENO) == 1;
}

std::size_t terminal_width() {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return 80;
}

Result<> write_files(const std::filesystem::path& directory, const nlohmann::json& result) {
    if (auto done = base::write_file(directory / "result.json", json_text(result)); !done) {
        return done;
    }
    const auto markdown = lab::report::render_markdown(result);
    if (!markdown) return std::unexpected(markdown.error());
    if (auto done = base::write_file(directory / "report.md", *markdown); !done) return done;
    const auto html = lab::report::render_html(result);
    if (!html) return std::unexpected(html.error());
    return base::write_file(directory / "report.html", *html);
}

}  // namespace

std::string json_text(const nlohmann::json& result) {
    // The command may hold bytes that are no UTF-8, a file name for instance.
    return result.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Result<> print_table(std::ostream& out, const nlohmann::json& result) {
    const bool terminal = is_terminal(out);
    const bool colour = terminal && std::getenv("NO_COLOR") == nullptr;
    const auto text =
        lab::report::render_terminal(result, terminal ? terminal_width() : 80, colour);
    if (!text) return std::unexpected(text.error());
    out << *text;
    return {};
}

std::string utc_now() {
    return format_utc("%Y-%m-%dT%H:%M:%SZ");
}

Result<std::filesystem::path> prepare_output(const std::string& asked, std::string_view name) {
    std::filesystem::path directory = asked;
    if (asked.empty()) {
        directory = std::filesystem::path("benchmark_results") /
                    fmt::format("{}-{}", format_utc("%Y%m%dT%H%M%SZ"), name);
    }
    std::error_code status;
    std::filesystem::create_directories(directory, status);
    if (status) {
        return std::unexpected(
            Error{Errc::permission_denied, fmt::format("cannot write to output directory '{}': {}",
                                                       directory.string(), status.message())});
    }
    const auto probe = base::write_file(directory / ".writable", "");
    if (!probe) {
        return std::unexpected(
            Error{probe.error().code, fmt::format("cannot write to output directory '{}': {}",
                                                  directory.string(), probe.error().message)});
    }
    std::filesystem::remove(directory / ".writable", status);
    return directory;
}

Result<> show_result(std::ostream& out, const nlohmann::json& result,
                     const std::filesystem::path& directory, bool as_json) {
    if (auto written = write_files(directory, result); !written) return written;
    if (as_json) {
        out << json_text(result);
        return {};
    }
    if (auto printed = print_table(out, result); !printed) return printed;
    out << "\nReport: " << (directory / "report.html").string() << '\n';
    return {};
}

}  // namespace crucible::app
