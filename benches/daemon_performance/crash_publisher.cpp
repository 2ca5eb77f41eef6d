#include "daemon_performance/crash_publisher.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "base/rng.h"
#include "crucible/daemon_client.h"
#include "daemon_performance/crash_judge.h"
#include "runtime/event/uuid.h"

namespace crucible::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kInFlight = 64;
constexpr Duration kReconnectFor = 60s;
constexpr Duration kLook = 50ms;

std::atomic<bool> told_to_end = false;

}  // namespace

int crash_publisher(std::span<char* const> words) {
    if (words.size() != 2) return 2;
    std::uint32_t publisher = 0;
    const std::string_view text = words[1];
    std::from_chars(text.data(), text.data() + text.size(), publisher);
    ::signal(SIGTERM, [](int) { told_to_end.store(true); });

    std::mutex mutex;
    std::condition_variable ended_changed;
    std::uint64_t ended = 0;
    const auto report = [&](std::span<const Acknowledgement> acknowledgements) {
        const TimePoint now = base::monotonic_now();
        for (const auto& [token, outcome] : acknowledgements) {
            const CrashReport line{publisher, static_cast<std::uint32_t>(outcome), token, now};
            // Below PIPE_BUF: whole, or not at all.
            if (::write(STDOUT_FILENO, &line, sizeof line) != sizeof line) ::_exit(1);
        }
        const std::lock_guard lock(mutex);
        ended += acknowledgements.size();
        ended_changed.notify_one();
    };
    const auto connect = [&] {
        return DaemonClient::connect({.socket = words[0], .reconnect_for = kReconnectFor}, report);
    };
    auto client = connect();
    // The daemon may be down at this moment: a client reconnects only once it has connected.
    const TimePoint limit = base::monotonic_now() + kReconnectFor;
    while (!client && base::monotonic_now() < limit) {
        std::this_thread::sleep_for(kLook);
        client = connect();
    }
    if (!client) return 1;
    base::Rng random(static_cast<std::uint64_t>(::getpid()));
    Event event;
    event.source = crash_source(publisher);
    for (std::uint64_t number = 0; !told_to_end; ++number) {
        event.id = runtime::make_uuid_v7(base::wall_now(), random);
        if (is_for_external_service(number)) {
            event.category = Category::custom;
            event.type = "entry.made";
            event.payload = fmt::format("{}", number);
        } else {
            event.category = Category::database;
            event.type = "transaction.committed";
            // A second effect would show: the record's version would be 2.
            event.payload = fmt::format(
                R"({{"operations":[{{"op":"upsert","key":"{}","fields":{{}}}}]}})", number);
        }
        event.created = base::wall_now();
        if (!(*client)->publish(event, number)) return 1;
        std::unique_lock lock(mutex);
        while (!told_to_end && number + 1 - ended >= kInFlight) ended_changed.wait_for(lock, kLook);
    }
    return (*client)->drain(kReconnectFor) ? 0 : 1;
}

}  // namespace crucible::bench
