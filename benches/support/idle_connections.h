#pragma once

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "crucible/error.h"

namespace crucible::bench {

/// A connection that has shaken hands, and does nothing as long as this lives.
using IdleConnect = std::function<Result<std::shared_ptr<void>>(std::size_t number)>;

/// Resident bytes of a server: without connections, and for each of so many idle ones.
/// - the errors of `connect`. - Errc::not_found: the server is gone.
Result<std::vector<double>> idle_memory(pid_t pid, std::size_t connections,
                                        const IdleConnect& connect);

/// The same of a daemon that it starts. - the errors of start_crucibled() and of connecting.
Result<std::vector<double>> crucibled_idle(std::size_t connections);

}  // namespace crucible::bench
