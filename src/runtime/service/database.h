#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crucible/error.h"
#include "crucible/event.h"
#include "crucible/time.h"
#include "runtime/service/service_set.h"

namespace crucible::runtime {

/// One change of one record. Records belong to the source that writes them.
struct RecordChange {
    enum class Kind : std::uint8_t {
        insert,  ///< the record must not exist
        update,  ///< it must exist
        upsert,  ///< either
        remove,  ///< it must exist
    };
    Kind kind = Kind::insert;
    std::string key;
    std::string body;  ///< JSON; empty for `remove`
};

/// All record changes of one event: they happen together or not at all.
struct EventChanges {
    const Event* event = nullptr;
    std::span<const RecordChange> records;
};

/// The SQLite file that holds the records and which events were applied to them. Thread-safe; any
/// number of processes may share the file. The schema is described in docs/formats/payloads.md.
class Database {
public:
    /// Creates file and schema when missing; several processes may do so at the same time.
    /// - Errc::io, Errc::permission_denied, Errc::timeout (locked for 10 s), Errc::corrupt (not a
    /// database),
    ///   Errc::unsupported (written by a newer version).
    static Result<std::unique_ptr<Database>> open(const std::filesystem::path& path,
                                                  Durability durability);
    ~Database();

    /// Applies all events in order in one transaction and fills `outcomes[i]` for `events[i]`. When
    /// it returns, every event without an error is durable. Calls from several threads at the same
    /// time share a transaction, and so a flush, where one is still open: a group commit. An event
    /// whose id was applied before, here or by another process, succeeds without a second effect.
    /// - Errc::failed: a record exists that must not, or the other way round; only that event is
    /// undone.
    /// - Errc::timeout, Errc::io: the file could not be locked or written; no event of the call was
    /// applied.
    void apply(std::span<const EventChanges> events, std::span<Result<>> outcomes);

    /// Replaces `body` with a record's body. - Errc::not_found, Errc::io.
    Result<> find(std::string_view source, std::string_view key, std::string& body);

    /// Whether the file can be read. - Errc::io, Errc::corrupt, …
    Result<> check();

    /// Moves what the write-ahead log holds into the file, as far as no reader needs it. Returns
    /// the number of pages moved. It happens by itself too, in a thread of its own; while that does
    /// it, this waits, at times for two flushes and a slow reader: tens of milliseconds.
    Result<std::int64_t> checkpoint();

    /// Since it was opened.
    struct Stats {
        std::uint64_t commits = 0;
        std::uint64_t events = 0;       ///< in those, repeated and failed ones included
        std::uint64_t records = 0;      ///< changes of events that did not fail
        Duration longest_commit{};      ///< from the end of the changes to their being durable
        std::uint64_t checkpoints = 0;  ///< that this process made
        std::size_t calls = 0;          ///< of apply() that have not returned
    };
    Stats stats() const noexcept;

    /// `PRAGMA synchronous` of the writing connection: 1 NORMAL, 2 FULL.
    int synchronous();

private:
    struct State;
    struct Joint;
    explicit Database(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace crucible::runtime
