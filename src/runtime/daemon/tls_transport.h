#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "crucible/error.h"
#include "runtime/daemon/transport.h"

struct ssl_st;

namespace crucible::runtime {

enum class TlsRole : std::uint8_t { daemon, client };

/// A secured stream over a connected TCP socket. `ssl`: made for this connection alone, and taken
/// over; nullptr fails. `allowed_names`: of the peer's certificate, one of which it must have;
/// empty: any. - Errc::failed: out of memory.
Result<std::unique_ptr<Transport>> make_tls_transport(ssl_st* ssl, base::UniqueFd socket,
                                                      std::string address, TlsRole role,
                                                      std::vector<std::string> allowed_names);

}  // namespace crucible::runtime
