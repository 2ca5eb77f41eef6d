#include "app/crucibled/log.h"

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <utility>

#include "base/clock.h"

namespace crucible::app {
namespace {

/// Lines that wait to be written, at most; each has its place from the start, of about 400 bytes.
constexpr std::size_t kQueueLines = 512;

/// The call for a flush may be among what is left out: it is made again after so long.
constexpr Duration kFlushAgain = std::chrono::milliseconds(50);

}  // namespace

class Log::Sink final : public spdlog::sinks::base_sink<std::mutex> {
public:
    explicit Sink(base::log::Format format) : format_(format) {}

    /// It calls this, and so outlives each call.
    void belong_to(spdlog::details::thread_pool& pool) { pool_ = &pool; }

    std::uint64_t flushes() {
        const std::lock_guard lock(flush_mutex_);
        return flushes_;
    }
    /// Whether there are more than `before` within `limit`.
    bool wait_for_flush(std::uint64_t before, Duration limit) {
        std::unique_lock lock(flush_mutex_);
        return flushed_.wait_for(lock, limit, [&] { return flushes_ > before; });
    }

private:
    void sink_it_(const spdlog::details::log_msg& message) override {
        const std::size_t left_out = pool_->overrun_counter();
        if (left_out > told_) {
            const auto text =
                base::log::render(format_, "lines were left out here",
                                  {{"lines", left_out - std::exchange(told_, left_out)}});
            write({message.logger_name, spdlog::level::warn, text});
        }
        write(message);
    }
    void write(const spdlog::details::log_msg& message) {
        spdlog::memory_buf_t line;
        formatter_->format(message, line);
        std::fwrite(line.data(), 1, line.size(), stderr);
    }
    void flush_() override {
        std::fflush(stderr);
        {
            const std::lock_guard lock(flush_mutex_);
            ++flushes_;
        }
        flushed_.notify_all();
    }

    const base::log::Format format_;
    spdlog::details::thread_pool* pool_ = nullptr;
    std::size_t told_ = 0;  ///< of the lines that were left out

    std::mutex flush_mutex_;
    std::condition_variable flushed_;
    std::uint64_t flushes_ = 0;
};

Log::Log(spdlog::level::level_enum level, base::log::Format format,
         std::function<void()> prepare_thread)
    : sink_(std::make_shared<Sink>(format)),
      pool_(std::make_shared<spdlog::details::thread_pool>(kQueueLines, 1,
                                                           std::move(prepare_thread))) {
    sink_->belong_to(*pool_);
    spdlog::set_default_logger(std::make_shared<spdlog::async_logger>(
        "crucibled", sink_, pool_, spdlog::async_overflow_policy::overrun_oldest));
    base::log::set_format(format);
    spdlog::set_pattern(base::log::line_pattern(format));
    spdlog::set_level(level);
}

Log::~Log() {
    // What still waits is written before the pool goes.
    spdlog::set_default_logger(nullptr);
    pool_.reset();
}

bool Log::flush(Duration limit) {
    const TimePoint until = base::monotonic_now() + limit;
    const std::uint64_t before = sink_->flushes();
    do {
        spdlog::default_logger_raw()->flush();
        const Duration left = until - base::monotonic_now();
        if (sink_->wait_for_flush(before, std::min(left, kFlushAgain))) return true;
    } while (base::monotonic_now() < until);
    return false;
}

}  // namespace crucible::app
