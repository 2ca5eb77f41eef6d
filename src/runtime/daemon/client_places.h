#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <unordered_map>

#include "crucible/error.h"

namespace crucible::runtime {

/// How many connections each client has, so that none has more than its share of the daemon's. A
/// client whose last one goes is forgotten. Used by the server's I/O thread alone.
class ClientPlaces {
    using Counts = std::unordered_map<std::string, std::size_t>;

    struct GiveBack {
        Counts* counts = nullptr;
        void operator()(Counts::value_type* client) const noexcept {
            if (--client->second == 0) counts->erase(counts->find(client->first));
        }
    };

public:
    /// One connection of a client; it counts until this goes, which must be before its
    /// ClientPlaces does.
    using Place = std::unique_ptr<Counts::value_type, GiveBack>;

    /// `each_max`: connections of one client; at least 1.
    explicit ClientPlaces(std::size_t each_max) noexcept : each_max_(each_max) {}
    ClientPlaces(const ClientPlaces&) = delete;
    ClientPlaces& operator=(const ClientPlaces&) = delete;

    /// For one more connection of `client`, as Transport::client() has it.
    /// - Errc::overloaded: it has each_max already; the message names it and the option.
    Result<Place> take(const std::string& client);

    /// That have a connection.
    std::size_t clients() const noexcept { return counts_.size(); }

private:
    const std::size_t each_max_;
    Counts counts_;  ///< none is zero
};

}  // namespace crucible::runtime
