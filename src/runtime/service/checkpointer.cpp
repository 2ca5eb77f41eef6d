#include "runtime/service/checkpointer.h"

#include <pthread.h>

#include <algorithm>

#include "base/log.h"
#include "crucible/allocation.h"

namespace crucible::runtime {
namespace {

/// A checkpoint that lets the log begin anew holds up writers while it waits for readers.
constexpr int kBusyMs = 10;

}  // namespace

Result<std::unique_ptr<Checkpointer>> Checkpointer::open(const std::filesystem::path& path,
                                                         sqlite3* writer) {
    auto connection = open_sqlite(path, SQLITE_OPEN_READWRITE);
    if (!connection) return std::unexpected(connection.error());
    // A connection that has read nothing does not know of the log, and would move nothing.
    if (auto read = query_integer(connection->get(), "PRAGMA user_version"); !read)
        return std::unexpected(read.error());
    // Other processes hold its locks for as long as they checkpoint, and closing waits for this.
    sqlite3_busy_timeout(connection->get(), kBusyMs);
    return std::unique_ptr<Checkpointer>(new Checkpointer(std::move(*connection), writer));
}

Checkpointer::Checkpointer(SqliteHandle connection, sqlite3* writer)
    : connection_(std::move(connection)), writer_(writer) {
    // Takes the place of SQLite's own checkpoints, which hang on the same hook.
    sqlite3_wal_hook(writer_, committed, this);
}

Checkpointer::~Checkpointer() {
    sqlite3_wal_hook(writer_, nullptr, nullptr);
    std::jthread thread;
    {
        const std::scoped_lock lock(mutex_);
        thread = std::move(thread_);
    }
}

/// In the writer's thread, after each commit.
int Checkpointer::committed(void* self, sqlite3*, const char*, int pages) noexcept {
    auto& own = *static_cast<Checkpointer*>(self);
    {
        const std::scoped_lock lock(own.mutex_);
        if (pages < kBeginPages) own.long_at_ = kBeginPages;  // it has begun anew
        if (pages < own.long_at_) return SQLITE_OK;
        own.long_ = true;
        if (!own.thread_.joinable())
            own.thread_ = std::jthread([&own](const std::stop_token& stop) { own.watch(stop); });
    }
    own.grown_.notify_one();
    return SQLITE_OK;
}

void Checkpointer::watch(const std::stop_token& stop) {
    ::pthread_setname_np(::pthread_self(), "checkpoint");
    static const AllocationOwner kOwner("checkpoint");
    const AllocationScope scope(kOwner);
    for (;;) {
        {
            std::unique_lock lock(mutex_);
            if (!grown_.wait(lock, stop, [this] { return long_; })) return;
            long_ = false;
        }
        auto progress = run(SQLITE_CHECKPOINT_PASSIVE);
        // While writers never pause, something is always left, and the log is never used from its
        // start again. Where that is little, writers are held up while it is moved and flushed,
        // once in kRestartPages; where it is much, a reader needs it, and holding writers up would
        // not help. Moving once more before leaves only what came in that shorter time.
        if (may_restart(progress)) progress = run(SQLITE_CHECKPOINT_PASSIVE);
        if (may_restart(progress)) progress = run(SQLITE_CHECKPOINT_RESTART);
        if (!progress) base::log::error("checkpoint failed", {{"error", progress.error().message}});
        const std::scoped_lock lock(mutex_);
        long_ = false;  // as of before; the next commit says how long it is now
        long_at_ = kBeginPages + (progress ? std::max(progress->in_log, 0) : 0);
    }
}

bool Checkpointer::may_restart(const Result<Progress>& progress) noexcept {
    return progress && progress->moved > 0 && progress->in_log >= kRestartPages &&
           progress->in_log - progress->moved < kBeginPages / 4;
}

Result<std::int64_t> Checkpointer::run() {
    const auto progress = run(SQLITE_CHECKPOINT_PASSIVE);
    if (!progress) return std::unexpected(progress.error());
    return progress->now;
}

Result<Checkpointer::Progress> Checkpointer::run(int mode) {
    const std::scoped_lock lock(connection_mutex_);
    Progress progress;
    const int status = sqlite3_wal_checkpoint_v2(connection_.get(), nullptr, mode, &progress.in_log,
                                                 &progress.moved);
    // Busy: another process is doing it, or a reader takes long.
    if (status != SQLITE_OK && (status & 0xff) != SQLITE_BUSY)
        return std::unexpected(sqlite_error(connection_.get(), "checkpoint"));
    if (progress.moved < 0) return progress;  // it did not come to that
    // SQLite says what was moved since the log began; fewer than before: it began anew.
    progress.now = progress.moved >= moved_ ? progress.moved - moved_ : progress.moved;
    moved_ = progress.moved;
    if (progress.now > 0) checkpoints_.fetch_add(1, std::memory_order_relaxed);
    return progress;
}

}  // namespace crucible::runtime
