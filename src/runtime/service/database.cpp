#include "runtime/service/database.h"

#include <sqlite3.h>

#include <array>
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include "base/assert.h"
#include "base/clock.h"
#include "runtime/service/checkpointer.h"
#include "runtime/service/payload.h"
#include "runtime/service/sqlite.h"

namespace crucible::runtime {
namespace {

/// Beyond it a transaction takes no more in: what waits would wait ever longer.
constexpr std::size_t kTransactionEventsMax = 1024;

constexpr std::int64_t kSchemaVersion = 1;
constexpr const char* kSchema = R"(
CREATE TABLE IF NOT EXISTS applied_events(
  event_id BLOB PRIMARY KEY NOT NULL, source TEXT NOT NULL, type TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records(
  id INTEGER PRIMARY KEY, source TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL,
  body TEXT NOT NULL, event_id BLOB NOT NULL, UNIQUE(source, key));
PRAGMA user_version = 1;
)";

enum class Step : std::size_t {
    begin,
    commit,
    rollback,
    savepoint,
    release,
    undo,
    mark,
    unmark,
    insert,
    update,
    upsert,
    remove,
    count
};
constexpr std::array<const char*, static_cast<std::size_t>(Step::count)> kSql = {
    "BEGIN IMMEDIATE",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT event",
    "RELEASE event",
    "ROLLBACK TO event",
    "INSERT INTO applied_events(event_id, source, type) VALUES(?1, ?2, ?3) ON CONFLICT DO NOTHING",
    "DELETE FROM applied_events WHERE event_id = ?1",
    "INSERT INTO records(source, key, version, body, event_id) VALUES(?1, ?2, 1, ?3, ?4)"
    " ON CONFLICT DO NOTHING",
    "UPDATE records SET version = version + 1, body = ?3, event_id = ?4 WHERE source = ?1 AND key "
    "= ?2",
    "INSERT INTO records(source, key, version, body, event_id) VALUES(?1, ?2, 1, ?3, ?4)"
    " ON CONFLICT(source, key) DO UPDATE SET version = version + 1, body = excluded.body,"
    " event_id = excluded.event_id",
    "DELETE FROM records WHERE source = ?1 AND key = ?2",
};

constexpr Step step_of(RecordChange::Kind kind) noexcept {
    switch (kind) {
        case RecordChange::Kind::insert:
            return Step::insert;
        case RecordChange::Kind::update:
            return Step::update;
        case RecordChange::Kind::upsert:
            return Step::upsert;
        case RecordChange::Kind::remove:
            return Step::remove;
    }
    return Step::count;
}

/// One attempt to make an opened file ours. Safe beside other processes doing the same.
Result<> prepare_file(sqlite3* handle, Durability durability) {
    auto done = execute(handle, "PRAGMA journal_mode = WAL");
    if (done) {
        done = execute(handle, durability == Durability::full ? "PRAGMA synchronous = FULL"
                                                              : "PRAGMA synchronous = NORMAL");
    }
    if (!done) return done;
    const auto version = query_integer(handle, "PRAGMA user_version");
    if (!version) return std::unexpected(version.error());
    if (*version > kSchemaVersion) {
        return refuse(Errc::unsupported, "written by a newer crucible; upgrade to use it");
    }
    if (*version == kSchemaVersion) return {};
    done = execute(handle, "BEGIN IMMEDIATE");
    if (done) done = execute(handle, kSchema);
    if (done) done = execute(handle, "COMMIT");
    if (!done && sqlite3_get_autocommit(handle) == 0) (void)execute(handle, "ROLLBACK");
    return done;
}

}  // namespace

/// A call of apply() that waits for a transaction, its own or somebody else's.
struct Database::Joint {
    std::span<const EventChanges> events;
    std::span<Result<>> outcomes;
    bool done = false;  ///< under write_mutex
};

struct Database::State {
    std::mutex waiting_mutex;
    std::vector<Joint*> waiting;

    std::mutex write_mutex;
    std::vector<Joint*> joined;  ///< of the transaction being run
    SqliteHandle writer;
    std::array<SqliteStatement, kSql.size()> statements;

    // A connection of its own, so that a query does not wait for a commit's flush.
    std::mutex read_mutex;
    SqliteHandle reader;
    SqliteStatement find;

    struct {
        std::atomic<std::uint64_t> commits = 0;
        std::atomic<std::uint64_t> events = 0;
        std::atomic<std::uint64_t> records = 0;
        std::atomic<std::int64_t> longest_commit_ns = 0;
        std::atomic<std::size_t> calls = 0;
    } counts;
    std::unique_ptr<Checkpointer> checkpointer;

