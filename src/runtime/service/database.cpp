#include "runtime/service/database.h"

#include <sqlite3.h>

#include <array>
#include <chrono>
#include <mutex>
#include <thread>

#include "base/assert.h"
#include "base/clock.h"
#include "runtime/service/payload.h"
#include "runtime/service/sqlite.h"

namespace crucible::runtime {
namespace {

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

struct Database::State {
    std::mutex write_mutex;
    SqliteHandle writer;
    std::array<SqliteStatement, kSql.size()> statements;

    // A connection of its own, so that a query does not wait for a commit's flush.
    std::mutex read_mutex;
    SqliteHandle reader;
    SqliteStatement find;

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

    Result<> apply_one(const EventChanges& changes) {
        sqlite3_stmt* mark = get(Step::mark);
        bind_id(Step::mark, 1, changes.event->id);
        bind_text(mark, 2, changes.event->source);
        bind_text(mark, 3, changes.event->type);
        if (const auto done = step(Step::mark); !done) return done;
        if (sqlite3_changes(writer.get()) == 0) return {};  // applied before
        for (const auto& record : changes.records) {
            if (const auto done = change(*changes.event, record); !done) return done;
        }
        return {};
    }

    /// Everything in one transaction; false when an event failed on its own account and all was
    /// rolled back.
    Result<bool> try_all(std::span<const EventChanges> events);
    Result<> try_each(std::span<const EventChanges> events, std::span<Result<>> outcomes);
    void roll_back() {
        if (sqlite3_get_autocommit(writer.get()) == 0) (void)step(Step::rollback);
    }
};

Result<bool> Database::State::try_all(std::span<const EventChanges> events) {
    if (const auto begun = step(Step::begin); !begun) return std::unexpected(begun.error());
    for (const auto& changes : events) {
        const auto done = apply_one(changes);
        if (done) continue;
        roll_back();
        if (done.error().code == Errc::failed) return false;
        return std::unexpected(done.error());
    }
    if (const auto done = step(Step::commit); !done) {
        roll_back();
        return std::unexpected(done.error());
    }
    return true;
}

Result<> Database::State::try_each(std::span<const EventChanges> events,
                                   std::span<Result<>> outcomes) {
    if (const auto begun = step(Step::begin); !begun) return begun;
    for (std::size_t i = 0; i < events.size(); ++i) {
        auto ready = step(Step::savepoint);
        if (ready) {
            outcomes[i] = apply_one(events[i]);
            const bool alone = !outcomes[i] && outcomes[i].error().code == Errc::failed;
            if (!outcomes[i] && !alone) ready = outcomes[i];
            if (alone) ready = step(Step::undo);
            if (ready) ready = step(Step::release);
        }
        if (!ready) {
            roll_back();
            return ready;
        }
    }
    auto done = step(Step::commit);
    if (!done) roll_back();
    return done;
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
    return std::unique_ptr<Database>(new Database(std::move(state)));
}

void Database::apply(std::span<const EventChanges> events, std::span<Result<>> outcomes) {
    CRUCIBLE_ASSERT(events.size() == outcomes.size());
    if (events.empty()) return;
    const std::scoped_lock lock(state_->write_mutex);
    // Savepoints cost two statements per event, so they are taken only where an event of the batch
    // fails.
    const auto all = state_->try_all(events);
    if (all && *all) {
        std::ranges::fill(outcomes, Result<>{});
        return;
    }
    const auto each = all ? state_->try_each(events, outcomes) : std::unexpected(all.error());
    if (!each) std::ranges::fill(outcomes, Result<>(std::unexpected(each.error())));
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

Result<std::int64_t> Database::checkpoint() {
    const std::scoped_lock lock(state_->write_mutex);
    int moved = 0;
    const int status = sqlite3_wal_checkpoint_v2(state_->writer.get(), nullptr,
                                                 SQLITE_CHECKPOINT_PASSIVE, nullptr, &moved);
    // Busy: another process is doing it.
    if (status != SQLITE_OK && status != SQLITE_BUSY) {
        return std::unexpected(sqlite_error(state_->writer.get(), "checkpoint"));
    }
    return moved;
}

int Database::synchronous() {
    const std::scoped_lock lock(state_->write_mutex);
    const auto level = query_integer(state_->writer.get(), "PRAGMA synchronous");
    CRUCIBLE_ASSERT(level.has_value());
    return static_cast<int>(*level);
}

}  // namespace crucible::runtime
