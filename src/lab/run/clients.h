#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/process.h"
#include "crucible/error.h"
#include "lab/run/control.h"
#include "lab/run/plan.h"

namespace crucible::lab {

/// The client processes of one trial, as the suite sees them. One that dies, hangs or breaks the
/// protocol is named in trouble() and left out from then on; the others go on. Not thread-safe: to
/// be used by the thread that made it, because its processes die with that thread.
class Clients {
public:
    /// Starts `plan.clients` processes, with these variables (NAME=value) in their environment, and
    /// hands each its plan. - the errors of Process::start().
    static Result<Clients> start(const std::string& endpoint, const Plan& plan,
                                 const std::vector<std::string>& environment = {});

    void tell_all(const Order& order);

    /// Takes what the clients say for at most `limit`; returns as soon as something was said.
    void listen(Duration limit);

    /// A client not heard of for `limit` (counted from the last tell_all() at the earliest) hangs:
    /// it is killed.
    void drop_silent(Duration limit);
    /// Kills those of which `done` is not true yet, naming them: "client-1 (pid 7) <what>".
    template <typename Done>
    void drop_unless(Done done, const std::string& what) {
        for (auto& client : clients_) {
            if (client.present && !done(client)) drop(client, Errc::timeout, what);
        }
    }

    /// Waits until all have ended by themselves, at most `limit`; kills the rest.
    void end(Duration limit);

    struct Client {
        std::uint32_t number = 0;
        base::Process process;
        Channel channel;
        TimePoint last_heard;
        bool present = true;
        bool ready = false;
        std::vector<pid_t> system_processes;   ///< that it has started
        std::optional<std::uint32_t> drained;  ///< the phase it has last ended
        std::optional<news::PhaseReport> report;
        news::Progress progress;
    };
    const std::vector<Client>& all() const noexcept { return clients_; }
    /// Takes the reports of phase `phase`.
    std::vector<ClientPhase> take_reports(std::uint32_t phase);

    template <typename Done>
    bool all_present(Done done) const {
        for (const auto& client : clients_) {
            if (client.present && !done(client)) return false;
        }
        return true;
    }

    /// What was first wrong with a client.
    const std::optional<Error>& trouble() const noexcept { return trouble_; }

private:
    void drop(Client& client, Errc code, const std::string& what);
    void lost_contact(Client& client);
    void note(Client& client, News news);

    std::vector<Client> clients_;
    std::optional<Error> trouble_;
    TimePoint told_;
};

}  // namespace crucible::lab
