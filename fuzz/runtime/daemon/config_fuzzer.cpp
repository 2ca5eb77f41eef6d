// The daemon's configuration: a text is refused with its place, or read whole into values that the
// documentation allows.
#include "runtime/daemon/config.h"

#include "base/assert.h"
#include "fuzzer.h"
#include "runtime/coordinator/exchange_options.h"

namespace crucible::fuzz {
namespace {

void check_limits(const runtime::DaemonConfig& config) {
    const auto& clients = config.server.clients;
    CRUCIBLE_ASSERT(clients.clients_max >= 1 && clients.clients_max <= 1'000'000);
    CRUCIBLE_ASSERT(clients.per_client_max >= 1 && clients.per_client_max <= 1'000'000);
    CRUCIBLE_ASSERT(clients.bytes_max >= 1);
    CRUCIBLE_ASSERT(clients.handshake_limit >= std::chrono::milliseconds(1));
    CRUCIBLE_ASSERT(clients.idle_limit >= Duration::zero());
    const auto& coordinator = config.server.coordinator;
    CRUCIBLE_ASSERT(coordinator.services.services >= 1 && coordinator.workers >= 1);
    CRUCIBLE_ASSERT(coordinator.batch_max <= 65'536 && coordinator.queue_bytes_max >= 1);
    CRUCIBLE_ASSERT(coordinator.retry.attempts_max >= 1);
    CRUCIBLE_ASSERT(coordinator.breaker.failure_share > 0 &&
                    coordinator.breaker.failure_share <= 1);
    for (const auto* path :
         {&config.server.socket, &coordinator.services.data_directory, &coordinator.rules})
        CRUCIBLE_ASSERT(!path->native().contains('\0'));
}

}  // namespace

void run(std::string_view input) {
    runtime::DaemonConfig config = runtime::default_daemon_config();
    const auto read = runtime::parse_config(input, "crucibled.toml", config);
    if (!read) {
        check_message(read.error());
        CRUCIBLE_ASSERT(read.error().message.starts_with("crucibled.toml:"));
        return;
    }
    check_limits(config);
    // What only fits together, or does not, is said when the daemon starts.
    const auto options = runtime::exchange_options(config.server.coordinator);
    if (!options) check_message(options.error());
}

std::vector<std::string> seeds() {
    return {};
}

}  // namespace crucible::fuzz
