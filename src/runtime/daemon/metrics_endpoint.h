#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "crucible/error.h"

namespace crucible::runtime {

/// Answers `GET /metrics` over plain HTTP, one request at a time, in a thread of its own. There is
/// no authentication: who reaches the address may read.
class MetricsEndpoint {
public:
    /// Listens on `address` ("127.0.0.1:9464", "[::1]:9464"; port 0: any). `text` is called for
    /// each request, from that thread.
    /// - Errc::invalid_argument: no such form. - Errc::io, Errc::permission_denied,
    /// Errc::already_exists: it cannot listen there.
    static Result<std::unique_ptr<MetricsEndpoint>> open(std::string_view address,
                                                         std::function<std::string()> text);
    /// Ends within the time of one request.
    virtual ~MetricsEndpoint() = default;

    /// The port it listens on.
    virtual std::uint16_t port() const noexcept = 0;
};

}  // namespace crucible::runtime
