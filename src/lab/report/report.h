#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "crucible/error.h"

namespace crucible::lab::report {

/// Renderers of a parsed result file (docs/formats/README.md), `crucible.comparison/1` or
/// `crucible.run/1`. They compute nothing: every figure shown is in the file. Pure functions, from
/// any thread. All of them fail alike:
/// - Errc::unsupported: the file is of another kind or written by a newer version.
/// - Errc::corrupt: a member is missing or of the wrong type; the message names it.

/// Text for a terminal, lines of at most `width` columns (at least 80) where words allow it;
/// `colour` adds ANSI sequences. What the file says cannot put control characters on the terminal.
Result<std::string> render_terminal(const nlohmann::json& result, std::size_t width, bool colour);

/// GitHub-flavoured Markdown.
Result<std::string> render_markdown(const nlohmann::json& result);

/// One self-contained page: no script, no request to anywhere, charts as inline SVG.
Result<std::string> render_html(const nlohmann::json& result);

}  // namespace crucible::lab::report
