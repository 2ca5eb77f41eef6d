#pragma once

#include <string>
#include <string_view>

#include "crucible/error.h"
#include "crucible/event.h"

namespace crucible::runtime {

/// CloudEvents 1.0 in its JSON format. Our own fields are extension attributes; a JSON payload becomes `data`, text
/// `data` as a string, and anything else `data_base64`.
std::string to_cloud_event(const Event& event);

/// - Errc::corrupt: not JSON (with the byte offset). - Errc::invalid_argument: a required attribute is missing or an
///   attribute has a wrong type or value; the message names it. - over kEventBytesMax: Errc::invalid_argument.
Result<Event> from_cloud_event(std::string_view json);

}  // namespace crucible::runtime
