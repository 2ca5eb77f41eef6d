#include "runtime/service/database.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "runtime/service/checkpointer.h"
#include "runtime/service/sqlite.h"

namespace crucible::runtime {
namespace {

class DatabaseTest : public testing::Test {
protected:
    std::filesystem::path file() const { return directory_->path() / "test.db"; }

    std::unique_ptr<Database> open_database() {
        auto database = Database::open(file(), Durability::normal);
        EXPECT_TRUE(database) << database.error().message;
        return std::move(*database);
    }

    Event next_event() {
        Event event;
        const std::uint32_t number = ++events_;
        for (std::size_t i = 0; i < 4; ++i)
            event.id.bytes[12 + i] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
        event.type = "record.created";
        event.source = "test";
        return event;
    }

    /// Applies one event with these changes.
    static Result<> apply(Database& database, const Event& event,
                          std::span<const RecordChange> records) {
        const EventChanges changes{&event, records};
        Result<> outcome;
        database.apply({&changes, 1}, {&outcome, 1});
        return outcome;
    }

    static bool soon(const std::function<bool()>& holds) {
        const TimePoint limit = base::monotonic_now() + std::chrono::seconds(20);
        while (!holds()) {
            if (base::monotonic_now() > limit) return false;
            std::this_thread::yield();
        }
        return true;
    }

private:
    std::optional<base::TempDir> directory_ = std::move(*base::TempDir::make("database"));
    std::uint32_t events_ = 0;
};

// Whoever comes while a transaction cannot go on shares it, and its flush; each has its own end.
TEST_F(DatabaseTest, CallsThatWaitShareATransaction) {
    constexpr std::size_t kCalls = 4;
    const auto database = open_database();
    auto other = open_sqlite(file(), SQLITE_OPEN_READWRITE);
    ASSERT_TRUE(other);
    ASSERT_TRUE(execute(other->get(), "BEGIN IMMEDIATE"));

    std::vector<Event> events;
    for (std::size_t i = 0; i <= kCalls; ++i) events.push_back(next_event());
    std::vector<Result<>> outcomes(kCalls + 1);
    std::vector<std::jthread> callers;
    const auto call = [&](std::size_t i) {
        // The last two insert the same record.
        const std::string key = std::to_string(std::min(i, kCalls - 1));
        const RecordChange record{RecordChange::Kind::insert, key, "{}"};
        outcomes[i] = apply(*database, events[i], {&record, 1});
    };
    for (std::size_t i = 0; i <= kCalls; ++i) callers.emplace_back(call, i);
    ASSERT_TRUE(soon([&] { return database->stats().calls == kCalls + 1; }));
    ASSERT_TRUE(execute(other->get(), "COMMIT"));
    callers.clear();

    EXPECT_EQ(database->stats().commits, 1u);
    EXPECT_EQ(database->stats().events, kCalls + 1);
    EXPECT_EQ(database->stats().records, kCalls);
    EXPECT_EQ(database->stats().calls, 0u);
    EXPECT_GT(database->stats().longest_commit, Duration::zero());
    for (std::size_t i = 0; i + 2 < outcomes.size(); ++i) EXPECT_TRUE(outcomes[i]);
    EXPECT_NE(outcomes[kCalls - 1].has_value(), outcomes[kCalls].has_value());
}

// An event that fails leaves its id free: the same id may be applied when it can be.
TEST_F(DatabaseTest, AFailedEventLeavesNothingBehind) {
    const auto database = open_database();
    const Event first = next_event();
    const Event second = next_event();
    const RecordChange update{RecordChange::Kind::update, "a", "{}"};
    const RecordChange insert{RecordChange::Kind::insert, "a", "{}"};
    const std::vector<RecordChange> both = {{RecordChange::Kind::insert, "b", "{}"}, update};
    ASSERT_FALSE(apply(*database, first, {&update, 1}));
    ASSERT_FALSE(apply(*database, second, both));
    std::string body;
    EXPECT_FALSE(database->find("test", "b", body));
    EXPECT_TRUE(apply(*database, first, {&insert, 1}));
    EXPECT_TRUE(apply(*database, second, both));
    EXPECT_TRUE(database->find("test", "b", body));
    EXPECT_EQ(database->stats().records, 3u);
}

// Commits that never pause must not make the log grow for good.
TEST_F(DatabaseTest, TheLogIsMovedIntoTheFileWhileCommitsGoOn) {
    const auto database = open_database();
    const auto log = std::filesystem::path(file().string() + "-wal");
    const std::string body(64u << 10, 'x');
    std::uintmax_t written = 0;
    // Each event is some 16 pages of 4 KiB; SQLite's own limit is out of the way.
    const auto write_until = [&](auto done) {
        for (int i = 0; i < 20'000 && !done(); ++i) {
            const Event event = next_event();
            const RecordChange record{RecordChange::Kind::upsert, "a", body};
            ASSERT_TRUE(apply(*database, event, {&record, 1}));
            written += body.size();
        }
    };
    constexpr std::uintmax_t restart_bytes = Checkpointer::kRestartPages * 4096u;
    write_until([&] { return database->stats().checkpoints >= 2; });
    EXPECT_GE(written, Checkpointer::kBeginPages * 4096u);
    write_until([&] { return written > 4 * restart_bytes; });
    EXPECT_LT(std::filesystem::file_size(log), 2 * restart_bytes) << written;
}

}  // namespace
}  // namespace crucible::runtime
