#include "runtime/coordinator/dispatcher_options.h"

namespace crucible::runtime {

Result<DispatcherOptions> dispatcher_options(const CoordinatorOptions& options) {
    const auto too_small = [](const char* name) {
        return std::unexpected(
            Error{Errc::invalid_argument, std::string(name) + " must be at least 1"});
    };
    if (options.workers == 0) return too_small("workers");
    if (options.queue_events_max == 0) return too_small("the queue limit in events");
    if (options.queue_bytes_max == 0) return too_small("the queue limit in bytes");
    if (options.batch_max == 0) return too_small("the batch limit");
    return DispatcherOptions{.workers = options.workers,
                             .queue_events_max = options.queue_events_max,
                             .queue_bytes_max = options.queue_bytes_max,
                             .batch_max = options.batch_max};
}

}  // namespace crucible::runtime
