// Programs as they are: the same output and end with the tracker as without.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "alloc/watched.h"

namespace crucible::alloc {
namespace {

using namespace std::chrono_literals;

bool is_installed(const std::string& program) {
    return std::filesystem::exists(program);
}

void expect_same(const std::vector<std::string>& command, std::size_t regions_least = 1,
                 bool allocates = true) {
    if (!is_installed(command[0])) GTEST_SKIP() << command[0] << " is not installed";
    const Ended without = run(command, {.tracker = Tracker::absent});
    const Ended with = run(command);
    EXPECT_EQ(with.status.describe(), without.status.describe());
    EXPECT_EQ(with.output, without.output);
    EXPECT_EQ(with.errors, without.errors);
    EXPECT_NE(with.output, "");
    // The tracker was there, in as many processes.
    std::size_t regions = 0;
    std::uint64_t allocations = 0;
    for (const auto& entry : std::filesystem::directory_iterator(with.directory.path())) {
        if (entry.path().extension() != ".alloc") continue;
        ++regions;
        const Snapshot snapshot = read_region(entry.path());
        allocations += snapshot.total.allocations;
        EXPECT_EQ(snapshot.uncounted, 0U);
        expect_partitions(snapshot);
    }
    EXPECT_GE(regions, regions_least);
    EXPECT_EQ(allocations > 0, allocates);
}

// It forks for each subshell and pipe, and frees there what its parent allocated.
TEST(RealPrograms, Bash) {
    expect_same({"/bin/bash", "-c", R"(
        for i in 1 2 3; do (echo "subshell $i"; (echo deeper); exit $i) | cat; done
        echo "${PIPESTATUS[@]}"
        read -r line < <(printf 'x%.0s' {1..5000}); echo ${#line}
        text=$(seq 1 2000 | sort -rn | head -3 | tr '\n' ' '); echo "$text"
        sleepers=(); for i in 1 2 3 4; do true & sleepers+=($!); done; wait "${sleepers[@]}"
        exit 7)"},
                10);
}

// Threads, vfork() for its children, fork() with handlers, and an allocator above malloc.
TEST(RealPrograms, Python) {
    expect_same({"/usr/bin/python3", "-c", R"(
import json, subprocess, sys, threading, multiprocessing
parts = [None] * 8
def work(i): parts[i] = sum(len(json.dumps({"n": list(range(k))})) for k in range(100 + i))
threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(parts)
print(subprocess.run(["/bin/echo", "from a child"], capture_output=True, text=True).stdout)
def forked(queue): queue.put([x * x for x in range(5)])
context = multiprocessing.get_context("fork")
queue = context.Queue()
child = context.Process(target=forked, args=(queue,))
child.start(); print(queue.get()); child.join()
sys.exit(5))"},
                3);
}

// It asks malloc_usable_size() for each block, to keep its own account.
TEST(RealPrograms, Sqlite) {
    expect_same({"/usr/bin/sqlite3", ":memory:", R"(
        CREATE TABLE numbers(n INTEGER PRIMARY KEY, text TEXT);
        WITH RECURSIVE many(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < 10000)
            INSERT INTO numbers SELECT n, printf('number %d', n) FROM many;
        SELECT count(*), sum(n), sum(length(text)) FROM numbers;
        SELECT text FROM numbers WHERE n % 1777 = 0 ORDER BY text DESC;)"});
}

// Linked with jemalloc.
TEST(RealPrograms, RedisServerSaysItsVersion) {
    expect_same({"/usr/bin/redis-server", "--version"});
}

// It brings a malloc of its own, which the tracker does not see. Not by the script that starts it,
// which says how much memory is free.
TEST(RealPrograms, ChromiumSaysItsVersion) {
    expect_same({"/usr/lib/chromium/chromium", "--version"}, 1, false);
}

std::uint16_t free_port() {
    const base::UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
    return ntohs(address.sin_port);
}

/// What the server says first, once it listens.
std::string first_bytes(std::uint16_t port) {
    const auto limit = std::chrono::steady_clock::now() + 60s;
    while (std::chrono::steady_clock::now() < limit) {
        const base::UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const sockaddr_in address{
            .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
        if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
            0) {
            ::sched_yield();
            continue;
        }
        char bytes[4];
        if (::recv(socket.get(), bytes, sizeof bytes, MSG_WAITALL) != sizeof bytes) continue;
        return std::string(bytes, sizeof bytes);
    }
    return "nothing";
}

struct Served {
    std::string first;
    std::string end;
};
Served serve(const std::string& server, Tracker tracker) {
    const auto directory = region_directory();
    const std::uint16_t port = free_port();
    auto process = base::Process::start(
        {.arguments = watched({server, "-a", "127.0.0.1", "-p", std::to_string(port)},
                              directory.path(), {.tracker = tracker}),
         .standard_error = directory.path() / "errors"});
    EXPECT_TRUE(process) << process.error().message;
    const std::string first = first_bytes(port);
    process->signal(SIGTERM);
    const auto status = process->wait(60s);
    EXPECT_TRUE(status);
    const auto file = region_file(directory.path(), process->pid());
    EXPECT_EQ(file.has_value(), tracker != Tracker::absent);
    return {first, status ? status->describe() : "did not end"};
}

// A server of another runtime: it brings threads and signal stacks of its own.
TEST(RealPrograms, NatsServer) {
    const std::string server = "/usr/sbin/nats-server";
    if (!is_installed(server)) GTEST_SKIP() << server << " is not installed";
    const Served without = serve(server, Tracker::absent);
    const Served with = serve(server, Tracker::preloaded);
    EXPECT_EQ(with.first, "INFO");
    EXPECT_EQ(without.first, "INFO");
    EXPECT_EQ(with.end, without.end);
}

}  // namespace
}  // namespace crucible::alloc
