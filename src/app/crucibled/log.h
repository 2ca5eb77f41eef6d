#pragma once

#include <spdlog/common.h>

#include <functional>
#include <memory>

#include "base/log.h"
#include "crucible/time.h"

namespace spdlog::details {
class thread_pool;
}

namespace crucible::app {

/// spdlog's default logger, to standard error. A thread of its own writes, so that whoever logs
/// never waits for who reads: lines that do not fit the queue meanwhile are left out, the oldest
/// first, and the log says how many.
class Log {
public:
    /// `format` is that of base::log from now on. `prepare_thread` is called in that thread, as the
    /// first thing.
    Log(spdlog::level::level_enum level, base::log::Format format,
        std::function<void()> prepare_thread);
    /// Nobody logs any more.
    ~Log();

    /// Waits until what was logged is written, at most `limit`. False: nobody reads it.
    bool flush(Duration limit);

private:
    class Sink;
    const std::shared_ptr<Sink> sink_;
    std::shared_ptr<spdlog::details::thread_pool> pool_;
};

}  // namespace crucible::app
