#include "support/stopped_consumer.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstring>
#include <fstream>
#include <thread>

#include "base/clock.h"
#include "crucible/daemon_client.h"
#include "lab/record/resources.h"
#include "support/crash_service.h"
#include "support/crucibled_process.h"

namespace crucible::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kPayload = 4096;
constexpr double kOnTop = 1.25;
constexpr Duration kDrainLimit = 120s;
constexpr int kSampleMs = 20;
constexpr Duration kReasonLimit = 20ms;

std::unexpected<Error> broken(std::string what) {
    return std::unexpected(Error{Errc::failed, std::move(what)});
}

constexpr std::string_view kPublisher = "unbounded";
constexpr std::string_view kAsker = "asker";

/// Events of one source for the stopped service; the number of each is the first word of its
/// payload.
class Entries {
public:
    explicit Entries(std::string_view source) {
        event_.category = Category::custom;
        event_.type = "entry.made";
        event_.source = source;
        event_.payload.assign(kPayload, 'x');
    }
    const Event& next(std::uint64_t number) {
        std::memcpy(event_.id.bytes.data() + 8, &number, sizeof number);
        event_.id.bytes[0] = static_cast<std::uint8_t>(event_.source.front());
        fmt::format_to_n(event_.payload.data(), kDigits + 1, "{:0{}} ", number, kDigits);
        return event_;
    }

private:
    static constexpr std::size_t kDigits = 12;
    Event event_;
};

/// Publishes as fast as it can, whatever becomes of it, and keeps the end of each event.
class Unbounded {
public:
    static Result<std::unique_ptr<Unbounded>> connect(const std::filesystem::path& socket) {
        auto publisher = std::make_unique<Unbounded>();
        auto client = DaemonClient::connect(
            {.socket = socket}, [raw = publisher.get()](auto batch) { raw->take(batch); });
        if (!client) return std::unexpected(client.error());
        publisher->client_ = *std::move(client);
        return publisher;
    }

    /// Until it is stopped, or the client says what it may not.
    void run(const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            const auto published = client_->publish(entries_.next(accepted_), accepted_);
            if (published) {
                ++accepted_;
            } else if (published.error().code == Errc::overloaded) {
                // The daemon does not read as fast as this writes. Nothing was accepted.
                ++refused_;
                std::this_thread::yield();
            } else {
                failed_ = true;
                return;
            }
        }
    }

    /// Waits for the ends of all, and holds them against the ledger. - Errc::failed.
    Result<> judge(const std::filesystem::path& ledger) {
        if (failed_) return broken("the daemon went away");
        if (!client_->drain(kDrainLimit)) return broken("events did not end");
        if (repeated_ > 0) return broken(fmt::format("{} events ended twice", repeated_));
        const auto open = accepted_ - handled() - rejected() - failed_for_good();
        if (open != 0)
            return broken(fmt::format("{} of {} events did not end, or expired", open, accepted_));
        std::ifstream lines(ledger);
        std::uint64_t written = 0;
        for (std::string id, source, text; lines >> id >> source >> text;) {
            if (source != kPublisher) continue;
            std::uint64_t number = 0;
            std::from_chars(text.data(), text.data() + text.size(), number);
            if (number >= ends_.size() || ends_[number] == code(Outcome::rejected))
                return broken(fmt::format("event {} was handled and rejected", number));
            written += ends_[number] == code(Outcome::handled) ? 1 : 0;
        }
        if (written != handled())
            return broken(
                fmt::format("{} of {} handled events are in the ledger", written, handled()));
        return {};
    }

    /// Once all have ended:
    std::uint64_t refused() const { return refused_; }
    std::uint64_t handled() const { return counts_[code(Outcome::handled)]; }
    std::uint64_t rejected() const { return counts_[code(Outcome::rejected)]; }
    std::uint64_t failed_for_good() const { return counts_[code(Outcome::failed)]; }

private:
    static constexpr std::uint8_t kOpen = 255;
    static constexpr std::uint8_t code(Outcome outcome) {
        return static_cast<std::uint8_t>(outcome);
    }

    void take(std::span<const Acknowledgement> batch) {
        for (const auto& [token, outcome] : batch) {
            if (token >= ends_.size()) ends_.resize(token + 1, kOpen);
            repeated_ += ends_[token] == kOpen ? 0 : 1;
            ends_[token] = code(outcome);
            ++counts_[code(outcome)];
        }
    }

    Entries entries_{kPublisher};
    std::uint64_t accepted_ = 0;
    std::uint64_t refused_ = 0;
    bool failed_ = false;

    // The client's thread's, until all have ended:
    std::vector<std::uint8_t> ends_;  ///< by token: an Outcome
    std::array<std::uint64_t, 4> counts_{};
    std::uint64_t repeated_ = 0;
    std::unique_ptr<DaemonClient> client_;  // last: its thread uses the above
};

