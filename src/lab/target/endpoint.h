#pragma once

#include <cstdint>
#include <string_view>

#include "crucible/error.h"
#include "crucible/time.h"
#include "lab/http/http_options.h"
#include "lab/target/queue_model.h"
#include "lab/target/system.h"

namespace crucible::lab {

inline constexpr std::uint64_t kWorkersMax = 1024;
inline constexpr std::uint64_t kQueueMax = 10'000'000;

/// Parts of a URL without a look at their meaning: an endpoint is written like a target, with the
/// private path that the user does not give. - Errc::invalid_argument: it has no scheme, or an
/// option without a value.
Result<TargetUrl> split_url(std::string_view text);

/// A scheme that parse_target() knows without register_target().
bool is_built_in(std::string_view scheme) noexcept;

/// An http: or https: URL.
bool is_http(const TargetUrl& url) noexcept;
/// What such a URL says. - Errc::invalid_argument.
Result<HttpOptions> http_options(const TargetUrl& url);

/// Value of an option of a checked URL, or `otherwise` where it is not given.
std::uint64_t count_option(const TargetUrl& url, std::string_view name, std::uint64_t otherwise);
double fraction_option(const TargetUrl& url, std::string_view name);  ///< 0 where not given
/// "200ms@5s". - Errc::invalid_argument.
Result<Stall> parse_stall(std::string_view text);
Duration duration_option(const TargetUrl& url, std::string_view name, Duration otherwise);

}  // namespace crucible::lab
