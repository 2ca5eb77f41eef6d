#include <sched.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <new>

#include "fixture.h"
#include "runtime/service/database.h"
#include "runtime/service/sqlite.h"

namespace crucible::runtime {
namespace {

class DatabaseServiceTest : public ServiceTest {
protected:
    Event record(std::string type, const std::string& key, const std::string& fields = "{}") {
        return event(Category::database, std::move(type),
                     R"({"key":")" + key + R"(","fields":)" + fields + "}");
    }
    Event transaction(const std::string& operations) {
        return event(Category::database, "transaction.committed",
                     R"({"operations":[)" + operations + "]}");
    }
    std::int64_t count(const char* sql) {
        const auto handle = open_sqlite(data() / "crucible.db", SQLITE_OPEN_READONLY);
        EXPECT_TRUE(handle);
        return query_integer(handle->get(), sql).value_or(-1);
    }
};

TEST_F(DatabaseServiceTest, WritesUpdatesAndDeletesRows) {
    const auto set = open();
    EXPECT_EQ(handle(*set, record("record.created", "a")).outcome, Outcome::handled);
    EXPECT_EQ(handle(*set, record("record.created", "b")).outcome, Outcome::handled);
    EXPECT_EQ(handle(*set, record("record.updated", "a", R"({"n":7})")).outcome, Outcome::handled);
    EXPECT_EQ(handle(*set, record("record.deleted", "b")).outcome, Outcome::handled);
    EXPECT_EQ(count("SELECT count(*) FROM records"), 1);
    EXPECT_EQ(count("SELECT version FROM records WHERE source = 'client-0' AND key = 'a'"), 2);
    EXPECT_EQ(count("SELECT json_extract(body, '$.fields.n') FROM records"), 7);
    EXPECT_EQ(count("SELECT count(*) FROM applied_events"), 4);
}

// The promise to publishers: an event that arrives again is acknowledged again and done once.
TEST_F(DatabaseServiceTest, AppliesEveryEventOnce) {
    const auto set = open();
    const auto created = record("record.created", "a");
    const auto updated = record("record.updated", "a");
    for (const auto& result : handle(*set, {created, updated, created, updated, updated})) {
        EXPECT_EQ(result.outcome, Outcome::handled) << result.reason;
    }
    EXPECT_EQ(handle(*open({.process_name = "other"}), updated).outcome, Outcome::handled);
    EXPECT_EQ(count("SELECT version FROM records"), 2);
    EXPECT_EQ(count("SELECT count(*) FROM applied_events"), 2);
}

// One transaction holds a whole batch, but an event that cannot be applied is nobody else's
// failure, and it leaves no trace: neither a part of its records nor its id.
TEST_F(DatabaseServiceTest, OneBadEventFailsAlone) {
    const auto set = open();
    const auto results = handle(
        *set,
        {record("record.created", "a"), record("record.created", "a"),
         record("record.updated", "x"), event(Category::database, "record.created", "{\"key\":"),
         transaction(R"({"op":"insert","key":"t","fields":{}},{"op":"delete","key":"x"})"),
         transaction(
             R"({"op":"insert","key":"u","fields":{}},{"op":"upsert","key":"a","fields":{}})"),
         transaction(R"({"op":"insert","key":"v","fields":{}},{"op":"explode","key":"a"})"),
         record("record.created", "b")});
    const std::vector<Outcome> expected = {Outcome::handled,  Outcome::failed, Outcome::failed,
                                           Outcome::rejected, Outcome::failed, Outcome::handled,
                                           Outcome::rejected, Outcome::handled};
    for (std::size_t i = 0; i < expected.size(); ++i) {
        EXPECT_EQ(results[i].outcome, expected[i]) << i << ": " << results[i].reason;
        EXPECT_EQ(results[i].reason.empty(), expected[i] == Outcome::handled);
        EXPECT_EQ(results[i].for_good, expected[i] == Outcome::failed) << i;
    }
    EXPECT_EQ(
        count("SELECT group_concat(key, '') = 'abu' FROM (SELECT key FROM records ORDER BY key)"),
        1);
    EXPECT_EQ(count("SELECT count(*) FROM applied_events"), 3);
}

// `full` must reach SQLite itself: 1 is NORMAL, 2 is FULL.
TEST_F(DatabaseServiceTest, SetsTheDurabilityAskedFor) {
    const auto normal = Database::open(data() / "n.db", Durability::normal);
    const auto full = Database::open(data() / "f.db", Durability::full);
    ASSERT_TRUE(normal && full);
    EXPECT_EQ((*normal)->synchronous(), 1);
    EXPECT_EQ((*full)->synchronous(), 2);
    const auto handle = open_sqlite(data() / "n.db", SQLITE_OPEN_READONLY);
    ASSERT_TRUE(handle);
    const auto mode = prepare(handle->get(), "PRAGMA journal_mode");
    ASSERT_TRUE(mode);
    ASSERT_EQ(sqlite3_step(mode->get()), SQLITE_ROW);
    EXPECT_STREQ(reinterpret_cast<const char*>(sqlite3_column_text(mode->get(), 0)), "wal");
}

TEST_F(DatabaseServiceTest, RefusesAFileThatIsNotItsOwn) {
    ASSERT_TRUE(base::write_file(data() / "noise.db", std::string(8192, 'x')));
    const auto noise = Database::open(data() / "noise.db", Durability::normal);
    ASSERT_FALSE(noise);
    EXPECT_EQ(noise.error().code, Errc::corrupt);
    {
        const auto handle =
            open_sqlite(data() / "new.db", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
        ASSERT_TRUE(execute(handle->get(), "PRAGMA user_version = 2"));
    }
    const auto newer = Database::open(data() / "new.db", Durability::normal);
    ASSERT_FALSE(newer);
    EXPECT_EQ(newer.error().code, Errc::unsupported);
}

// The coordinators of one trial start at the same time on an empty directory: the schema is made
// once, nobody gives up on a lock, and no row is lost or doubled.
TEST_F(DatabaseServiceTest, FourProcessesShareAFreshFile) {
    constexpr int kProcesses = 4;
    constexpr int kBatches = 25;
    constexpr int kBatch = 8;
    int gate[2];
    ASSERT_EQ(::pipe(gate), 0);
    std::vector<pid_t> children;
    for (int process = 0; process < kProcesses; ++process) {
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            ::close(gate[1]);
            char byte;
            (void)!::read(gate[0], &byte, 1);  // returns when the parent has started all
            const auto name = "client-" + std::to_string(process);
            auto set = ServiceSet::open({.data_directory = data(), .process_name = name});
            if (!set) ::_exit(2);
            for (int batch = 0; batch < kBatches; ++batch) {
                std::vector<Event> events;
                for (int i = 0; i < kBatch; ++i) {
                    events.push_back(
                        record("record.created", std::to_string(batch) + "-" + std::to_string(i)));
                    events.back().source = name;
                    events.back().id.bytes[0] = static_cast<std::uint8_t>(process);
                }
                for (const auto& result : handle(**set, events)) {
                    if (result.outcome != Outcome::handled) ::_exit(3);
                }
            }
            ::_exit(0);
        }
        children.push_back(child);
    }
    ::close(gate[0]);
    ::close(gate[1]);
    for (const pid_t child : children) {
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFEXITED(status));
        EXPECT_EQ(WEXITSTATUS(status), 0);
    }
    EXPECT_EQ(count("SELECT count(*) FROM records"), kProcesses * kBatches * kBatch);
    EXPECT_EQ(count("SELECT count(*) FROM applied_events"), kProcesses * kBatches * kBatch);
}

// The narrow moment of the test above, forty times: schema and WAL mode of a fresh file are made
// while three other processes make them.
TEST_F(DatabaseServiceTest, FourProcessesCreateAFileAtTheSameMoment) {
    constexpr unsigned kProcesses = 4;
    constexpr unsigned kFiles = 40;
    void* shared = ::mmap(nullptr, sizeof(std::atomic<unsigned>), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(shared, MAP_FAILED);
    auto* arrived = new (shared) std::atomic<unsigned>(0);
    std::vector<pid_t> children;
    for (unsigned process = 0; process < kProcesses; ++process) {
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            int failures = 0;
            for (unsigned file = 0; file < kFiles; ++file) {
                arrived->fetch_add(1);
                while (arrived->load() < kProcesses * (file + 1)) ::sched_yield();
                const auto path = data() / (std::to_string(file) + ".db");
                failures += Database::open(path, Durability::normal) ? 0 : 1;
            }
            ::_exit(failures);
        }
        children.push_back(child);
    }
    for (const pid_t child : children) {
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFEXITED(status));
        EXPECT_EQ(WEXITSTATUS(status), 0) << "files that could not be opened";
    }
    ::munmap(shared, sizeof(std::atomic<unsigned>));
}

}  // namespace
}  // namespace crucible::runtime
