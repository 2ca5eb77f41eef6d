#pragma once

#include <sqlite3.h>

#include <filesystem>
#include <memory>
#include <string_view>

#include "crucible/error.h"
#include "crucible/time.h"

namespace crucible::runtime {

/// How long any call waits for another process's lock.
inline constexpr Duration kLockLimit = std::chrono::seconds(10);

struct SqliteCloser {
    void operator()(sqlite3* handle) const noexcept { sqlite3_close_v2(handle); }
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
};
using SqliteHandle = std::unique_ptr<sqlite3, SqliteCloser>;
using SqliteStatement = std::unique_ptr<sqlite3_stmt, SqliteCloser>;

/// Opens a connection without SQLite's own mutexes: the caller uses it from one thread at a time.
Result<SqliteHandle> open_sqlite(const std::filesystem::path& path, int flags);

/// The last failure of `handle`: "<what>: <SQLite's message>", with the code that fits.
Error sqlite_error(sqlite3* handle, std::string_view what);

/// Runs statements that return no rows.
Result<> execute(sqlite3* handle, const char* sql);

/// The first column of the first row, an integer.
Result<std::int64_t> query_integer(sqlite3* handle, const char* sql);

/// A statement kept for many runs.
Result<SqliteStatement> prepare(sqlite3* handle, const char* sql);

/// Runs a bound statement to its end and makes it ready for the next binding. Returns SQLite's
/// code: SQLITE_DONE, or what went wrong.
int run(sqlite3_stmt* statement) noexcept;

void bind_text(sqlite3_stmt* statement, int position, std::string_view text) noexcept;

}  // namespace crucible::runtime
