#include "runtime/daemon/client_places.h"

#include <fmt/format.h>

namespace crucible::runtime {

Result<ClientPlaces::Place> ClientPlaces::take(const std::string& client) {
    auto& entry = *counts_.try_emplace(client, 0).first;
    if (entry.second >= each_max_) {
        return std::unexpected(
            Error{Errc::overloaded, fmt::format("{} has {} connections, the limit for one client "
                                                "([clients] max_per_client)",
                                                client, entry.second)});
    }
    ++entry.second;
    return Place(&entry, {&counts_});
}

}  // namespace crucible::runtime
