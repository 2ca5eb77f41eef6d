#include "lab/record/histogram_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace crucible::lab {
namespace {

constexpr std::string_view kStart = "#[StartTime: ";

std::optional<double> read_number(std::string_view text) {
    double value = 0;
    const auto* end = text.data() + text.size();
    const auto [rest, status] = std::from_chars(text.data(), end, value);
    if (status != std::errc{} || rest != end) return std::nullopt;
    return value;
}

/// Start, length, maximum and histogram, behind a tag that need not be there.
Result<HistogramLogEntry> read_entry(std::string_view line) {
    HistogramLogEntry entry;
    if (line.starts_with("Tag=")) {
        const auto comma = std::min(line.find(','), line.size());
        entry.tag = line.substr(4, comma - 4);
        line.remove_prefix(std::min(line.size(), comma + 1));
    }
    std::array<std::string_view, 4> fields;
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const auto comma = i + 1 == fields.size() ? std::string_view::npos : line.find(',');
        fields[i] = line.substr(0, comma);
        line.remove_prefix(std::min(line.size(), fields[i].size() + 1));
    }
    const auto start = read_number(fields[0]);
    const auto length = read_number(fields[1]);
    if (!start || !length || !read_number(fields[2]))
        return std::unexpected(Error{Errc::corrupt, "not a line of a histogram log"});
    auto histogram = Histogram::decode(fields[3]);
    if (!histogram) return std::unexpected(histogram.error());
    entry.start = *start;
    entry.length = *length;
    entry.histogram = *std::move(histogram);
    return entry;
}

}  // namespace

std::string write_histogram_log(const HistogramLog& log) {
    std::string text = "#[Logged with crucible]\n#[Histogram log format version 1.3]\n";
    text += fmt::format("{}{:.3f} (seconds since epoch)]\n", kStart, log.start);
    text +=
        "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
        "\"Interval_Compressed_Histogram\"\n";
    for (const auto& entry : log.entries) {
        if (!entry.tag.empty()) text += fmt::format("Tag={},", entry.tag);
        const double most = static_cast<double>(entry.histogram.max().count()) / 1e6;
        text += fmt::format("{:.3f},{:.3f},{:.3f},{}\n", entry.start, entry.length, most,
                            entry.histogram.encode());
    }
    return text;
}

Result<HistogramLog> read_histogram_log(std::string_view text) {
    HistogramLog log;
    for (std::size_t number = 1; !text.empty(); ++number) {
        auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.starts_with(kStart)) {
            const auto rest = line.substr(kStart.size());
            const auto start = read_number(rest.substr(0, rest.find(' ')));
            if (!start)
                return std::unexpected(
                    Error{Errc::corrupt, fmt::format("line {}: not a start time", number)});
            log.start = *start;
        }
        if (line.empty() || line.starts_with('#') || line.starts_with('"')) continue;
        auto entry = read_entry(line);
        if (!entry) {
            return std::unexpected(
                Error{Errc::corrupt, fmt::format("line {}: {}", number, entry.error().message)});
        }
        log.entries.push_back(*std::move(entry));
    }
    return log;
}

}  // namespace crucible::lab
