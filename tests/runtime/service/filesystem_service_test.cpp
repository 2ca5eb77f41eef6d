#include <algorithm>
#include <filesystem>

#include "fixture.h"

namespace crucible::runtime {
namespace {

class FilesystemServiceTest : public ServiceTest {
protected:
    Event write(std::string type, const std::string& path, const std::string& text) {
        return event(Category::filesystem, std::move(type),
                     R"({"path":")" + path + R"(","content":")" + text + R"(","content_hash":")" +
                         hash(text) + "\"}");
    }
    Event remove(const std::string& path) {
        return event(Category::filesystem, "file.deleted", R"({"path":")" + path + "\"}");
    }
    Event move(const std::string& from, const std::string& to) {
        return event(Category::filesystem, "file.moved",
                     R"({"path":")" + from + R"(","to":")" + to + "\"}");
    }
};

// Acknowledged means that it is there: each step is looked for on the file system itself.
TEST_F(FilesystemServiceTest, MakesEachChangeForReal) {
    for (const auto durability : {Durability::normal, Durability::full}) {
        const auto set = open({.durability = durability});
        const auto vault = data() / "vault/client-0";
        EXPECT_EQ(handle(*set, write("file.created", "a/b.txt", "one")).outcome, Outcome::handled);
        EXPECT_EQ(content(vault / "a/b.txt"), "one");
        EXPECT_EQ(handle(*set, write("file.modified", "a/b.txt", "two")).outcome, Outcome::handled);
        EXPECT_EQ(content(vault / "a/b.txt"), "two");
        EXPECT_EQ(handle(*set, move("a/b.txt", "c/d.txt")).outcome, Outcome::handled);
        EXPECT_EQ(content(vault / "c/d.txt"), "two");
        EXPECT_FALSE(std::filesystem::exists(vault / "a/b.txt"));
        EXPECT_EQ(handle(*set, remove("c/d.txt")).outcome, Outcome::handled);
        EXPECT_FALSE(std::filesystem::exists(vault / "c/d.txt"));
        EXPECT_TRUE(std::filesystem::is_empty(vault / "a")) << "a temporary file was left";
    }
}

// What cannot be done is said, and nothing else is changed.
TEST_F(FilesystemServiceTest, FailsWhatIsNotPossible) {
    const auto set = open();
    ASSERT_EQ(handle(*set, write("file.created", "a.txt", "one")).outcome, Outcome::handled);
    ASSERT_EQ(handle(*set, write("file.created", "b.txt", "two")).outcome, Outcome::handled);
    for (const auto& impossible :
         {write("file.created", "a.txt", "new"), write("file.modified", "x.txt", "new"),
          move("x.txt", "y.txt"), move("a.txt", "b.txt"), remove("x.txt")}) {
        const auto result = handle(*set, impossible);
        EXPECT_EQ(result.outcome, Outcome::failed) << impossible.type;
        EXPECT_TRUE(result.for_good) << impossible.type;
        EXPECT_FALSE(result.reason.empty());
    }
    // A path through a file, and a directory in the place of one.
    const auto through = handle(*set, write("file.created", "a.txt/b.txt", "new"));
    EXPECT_EQ(through.outcome, Outcome::failed);
    EXPECT_TRUE(through.for_good);
    ASSERT_EQ(handle(*set, write("file.created", "c/d.txt", "three")).outcome, Outcome::handled);
    EXPECT_EQ(handle(*set, remove("c")).outcome, Outcome::rejected);
    EXPECT_EQ(content(data() / "vault/client-0/a.txt"), "one");
    EXPECT_EQ(content(data() / "vault/client-0/b.txt"), "two");
    EXPECT_FALSE(std::filesystem::exists(data() / "vault/client-0/x.txt"));
}