    ~State() {
        for (auto& statement : statements) statement.reset();
        find.reset();
    }

    sqlite3_stmt* get(Step step) noexcept {
        return statements[static_cast<std::size_t>(step)].get();
    }

    Result<> step(Step step) {
        if (run(get(step)) == SQLITE_DONE) return {};
        return std::unexpected(sqlite_error(writer.get(), kSql[static_cast<std::size_t>(step)]));
    }

    void bind_id(Step step, int position, const Uuid& id) noexcept {
        CRUCIBLE_ASSERT(sqlite3_bind_blob(get(step), position, id.bytes.data(),
                                          static_cast<int>(id.bytes.size()),
                                          SQLITE_STATIC) == SQLITE_OK);
    }

    Result<> change(const Event& event, const RecordChange& record) {
        const Step which = step_of(record.kind);
        sqlite3_stmt* statement = get(which);
        bind_text(statement, 1, event.source);
        bind_text(statement, 2, record.key);
        if (which != Step::remove) {
            bind_text(statement, 3, record.body);
            bind_id(which, 4, event.id);
        }
        if (const auto done = step(which); !done) return done;
        if (sqlite3_changes(writer.get()) == 1) return {};
        const char* what = which == Step::insert ? " exists already" : " does not exist";
        return refuse(Errc::failed, "record " + record.key + what);
    }

    /// - Errc::failed: the event could not be applied and left nothing behind.
    Result<> apply_one(const EventChanges& changes) {
        // A savepoint costs two statements, and one change alone that fails has changed nothing.
        const bool several = changes.records.size() > 1;
        if (several) {
            if (auto done = step(Step::savepoint); !done) return done;
        }
        auto applied = apply_marked(changes);
        const bool alone = !applied && applied.error().code == Errc::failed;
        if (!applied && !alone) return applied;
        if (several) {
            if (alone) {
                if (auto undone = step(Step::undo); !undone) return undone;
            }
            if (auto released = step(Step::release); !released) return released;
        } else if (alone) {
            bind_id(Step::unmark, 1, changes.event->id);
            if (auto unmarked = step(Step::unmark); !unmarked) return unmarked;
        }
        return applied;
    }

    Result<> apply_marked(const EventChanges& changes) {
        sqlite3_stmt* mark = get(Step::mark);
        bind_id(Step::mark, 1, changes.event->id);
        bind_text(mark, 2, changes.event->source);
        bind_text(mark, 3, changes.event->type);
        if (auto done = step(Step::mark); !done) return done;
        if (sqlite3_changes(writer.get()) == 0) return {};  // applied before
        for (const auto& record : changes.records) {
            if (auto done = change(*changes.event, record); !done) return done;
        }
        return {};
    }