/// Asks for the end of one event with its reason, which an acknowledgement does not have. One that
/// the queue has room for has no end in time.
Result<> ask_reason(DaemonClient& client, const Event& event, std::string& reason) {
    const auto response = client.request(event, kReasonLimit);
    if (!response && response.error().code == Errc::timeout) return {};
    if (!response) return std::unexpected(response.error());
    if (response->outcome == Outcome::handled) return {};
    if (response->reason.empty()) return broken("an event was refused without a reason");
    reason = response->reason;
    return {};
}

Result<double> resident_bytes(const ServerProcess& daemon) {
    const auto reading = lab::read_process(daemon.pid());
    if (!reading) return std::unexpected(reading.error());
    return static_cast<double>(reading->rss_bytes);
}

}  // namespace

double stopped_memory_bound(double idle) noexcept {
    return idle + kOnTop * (kStoppedQueueBytes + kStoppedDeadLetterBytes);
}

std::vector<Measure> stopped_consumer_measures() {
    return {bytes_measure("memory_peak", "MiB", kPerMiB),
            bytes_measure("memory_bound", "MiB", kPerMiB),
            {"handled", "1", "higher", "events", 1},
            {"rejected", "1", "lower", "events", 1},
            {"failed", "1", "lower", "events", 1},
            {"refused_by_client", "1", "lower", "events", 1}};
}

Result<std::vector<double>> stopped_consumer_trial(const Options& options) {
    const auto daemon = start_crucibled(
        {.work = "real",
         .config = fmt::format("[services]\nexternal = \"{}=custom\"\n"
                               "[clients]\nbytes = \"8GiB\"\n"
                               "[dispatch]\nqueue_events = 2000000\nservice_events = 2000000\n"
                               "queue_bytes = \"{}B\"\n"
                               "[retry]\ndead_letter_bytes = \"{}B\"\n",
                               kCrashServiceName, kStoppedQueueBytes, kStoppedDeadLetterBytes)});
    if (!daemon) return std::unexpected(daemon.error());
    const auto socket = crucibled_socket(*daemon);
    const auto ledger = daemon->directory() / "ledger";
    auto service = start_crash_service(socket, ledger);
    if (!service) return std::unexpected(service.error());
    const auto publisher = Unbounded::connect(socket);
    if (!publisher) return std::unexpected(publisher.error());
    const auto asker = DaemonClient::connect({.socket = socket}, {});
    if (!asker) return std::unexpected(asker.error());
    service->signal(SIGSTOP);
    const auto idle = resident_bytes(*daemon);
    if (!idle) return std::unexpected(idle.error());
    const double bound = stopped_memory_bound(*idle);
    double peak = *idle;
    std::string reason;
    Entries questions(kAsker);
    std::uint64_t asked_for = 0;
    {
        const std::jthread sender([&](const std::stop_token& stop) { (*publisher)->run(stop); });
        const TimePoint until = base::monotonic_now() + options.trial_length();
        do {
            const auto resident = resident_bytes(*daemon);
            if (!resident) return std::unexpected(resident.error());
            peak = std::max(peak, *resident);
            if (auto asked = ask_reason(**asker, questions.next(asked_for++), reason); !asked)
                return std::unexpected(asked.error());
            ::poll(nullptr, 0, kSampleMs);
        } while (base::monotonic_now() < until);
    }
    service->signal(SIGCONT);
    if (auto judged = (*publisher)->judge(ledger); !judged) return std::unexpected(judged.error());
    if (peak > bound)
        return broken(fmt::format("{:.1f} MiB were resident, the bound is {:.1f} MiB",
                                  peak / (1 << 20), bound / (1 << 20)));
    if ((*publisher)->rejected() > 0 && reason.empty() && !options.smoke)
        return broken("no reason was told for events that were rejected");
    return std::vector{peak,
                       bound,
                       static_cast<double>((*publisher)->handled()),
                       static_cast<double>((*publisher)->rejected()),
                       static_cast<double>((*publisher)->failed_for_good()),
                       static_cast<double>((*publisher)->refused())};
}

}  // namespace crucible::bench
