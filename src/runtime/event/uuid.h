#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/rng.h"
#include "crucible/event.h"

namespace crucible::runtime {

/// A UUIDv7 (RFC 9562 §5.7): 48 bits of Unix milliseconds, then version, variant and 74 bits from
/// `random`. Times before 1970 count as 1970: the format has no earlier ones.
Uuid make_uuid_v7(WallTime now, base::Rng& random) noexcept;

/// "0190163d-8694-739b-aea5-966c26f8ad91".
std::string to_string(const Uuid& id);
/// Exactly that form, upper or lower case, any version.
std::optional<Uuid> parse_uuid(std::string_view text) noexcept;

}  // namespace crucible::runtime
