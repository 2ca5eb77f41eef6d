#pragma once

#include <memory>

#include "crucible/error.h"
#include "lab/http/http_options.h"
#include "lab/target/target.h"

namespace crucible::lab {

/// The client side of an HTTP server: each event is a request, and it is handled when its response
/// has the expected status (and body). Without a thread of its own: the sender's serves it.
///
/// A request that loses its connection before its response is lost: whether the server handled it
/// cannot be known. Requests behind the last one that a server answers before it closes are sent
/// again, as it has said that it takes no more. A server that refuses every new connection for a
/// second is gone.
///
/// - Errc::not_found: the host's name is not known, or a file named in the options.
/// - Errc::closed: the server refuses the connection or does not answer. - Errc::permission_denied:
///   TLS fails; the message says why.
Result<std::unique_ptr<Target>> open_http(const HttpOptions& options,
                                          CompletionHandler on_completion);

/// The request template that `options` ask for. - Errc::not_found, Errc::invalid_argument: the file
/// cannot be read, or what is wrong in it where.
Result<> check_request_file(const HttpOptions& options);

}  // namespace crucible::lab
