#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/cpu_set.h"
#include "crucible/error.h"
#include "crucible/time.h"

namespace crucible::lab {

/// A target URL in its parts: `scheme:path?key=value&…`.
struct TargetUrl {
    std::string scheme;  ///< "daemon"
    std::string path;    ///< what stands between the colon and the question mark; may be empty
    std::vector<std::pair<std::string, std::string>> options;  ///< in the order given
    std::string text;                                          ///< as written

    const std::string* option(std::string_view key) const noexcept;
};

/// Parses and checks scheme, path and every option with its value.
/// - Errc::invalid_argument: one line naming the text at fault and what is allowed (for a near
/// miss, the nearest
///   known scheme or option).
Result<TargetUrl> parse_target(std::string_view text);

/// Most client processes of one trial.
inline constexpr std::uint32_t kClientsMax = 1000;

/// The URL's `clients` option, or `otherwise`.
std::uint32_t client_count(const TargetUrl& url, std::uint32_t otherwise);

/// What every system is started with, besides the options in its URL (which win).
struct SystemOptions {
    std::uint32_t clients = 4;
    std::uint32_t services = 6;
    base::CpuSet cpus;                     ///< that its own processes may use; empty: all
    std::vector<std::string> environment;  ///< NAME=value, for its own processes besides ours
    std::uint64_t seed = 1;                ///< for the `synthetic:` target's own random draws
};

/// The process-level side of a system under test: started once per trial by the suite, before the
/// clients.
class System {
public:
    virtual ~System() = default;

    /// What each client process passes to open_target(): a URL of ours, complete (private
    /// directory, socket …).
    virtual std::string endpoint() const = 0;

    /// Processes of the system besides the clients' own (the daemon). Empty for embedded systems.
    virtual std::vector<pid_t> processes() const = 0;

    /// True when the client processes are part of the system (an embedded coordinator, a client
    /// stub): then what they use is the system's, less what the harness alone would. False for a
    /// server that others run, whose clients are all ours.
    virtual bool includes_clients() const { return true; }
    /// The system's own code runs in the threads that send: their priority is not the harness's to
    /// choose.
    virtual bool runs_in_senders() const { return includes_clients(); }

    /// Directory with the system's data (vault, database), when it has a private one. Lives until
    /// stop().
    virtual std::optional<std::string> data_directory() const = 0;

    /// One line on why the system is no longer there, when it is not ("crucibled (pid 71) was
    /// killed by signal 9").
    virtual std::optional<std::string> failure() = 0;

    /// Ends the system in order. - Errc::failed: it did not end as it should; the message says how
    /// it ended.
    virtual Result<> stop() = 0;
};

/// Starts the system that `url` names. - Errc::failed, Errc::timeout, Errc::not_found: it did not
/// come up; the message has the last lines it wrote.
Result<std::unique_ptr<System>> start_system(const TargetUrl& url, const SystemOptions& options);

}  // namespace crucible::lab
