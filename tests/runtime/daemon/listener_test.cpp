#include "runtime/daemon/listener.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>

#include "raw_client.h"

namespace crucible::runtime {
namespace {

using testing::RawClient;

class ListenerTest : public ::testing::Test {
protected:
    base::TempDir directory_ = *base::TempDir::make("listener");
    std::filesystem::path socket_ = directory_.path() / "d.sock";
};

// Only the daemon's own user may connect, from the first moment the file exists.
TEST_F(ListenerTest, MakesASocketForItsUserAlone) {
    const auto listener = Listener::open(socket_);
    ASSERT_TRUE(listener) << listener.error().message;

    struct stat info {};
    ASSERT_EQ(::stat(socket_.c_str(), &info), 0);
    EXPECT_TRUE(S_ISSOCK(info.st_mode));
    EXPECT_EQ(info.st_mode & 07777, 0600u);
}

TEST_F(ListenerTest, MakesItsDirectoryForItsUserAlone) {
    const auto listener = Listener::open(directory_.path() / "a" / "b" / "d.sock");
    ASSERT_TRUE(listener) << listener.error().message;

    struct stat info {};
    ASSERT_EQ(::stat((directory_.path() / "a" / "b").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0700u);
}

// A daemon that was killed leaves its socket file; the next one must start without help.
TEST_F(ListenerTest, ReplacesASocketNobodyListensOn) {
    {
        const base::UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const auto address = unix_address(socket_);
        ASSERT_EQ(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address),
                  0);
    }
    ASSERT_TRUE(std::filesystem::exists(socket_));

    const auto listener = Listener::open(socket_);

    ASSERT_TRUE(listener) << listener.error().message;
    EXPECT_TRUE(RawClient(socket_).connected());
}

// Two daemons may not share a path; the second is told who has it.
TEST_F(ListenerTest, IsRefusedWhereAnotherListens) {
    const auto first = Listener::open(socket_);
    ASSERT_TRUE(first);

    const auto second = Listener::open(socket_);

    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Errc::already_exists);
    EXPECT_EQ(second.error().message, socket_.string() + ": another crucibled (pid " +
                                          std::to_string(::getpid()) + ") is listening there");
    EXPECT_TRUE(RawClient(socket_).connected()) << "the first one's socket was touched";
}

// Someone may listen there who takes no lock; that socket is alive all the same.
TEST_F(ListenerTest, IsRefusedWhereAStrangerListens) {
    const base::UniqueFd stranger(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto address = unix_address(socket_);
    ASSERT_EQ(::bind(stranger.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address),
              0);
    ASSERT_EQ(::listen(stranger.get(), 1), 0);

    const auto listener = Listener::open(socket_);

    ASSERT_FALSE(listener);
    EXPECT_EQ(listener.error().code, Errc::already_exists);
}

// A mistyped --socket may not delete somebody's file.
TEST_F(ListenerTest, LeavesAFileThatIsNoSocket) {
    ASSERT_TRUE(base::write_file(socket_, "precious"));

    const auto listener = Listener::open(socket_);

    ASSERT_FALSE(listener);
    EXPECT_EQ(listener.error().code, Errc::already_exists);
    EXPECT_EQ(*base::read_file(socket_), "precious");
}

TEST_F(ListenerTest, RemovesItsSocketAndLetsTheNextOneIn) {
    { const auto listener = Listener::open(socket_); }

    EXPECT_FALSE(std::filesystem::exists(socket_));
    EXPECT_TRUE(Listener::open(socket_));
}

// The kernel cuts longer names silently in some interfaces; ours says the limit.
TEST_F(ListenerTest, NamesTheLimitOfAPath) {
    const auto listener = Listener::open(directory_.path() / std::string(120, 'x'));

    ASSERT_FALSE(listener);
    EXPECT_EQ(listener.error().code, Errc::invalid_argument);
    EXPECT_NE(listener.error().message.find("1 to 107 bytes"), std::string::npos)
        << listener.error().message;
}

}  // namespace
}  // namespace crucible::runtime
