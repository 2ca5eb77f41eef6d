#include "base/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <utility>

namespace crucible::base {
namespace {

using namespace std::chrono_literals;

constexpr int kLimitMs = 20'000;  // generous: reached only when something hangs
constexpr auto kLimit = std::chrono::milliseconds(kLimitMs);

Process::Options shell(const std::string& script) {
    return {.arguments = {"/bin/sh", "-c", script}};
}

struct Pipe {
    UniqueFd read;
    UniqueFd write;
};

Pipe make_pipe() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

/// Everything until the last writer is gone.
std::string read_all(int fd) {
    std::string text;
    char buffer[256];
    for (;;) {
        pollfd waiter{.fd = fd, .events = POLLIN, .revents = 0};
        if (::poll(&waiter, 1, kLimitMs) != 1) return text + " (and a writer that never ends)";
        const auto count = ::read(fd, buffer, sizeof buffer);
        if (count <= 0) return text;
        text.append(buffer, static_cast<std::size_t>(count));
    }
}

TEST(Process, HasItsOwnVariablesBesidesOurs) {
    ::setenv("CRUCIBLE_TEST_OURS", "kept", 1);
    ::setenv("CRUCIBLE_TEST_BOTH", "old", 1);
    auto options =
        shell("[ \"$CRUCIBLE_TEST_OURS/$CRUCIBLE_TEST_BOTH/$CRUCIBLE_TEST_OWN\" = kept/new/own ]");
    options.environment = {"CRUCIBLE_TEST_BOTH=new", "CRUCIBLE_TEST_OWN=own"};
    auto process = Process::start(options);
    ASSERT_TRUE(process) << process.error().message;
    EXPECT_EQ(process->wait(kLimit)->exit_code, 0);
}

TEST(Process, ReportsItsExitCode) {
    auto process = Process::start(shell("exit 3"));
    ASSERT_TRUE(process) << process.error().message;
    const auto status = process->wait(kLimit);
    ASSERT_TRUE(status);
    EXPECT_EQ(status->exit_code, 3);
    EXPECT_EQ(status->signal, 0);
    EXPECT_EQ(status->describe(), "exited with code 3");
    EXPECT_TRUE(process->poll());  // asking again gives the same answer
    EXPECT_EQ(process->wait(0ns)->exit_code, 3);
}

TEST(Process, ReportsTheSignalThatKilledIt) {
    auto process = Process::start({.arguments = {"/bin/sleep", "600"}});
    ASSERT_TRUE(process) << process.error().message;
    EXPECT_FALSE(process->poll());
    EXPECT_FALSE(process->wait(1ms));
    process->signal(SIGKILL);
    const auto status = process->wait(kLimit);
    ASSERT_TRUE(status);
    EXPECT_EQ(status->signal, SIGKILL);
    EXPECT_EQ(status->describe(), "was killed by signal 9 (Killed)");
}

// Known at start(), and not as a child that mysteriously exits.
TEST(Process, SaysWhenTheProgramCannotBeStarted) {
    const auto missing = Process::start({.arguments = {"/no/such/program"}});
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, Errc::not_found);
    EXPECT_EQ(missing.error().message, "cannot start /no/such/program: No such file or directory");