    /// Applies `joined`, and what others bring meanwhile, in one transaction. The errors are those
    /// of all.
    Result<> run_transaction();
    void take_waiting();
    void commit_waiting();
    void roll_back() {
        if (sqlite3_get_autocommit(writer.get()) == 0) (void)step(Step::rollback);
    }
};

/// Takes what waits for a transaction into this one, behind what it has already.
void Database::State::take_waiting() {
    const std::scoped_lock lock(waiting_mutex);
    joined.insert(joined.end(), waiting.begin(), waiting.end());
    waiting.clear();
}

void Database::State::commit_waiting() {
    joined.clear();
    take_waiting();
    const auto done = run_transaction();
    for (Joint* joint : joined) {
        if (!done) std::ranges::fill(joint->outcomes, done);
        joint->done = true;
    }
}

Result<> Database::State::run_transaction() {
    if (auto begun = step(Step::begin); !begun) return begun;
    std::size_t events = 0;
    std::uint64_t records = 0;
    for (std::size_t next = 0; next < joined.size();) {
        const Joint& joint = *joined[next++];
        for (std::size_t i = 0; i < joint.events.size(); ++i) {
            joint.outcomes[i] = apply_one(joint.events[i]);
            if (joint.outcomes[i]) {
                records += joint.events[i].records.size();
            } else if (joint.outcomes[i].error().code != Errc::failed) {
                roll_back();
                return joint.outcomes[i];
            }
        }
        events += joint.events.size();
        if (next == joined.size() && events < kTransactionEventsMax) take_waiting();
    }
    const TimePoint begun = base::monotonic_now();
    if (auto done = step(Step::commit); !done) {
        roll_back();
        return done;
    }
    const Duration took = base::monotonic_now() - begun;
    counts.commits.fetch_add(1, std::memory_order_relaxed);
    counts.events.fetch_add(events, std::memory_order_relaxed);
    counts.records.fetch_add(records, std::memory_order_relaxed);
    if (took.count() > counts.longest_commit_ns.load(std::memory_order_relaxed))
        counts.longest_commit_ns.store(took.count(), std::memory_order_relaxed);
    return {};
}

Database::Database(std::unique_ptr<State> state) : state_(std::move(state)) {}
Database::~Database() = default;

Result<std::unique_ptr<Database>> Database::open(const std::filesystem::path& path,
                                                 Durability durability) {
    auto state = std::make_unique<State>();
    const TimePoint limit = base::monotonic_now() + kLockLimit;
    for (;;) {
        auto writer = open_sqlite(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
        if (!writer) return std::unexpected(writer.error());
        const auto done = prepare_file(writer->get(), durability);
        if (done) {
            state->writer = std::move(*writer);
            break;
        }
        // Switching a fresh file to WAL needs it alone. SQLite does not call the busy handler where
        // waiting could be a deadlock, so another process that does the same may be reported at
        // once.
        if (done.error().code != Errc::timeout || base::monotonic_now() > limit) {
            return refuse(done.error().code, path.string() + ": " + done.error().message);
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    for (std::size_t i = 0; i < kSql.size(); ++i) {
        auto statement = prepare(state->writer.get(), kSql[i]);
        if (!statement) return std::unexpected(statement.error());
        state->statements[i] = std::move(*statement);
    }
    auto reader = open_sqlite(path, SQLITE_OPEN_READONLY);
    if (!reader) return std::unexpected(reader.error());
    state->reader = std::move(*reader);
    auto find =
        prepare(state->reader.get(), "SELECT body FROM records WHERE source = ?1 AND key = ?2");
    if (!find) return std::unexpected(find.error());
    state->find = std::move(*find);
    auto checkpointer = Checkpointer::open(path, state->writer.get());
    if (!checkpointer) return std::unexpected(checkpointer.error());
    state->checkpointer = std::move(*checkpointer);
    return std::unique_ptr<Database>(new Database(std::move(state)));
}

void Database::apply(std::span<const EventChanges> events, std::span<Result<>> outcomes) {
    CRUCIBLE_ASSERT(events.size() == outcomes.size());
    if (events.empty()) return;
    State& state = *state_;
    Joint own{events, outcomes};
    {
        const std::scoped_lock lock(state.waiting_mutex);
        state.waiting.push_back(&own);
    }
    state.counts.calls.fetch_add(1);
    {
        const std::scoped_lock lock(state.write_mutex);
        if (!own.done) state.commit_waiting();  // else somebody else's transaction had room
    }
    state.counts.calls.fetch_sub(1);
}

Result<> Database::find(std::string_view source, std::string_view key, std::string& body) {
    const std::scoped_lock lock(state_->read_mutex);
    sqlite3_stmt* statement = state_->find.get();
    bind_text(statement, 1, source);
    bind_text(statement, 2, key);
    const int status = sqlite3_step(statement);
    if (status == SQLITE_ROW) {
        const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
        body.assign(text, static_cast<std::size_t>(sqlite3_column_bytes(statement, 0)));
    }
    sqlite3_reset(statement);
    if (status == SQLITE_ROW) return {};
    if (status == SQLITE_DONE) return refuse(Errc::not_found, "no record " + std::string(key));
    return std::unexpected(sqlite_error(state_->reader.get(), "read record"));
}

Result<> Database::check() {
    const std::scoped_lock lock(state_->read_mutex);
    const auto read =
        query_integer(state_->reader.get(), "SELECT count(*) FROM (SELECT 1 FROM records LIMIT 1)");
    if (!read) return std::unexpected(read.error());
    return {};
}

Result<std::int64_t> Database::checkpoint() {
    return state_->checkpointer->run();
}

Database::Stats Database::stats() const noexcept {
    const auto& counts = state_->counts;
    return {.commits = counts.commits.load(std::memory_order_relaxed),
            .events = counts.events.load(std::memory_order_relaxed),
            .records = counts.records.load(std::memory_order_relaxed),
            .longest_commit = Duration(counts.longest_commit_ns.load(std::memory_order_relaxed)),
            .checkpoints = state_->checkpointer->checkpoints(),
            .calls = counts.calls.load()};
}

int Database::synchronous() {
    const std::scoped_lock lock(state_->write_mutex);
    const auto level = query_integer(state_->writer.get(), "PRAGMA synchronous");
    CRUCIBLE_ASSERT(level.has_value());
    return static_cast<int>(*level);
}

}  // namespace crucible::runtime
