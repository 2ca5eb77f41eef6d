#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crucible/error.h"
#include "crucible/time.h"

namespace crucible::lab {

/// What an http: or https: target URL says: `http://host[:port][/path[?query]][#option=value&…]`.
/// Our options stand behind '#', which never reaches a server: '?' belongs to it.
struct HttpOptions {
    bool tls = false;
    std::string host;  ///< a name or an address, without brackets
    std::uint16_t port = 80;
    std::string path = "/";  ///< with its query

    std::uint32_t connections = 16;  ///< of each client
    std::uint32_t pipeline = 1;      ///< requests in flight on a connection
    std::uint64_t queue = 100'000;   ///< events of a client that wait for a connection
    std::string method;              ///< empty: the template's, else POST
    std::string request_file;        ///< a request template; empty: events as CloudEvents
    std::string contains;            ///< what a response's body must hold; empty: anything
    std::uint16_t status_low = 200;  ///< statuses that mean "handled"
    std::uint16_t status_high = 299;
    bool verify = true;   ///< https: the server's certificate
    std::string ca_file;  ///< https: trusted besides the system's authorities

    /// As in a Host header: with the port where it is not the scheme's own.
    std::string host_header() const;
};

/// Reads `rest`, what stands behind the scheme's colon, and the options. `where` begins every
/// message. - Errc::invalid_argument: what is wrong, and what is allowed.
Result<HttpOptions> parse_http_options(
    std::string_view where, bool tls, std::string_view rest,
    const std::vector<std::pair<std::string, std::string>>& options);

}  // namespace crucible::lab