// A second delivery finds the work of the first done; only its first delivery may fail for that.
TEST_F(FilesystemServiceTest, AcceptsADeliveryRepeated) {
    const auto set = open();
    auto created = write("file.created", "a.txt", "one");
    auto moved = move("a.txt", "b.txt");
    auto removed = remove("b.txt");
    for (auto* repeated : {&created, &moved, &removed}) {
        EXPECT_EQ(handle(*set, *repeated).outcome, Outcome::handled) << repeated->type;
        repeated->attempt = 2;
        EXPECT_EQ(handle(*set, *repeated).outcome, Outcome::handled) << repeated->type;
    }
    EXPECT_FALSE(std::filesystem::exists(data() / "vault/client-0/b.txt"));
}

// A process dies within a batch, and its client publishes again what was not acknowledged: wherever
// it died, all ends as if it had lived.
TEST_F(FilesystemServiceTest, GoesOnWhereAnotherProcessDied) {
    const std::vector<std::vector<Event>> sequences = {
        {write("file.created", "a", "one"), write("file.modified", "a", "two"), move("a", "b")},
        {write("file.created", "a", "one"), move("a", "b"), remove("b")},
        {move("old", "b"), write("file.modified", "b", "two")},
        {remove("old"), write("file.created", "old", "new"), write("file.modified", "old", "two")},
    };
    const auto files = [&](const std::string& source) {
        std::vector<std::string> found;
        for (const auto& entry : std::filesystem::directory_iterator(data() / "vault" / source))
            found.push_back(entry.path().filename().string() + ": " + content(entry.path()));
        std::ranges::sort(found);
        return found;
    };
    int sources = 0;
    const auto run = [&](const std::vector<Event>& sequence, std::size_t done) {
        const std::string source = "client-" + std::to_string(++sources);
        auto old = write("file.created", "old", "old");
        old.source = source;
        auto set = open();
        EXPECT_EQ(handle(*set, old).outcome, Outcome::handled);
        for (std::size_t i = 0; i < done; ++i) {
            Event first = sequence[i];
            first.source = source;
            EXPECT_EQ(handle(*set, first).outcome, Outcome::handled) << first.payload;
        }
        return source;
    };
    for (const auto& sequence : sequences) {
        const auto expected = files(run(sequence, sequence.size()));
        for (std::size_t done = 0; done <= sequence.size(); ++done) {
            const std::string source = run(sequence, done);
            const auto next = open();
            for (Event again : sequence) {
                again.source = source;
                again.attempt = 2;
                const auto result = handle(*next, again);
                EXPECT_EQ(result.outcome, Outcome::handled)
                    << done << " done, " << again.payload << ": " << result.reason;
            }
            EXPECT_EQ(files(source), expected) << done << " done";
        }
    }
}

// It died while it wrote: half a file is no file that exists.
TEST_F(FilesystemServiceTest, FinishesAHalfWrittenFile) {
    const auto set = open();
    ASSERT_EQ(handle(*set, write("file.created", "b", "x")).outcome, Outcome::handled);
    const auto file = data() / "vault/client-0/a";
    ASSERT_TRUE(base::write_file(file, "hal"));
    auto again = write("file.created", "a", "half");
    again.attempt = 2;
    EXPECT_EQ(handle(*set, again).outcome, Outcome::handled);
    EXPECT_EQ(content(file), "half");
}

// Where it cannot tell, it fails and leaves everything: only an event that is still to come may
// have made these.
TEST_F(FilesystemServiceTest, ARepeatDestroysNothing) {
    const auto set = open();
    for (const auto& made : {write("file.created", "a", "one"), write("file.created", "b", "two"),
                             write("file.created", "c/d", "three")})
        ASSERT_EQ(handle(*set, made).outcome, Outcome::handled);
    auto onto_another = move("a", "b");
    auto onto_itself = move("a", "a");
    auto moved_away = write("file.modified", "gone", "x");
    for (auto* event : {&onto_another, &onto_itself, &moved_away}) {
        event->attempt = 2;
        const auto result = handle(*set, *event);
        EXPECT_EQ(result.outcome, Outcome::failed) << event->payload;
        EXPECT_TRUE(result.for_good);
    }
    auto directory = write("file.created", "c", "x");
    directory.attempt = 2;
    EXPECT_EQ(handle(*set, directory).outcome, Outcome::rejected);
    EXPECT_EQ(content(data() / "vault/client-0/a"), "one");
    EXPECT_EQ(content(data() / "vault/client-0/b"), "two");
    EXPECT_EQ(content(data() / "vault/client-0/c/d"), "three");
    EXPECT_FALSE(std::filesystem::exists(data() / "vault/client-0/gone"));
}

