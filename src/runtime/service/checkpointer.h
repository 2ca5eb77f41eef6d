#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <thread>

#include "crucible/error.h"
#include "runtime/service/sqlite.h"

namespace crucible::runtime {

/// Moves pages from a database's write-ahead log into its file in a thread and over a connection of
/// its own, so that no commit has to wait for it. Where SQLite does it by itself, every commit that
/// finds the log long pays for all before it.
class Checkpointer {
public:
    /// Pages in the log from which it begins: 16 MiB. Each checkpoint flushes the file, whatever it
    /// moves; SQLite's own limit of 1,000 pages is reached several times a second here.
    static constexpr int kBeginPages = 4'000;
    /// Pages in the log from which it is begun anew: 128 MiB. Writers are held up for two flushes
    /// then, tens of milliseconds: done at each checkpoint, under full load that was every fifth
    /// of their time, and what the latency of every urgent event came from.
    static constexpr int kRestartPages = 32'000;

    /// Watches the commits of `writer`, which outlives this and must not be closed or used by
    /// another thread meanwhile. - the errors of open_sqlite().
    static Result<std::unique_ptr<Checkpointer>> open(const std::filesystem::path& path,
                                                      sqlite3* writer);
    ~Checkpointer();
    Checkpointer(const Checkpointer&) = delete;
    Checkpointer& operator=(const Checkpointer&) = delete;

    /// Moves what it can now, and waits for no writer or reader itself; but while the thread makes
    /// a checkpoint it waits for that, which may let the log begin anew and wait for both. Returns
    /// the pages moved; 0 while another process does it. From any thread. - Errc::io.
    Result<std::int64_t> run();

    /// That moved something.
    std::uint64_t checkpoints() const noexcept {
        return checkpoints_.load(std::memory_order_relaxed);
    }

private:
    Checkpointer(SqliteHandle connection, sqlite3* writer);

    struct Progress {
        int in_log = 0;        ///< pages
        int moved = 0;         ///< of those, in all
        std::int64_t now = 0;  ///< moved by this call
    };
    static int committed(void* self, sqlite3* writer, const char* name, int pages) noexcept;
    Result<Progress> run(int mode);
    static bool may_restart(const Result<Progress>& progress) noexcept;
    void watch(const std::stop_token& stop);

    std::mutex connection_mutex_;
    SqliteHandle connection_;
    int moved_ = 0;  ///< of the log's pages, when last looked at; under connection_mutex_
    sqlite3* const writer_;
    std::atomic<std::uint64_t> checkpoints_ = 0;

    std::mutex mutex_;
    std::condition_variable_any grown_;
    bool long_ = false;          ///< the log is, by the last commit
    int long_at_ = kBeginPages;  ///< from so many pages on
    std::jthread thread_;        ///< started by the first long log; under mutex_
};

}  // namespace crucible::runtime