    const auto directory = Process::start({.arguments = {"/tmp"}});
    ASSERT_FALSE(directory);
    EXPECT_EQ(directory.error().code, Errc::permission_denied);
}

TEST(Process, WritesItsOutputToFiles) {
    const auto directory = TempDir::make("base");
    ASSERT_TRUE(directory);
    auto options = shell("echo result; echo trouble >&2");
    options.standard_output = directory->path() / "out";
    options.standard_error = directory->path() / "err";
    auto process = Process::start(options);
    ASSERT_TRUE(process) << process.error().message;
    ASSERT_TRUE(process->wait(kLimit));
    EXPECT_EQ(read_file(options.standard_output), "result\n");
    EXPECT_EQ(read_file(options.standard_error), "trouble\n");
}

TEST(Process, SaysWhenItsOutputCannotBeWritten) {
    auto options = shell("exit 0");
    options.standard_output = "/no/such/directory/out";
    const auto process = Process::start(options);
    ASSERT_FALSE(process);
    EXPECT_EQ(process.error().code, Errc::not_found);
}

TEST(Process, HandsDescriptorsOver) {
    auto pipe = make_pipe();
    auto options = shell("echo hello >&9");
    options.inherit = {{pipe.write.get(), 9}};
    auto process = Process::start(options);
    ASSERT_TRUE(process) << process.error().message;
    ASSERT_TRUE(process->wait(kLimit));
    pipe.write.reset();
    EXPECT_EQ(read_all(pipe.read.get()), "hello\n");
}

// Our numbers and the child's overlap in every way: swapped among themselves, and on the numbers
// that a start uses for itself. A copy in the order given would close one before its turn.
TEST(Process, HandsOverDescriptorsThatSwapPlaces) {
    auto a = make_pipe();
    auto b = make_pipe();
    auto options = shell("");
    const int a_number = a.write.get();
    const int b_number = b.write.get();
    options.inherit = {{a_number, b_number}, {b_number, a_number}};
    options.arguments[2] =
        "echo from-a >&" + std::to_string(b_number) + "; echo from-b >&" + std::to_string(a_number);
    // Whatever numbers the start takes next for itself, these ask for them too.
    for (int number = b_number + 1; number < b_number + 8 && number < 10; ++number) {
        options.inherit.emplace_back(a_number, number);
    }
    auto process = Process::start(options);
    ASSERT_TRUE(process) << process.error().message;
    ASSERT_TRUE(process->wait(kLimit));
    a.write.reset();
    b.write.reset();
    EXPECT_EQ(read_all(a.read.get()), "from-a\n");
    EXPECT_EQ(read_all(b.read.get()), "from-b\n");
}

// The same where the program cannot be started: the reason must come back to us, not go into a
// descriptor that was meant for the program.
TEST(Process, ReportsAFailedStartPastHandedDescriptors) {
    auto pipe = make_pipe();
    Process::Options options{.arguments = {"/no/such/program"}};
    for (int number = 3; number < 32; ++number) {
        options.inherit.emplace_back(pipe.write.get(), number);
    }
    const auto process = Process::start(options);
    ASSERT_FALSE(process);
    EXPECT_EQ(process.error().code, Errc::not_found);
    pipe.write.reset();
    EXPECT_EQ(read_all(pipe.read.get()), "");
}

TEST(Process, SaysWhenADescriptorIsNotOpen) {
    auto options = shell("exit 0");
    options.inherit = {{1'000'000, 9}};
    EXPECT_FALSE(Process::start(options));
}

// Descriptors that were not handed over stay behind: a stray copy of a socket would keep a
// connection open after its owner closed it.
TEST(Process, KeepsOtherDescriptorsBack) {
    auto pipe = make_pipe();
    auto process = Process::start({.arguments = {"/bin/sleep", "600"}});
    ASSERT_TRUE(process) << process.error().message;
    pipe.write.reset();
    EXPECT_EQ(read_all(pipe.read.get()), "");  // ends at once, though the child lives
    EXPECT_FALSE(process->poll());
}

/// Starts a child that holds the write end of a pipe until it is gone.
Result<Process> start_holder(const UniqueFd& write) {
    return Process::start({.arguments = {"/bin/sleep", "600"}, .inherit = {{write.get(), 9}}});
}

TEST(Process, IsKilledWithItsOwner) {
    auto pipe = make_pipe();
    pid_t pid = -1;
    {
        auto process = start_holder(pipe.write);
        ASSERT_TRUE(process) << process.error().message;
        pid = process->pid();
        Process moved(std::move(*process));
        EXPECT_EQ(moved.pid(), pid);
        EXPECT_EQ(::kill(pid, 0), 0);
    }
    pipe.write.reset();
    EXPECT_EQ(read_all(pipe.read.get()), "");
    EXPECT_EQ(::waitpid(pid, nullptr, WNOHANG), -1);  // reaped: no zombie
}

TEST(Process, AssignmentKillsTheOldOne) {
    auto pipe = make_pipe();
    auto first = start_holder(pipe.write);
    ASSERT_TRUE(first);
    pipe.write.reset();
    auto second = Process::start({.arguments = {"/bin/sleep", "600"}});
    ASSERT_TRUE(second);
    const pid_t pid = second->pid();
    *first = std::move(*second);
    EXPECT_EQ(read_all(pipe.read.get()), "");
    EXPECT_EQ(first->pid(), pid);
    EXPECT_EQ(::kill(pid, 0), 0);
}

// Even SIGKILL of the suite leaves no daemon or client behind.
TEST(Process, DiesWithItsParent) {
    auto held = make_pipe();
    auto started = make_pipe();
    const pid_t parent = ::fork();
    ASSERT_GE(parent, 0);
    if (parent == 0) {
        auto process = start_holder(held.write);
        const char byte = process ? 'y' : 'n';
        if (::write(started.write.get(), &byte, 1) != 1) ::_exit(1);
        for (;;) ::pause();
    }
    held.write.reset();
    started.write.reset();
    char answer = 0;
    ASSERT_EQ(::read(started.read.get(), &answer, 1), 1);
    ASSERT_EQ(answer, 'y');
    ::kill(parent, SIGKILL);
    ASSERT_EQ(::waitpid(parent, nullptr, 0), parent);
    EXPECT_EQ(read_all(held.read.get()), "");  // ends when the grandchild is gone
}

// Ctrl-C in a terminal reaches the whole foreground group; the suite ends its children in order
// instead, so they are in groups of their own.
TEST(Process, HasItsOwnProcessGroup) {
    auto process = Process::start({.arguments = {"/bin/sleep", "600"}});
    ASSERT_TRUE(process);
    EXPECT_EQ(::getpgid(process->pid()), process->pid());
}

// A client that ignores signals hands that on to its children unless start() resets it.
TEST(Process, StartsWithDefaultSignals) {
    ::signal(SIGPIPE, SIG_IGN);
    auto process = Process::start(shell("kill -PIPE $$; exit 0"));
    ::signal(SIGPIPE, SIG_DFL);
    ASSERT_TRUE(process);
    const auto status = process->wait(kLimit);
    ASSERT_TRUE(status);
    EXPECT_EQ(status->signal, SIGPIPE);
}

TEST(Process, KnowsItsOwnExecutable) {
    EXPECT_EQ(self_executable().filename(), "test_base");
}

}  // namespace
}  // namespace crucible::base