// Paths come from outside. Nothing may be read, written or removed beside the source's own
// directory.
TEST_F(FilesystemServiceTest, StaysInTheVault) {
    const auto set = open();
    ASSERT_TRUE(base::write_file(data() / "precious.txt", "precious"));
    for (const auto* path :
         {"../precious.txt", "../../precious.txt", "a/../../../precious.txt", "/etc/passwd", "",
          ".", "..", "a//b", "a/", "./a", "\\u0000", "a\\u0000b"}) {
        EXPECT_EQ(handle(*set, write("file.created", path, "x")).outcome, Outcome::rejected)
            << path;
        EXPECT_EQ(handle(*set, remove(path)).outcome, Outcome::rejected) << path;
    }
    auto stranger = write("file.created", "a.txt", "x");
    stranger.source = "../outbox";
    EXPECT_EQ(handle(*set, stranger).outcome, Outcome::rejected);
    EXPECT_TRUE(std::filesystem::is_empty(data() / "vault")) << "a refused path left a directory";
    EXPECT_EQ(content(data() / "precious.txt"), "precious");
}

// A link in the vault, however it came there, is not followed: neither as a directory nor as a
// file.
TEST_F(FilesystemServiceTest, FollowsNoSymbolicLink) {
    const auto set = open();
    ASSERT_EQ(handle(*set, write("file.created", "a.txt", "one")).outcome, Outcome::handled);
    const auto outside = data() / "outside";
    std::filesystem::create_directory(outside);
    ASSERT_TRUE(base::write_file(outside / "precious.txt", "precious"));
    std::filesystem::create_directory_symlink(outside, data() / "vault/client-0/link");
    std::filesystem::create_symlink(outside / "precious.txt", data() / "vault/client-0/file");
    for (const auto& escape :
         {write("file.created", "link/new.txt", "x"),
          write("file.modified", "link/precious.txt", "x"), write("file.modified", "file", "x"),
          write("file.created", "file", "x"), remove("link/precious.txt"),
          move("a.txt", "link/a.txt"), move("file", "b.txt")}) {
        EXPECT_NE(handle(*set, escape).outcome, Outcome::handled) << escape.payload;
    }
    EXPECT_EQ(content(outside / "precious.txt"), "precious");
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(outside), {}), 1);
    EXPECT_EQ(content(data() / "vault/client-0/a.txt"), "one");
}

// The hash guards what was damaged on its way; a payload broken anywhere has no effect at all.
TEST_F(FilesystemServiceTest, RejectsDamagedPayloads) {
    const auto set = open();
    auto damaged = write("file.created", "a.txt", "content");
    damaged.payload[damaged.payload.find("content\"")] = 'C';
    const std::string whole = write("file.created", "a.txt", "content").payload;
    std::vector<std::string> payloads = {
        damaged.payload,    "", "[]", "{", R"({"path":1})", R"({"path":"a.txt"})", whole + "x",
        whole.substr(0, 40)};
    payloads.push_back(whole);
    payloads.back().insert(payloads.back().find("ntent\","), "\xff");
    for (const auto& payload : payloads) {
        const auto result = handle(*set, event(Category::filesystem, "file.created", payload));
        EXPECT_EQ(result.outcome, Outcome::rejected) << payload;
        EXPECT_FALSE(result.reason.empty());
    }
    EXPECT_EQ(handle(*set, event(Category::filesystem, "file.burned", whole)).outcome,
              Outcome::rejected);
    EXPECT_TRUE(std::filesystem::is_empty(data() / "vault"));
}

}  // namespace
}  // namespace crucible::runtime
