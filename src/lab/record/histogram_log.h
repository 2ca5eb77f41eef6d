#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crucible/error.h"
#include "lab/record/histogram.h"

namespace crucible::lab {

/// One line of a log: what was recorded from `start` on for `length`.
struct HistogramLogEntry {
    std::string tag;    ///< may be empty; no commas, blanks or line breaks
    double start = 0;   ///< seconds after the log's start
    double length = 0;  ///< seconds
    Histogram histogram;
};

struct HistogramLog {
    double start = 0;  ///< seconds since the Unix epoch
    std::vector<HistogramLogEntry> entries;
};

/// Text in HdrHistogram's log format, version 1.3, which its tools read. Values are nanoseconds;
/// the column of maxima is in milliseconds, as is usual there.
std::string write_histogram_log(const HistogramLog& log);

/// Reads such a text, ours or another program's. - Errc::corrupt: a line is none of the format, or
/// its histogram of another layout than ours (Histogram::decode); the message names the line.
Result<HistogramLog> read_histogram_log(std::string_view text);

}  // namespace crucible::lab
