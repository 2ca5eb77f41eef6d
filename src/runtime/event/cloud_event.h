#pragma once

#include <string>
#include <string_view>

#include "crucible/error.h"
#include "crucible/event.h"

namespace crucible::runtime {

/// CloudEvents 1.0 in its JSON format; docs/formats/event.md has the mapping. Our own fields are
/// extension attributes; a JSON payload becomes `data` byte for byte, text `data` as a string, and
/// anything else `data_base64`. Attributes that are not UTF-8 are written with replacement
/// characters; the payload always survives.
std::string to_cloud_event(const Event& event);

/// Attributes that are not ours are ignored. A missing `category` is custom, a missing `priority`
/// normal, a missing `time` 1970.
/// - Errc::corrupt: not JSON (with the byte offset).
/// - Errc::invalid_argument: a required attribute is missing or one has a wrong type or value (the
///   message names it), the payload is over kEventBytesMax, or the text over twice that.
Result<Event> from_cloud_event(std::string_view json);

}  // namespace crucible::runtime
