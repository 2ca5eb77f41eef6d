#include "runtime/service/sqlite.h"

#include <time.h>

#include <algorithm>
#include <string>

#include "base/assert.h"

namespace crucible::runtime {
namespace {

/// Called by SQLite while another connection holds the lock. Its own handler backs off to 100 ms,
/// but our transactions take well under a millisecond: a waiter that slept that long would leave
/// the file idle.
int wait_for_lock(void*, int attempt) {
    constexpr std::int64_t kShortest = 50'000;
    constexpr std::int64_t kLongest = 1'000'000;
    // 50 us, 100 us, ... 1 ms, then 1 ms each until the limit.
    const std::int64_t nanoseconds = std::min(kLongest, kShortest * (attempt + 1));
    if (attempt > kLockLimit.count() / kLongest) return 0;
    const timespec pause{.tv_sec = 0, .tv_nsec = nanoseconds};
    ::nanosleep(&pause, nullptr);
    return 1;
}

}  // namespace

Result<SqliteHandle> open_sqlite(const std::filesystem::path& path, int flags) {
    sqlite3* raw = nullptr;
    const int status = sqlite3_open_v2(path.c_str(), &raw, flags | SQLITE_OPEN_NOMUTEX, nullptr);
    SqliteHandle handle(raw);
    if (status != SQLITE_OK) return std::unexpected(sqlite_error(raw, path.string()));
    sqlite3_extended_result_codes(raw, 1);
    sqlite3_busy_handler(raw, wait_for_lock, nullptr);
    return handle;
}

Error sqlite_error(sqlite3* handle, std::string_view what) {
    Errc code = Errc::io;
    switch (sqlite3_errcode(handle)) {
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            code = Errc::timeout;
            break;
        case SQLITE_PERM:
        case SQLITE_AUTH:
        case SQLITE_READONLY:
            code = Errc::permission_denied;
            break;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            code = Errc::corrupt;
            break;
        default:
            break;
    }
    const int primary = sqlite3_extended_errcode(handle) & 0xff;
    if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED) code = Errc::timeout;
    return Error{code, std::string(what) + ": " + sqlite3_errmsg(handle)};
}

Result<> execute(sqlite3* handle, const char* sql) {
    if (sqlite3_exec(handle, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return {};
    return std::unexpected(sqlite_error(handle, sql));
}

Result<std::int64_t> query_integer(sqlite3* handle, const char* sql) {
    const auto statement = prepare(handle, sql);
    if (!statement) return std::unexpected(statement.error());
    if (sqlite3_step(statement->get()) != SQLITE_ROW) {
        return std::unexpected(sqlite_error(handle, sql));
    }
    return sqlite3_column_int64(statement->get(), 0);
}

Result<SqliteStatement> prepare(sqlite3* handle, const char* sql) {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v3(handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr) !=
        SQLITE_OK) {
        return std::unexpected(sqlite_error(handle, sql));
    }
    return SqliteStatement(raw);
}

int run(sqlite3_stmt* statement) noexcept {
    int status = sqlite3_step(statement);
    const int reset_status = sqlite3_reset(statement);
    if (status == SQLITE_DONE && reset_status != SQLITE_OK) status = reset_status;
    return status;
}

void bind_text(sqlite3_stmt* statement, int position, std::string_view text) noexcept {
    // An empty view may have no address, which SQLite would take for NULL.
    const char* data = text.empty() ? "" : text.data();
    CRUCIBLE_ASSERT(sqlite3_bind_text64(statement, position, data, text.size(), SQLITE_STATIC,
                                        SQLITE_UTF8) == SQLITE_OK);
}

}  // namespace crucible::runtime
