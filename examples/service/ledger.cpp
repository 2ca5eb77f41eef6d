// A service of your own beside the daemon: it keeps invoices in a file, each exactly once, though
// it may be given one twice.
//
//     ledger serve SOCKET FILE       until SIGTERM
//     ledger submit SOCKET COUNT     publishes so many invoices and waits until they are in the
//     file
#include <crucible/daemon_client.h>
#include <crucible/daemon_service.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace {

std::string hex(const crucible::Uuid& id) {
    std::string text;
    for (const auto byte : id.bytes) {
        text += "0123456789abcdef"[byte >> 4];
        text += "0123456789abcdef"[byte & 15];
    }
    return text;
}

/// One line for each invoice: the event's id and its payload.
class Ledger final : public crucible::Service {
public:
    /// Reads what is there; a line that a crash left unfinished is cut off.
    explicit Ledger(const std::filesystem::path& file)
        : file_(::open(file.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600)) {
        std::ifstream lines(file);
        for (std::string line; std::getline(lines, line) && !lines.eof();) {
            known_.insert(line.substr(0, line.find(' ')));
            size_ += static_cast<off_t>(line.size() + 1);
        }
        // What was written shortly before a crash may not be on the disk yet, and is known from now
        // on.
        if (file_ >= 0 && (::ftruncate(file_, size_) != 0 || ::fdatasync(file_) != 0)) file_ = -1;
    }
    ~Ledger() override { ::close(file_); }
    bool opened() const { return file_ >= 0; }

    std::string_view name() const noexcept override { return "ledger"; }
    crucible::Category category() const noexcept override { return crucible::Category::custom; }

    /// All of a call are written and made durable together: the daemon acknowledges them after.
    void handle(std::span<const crucible::Event* const> events,
                std::span<crucible::HandleResult> results) override {
        std::string lines;
        for (std::size_t i = 0; i < events.size(); ++i) {
            const crucible::Event& event = *events[i];
            if (event.payload.find('\n') != std::string::npos) {
                results[i] = {crucible::Outcome::rejected, {}, "an invoice is one line"};
                continue;
            }
            // Written before: by one that died before it could say so, or the daemon did.
            const std::string id = hex(event.id);
            if (!known_.insert(id).second) continue;
            lines += id + ' ' + event.payload + '\n';
            added_.push_back(id);
        }
        if (write_durably(lines)) {
            size_ += static_cast<off_t>(lines.size());
        } else {
            // None of them counts: as if it had not been tried.
            [[maybe_unused]] const int cut = ::ftruncate(file_, size_);
            for (const auto& id : added_) known_.erase(id);
            for (auto& result : results) {
                if (result.outcome == crucible::Outcome::handled)
                    result = {crucible::Outcome::failed, {}, std::strerror(errno)};
            }
        }
        added_.clear();
    }

private:
    bool write_durably(const std::string& lines) const {
        if (lines.empty()) return true;
        const auto count = ::write(file_, lines.data(), lines.size());
        return count == static_cast<ssize_t>(lines.size()) && ::fdatasync(file_) == 0;
    }

    int file_;
    off_t size_ = 0;  ///< of whole lines
    std::unordered_set<std::string> known_;
    std::vector<std::string> added_;
};

std::atomic<crucible::DaemonService*> running = nullptr;

int fail(const crucible::Error& error) {
    std::fprintf(stderr, "ledger: %s\n", error.message.c_str());
    return 1;
}

int serve(const char* socket, const char* file) {
    Ledger ledger(file);
    if (!ledger.opened()) return fail({crucible::Errc::io, std::string(file) + ": cannot be used"});
    crucible::DaemonServiceOptions options;
    options.daemon.socket = socket;
    options.daemon.reconnect_for = std::chrono::minutes(1);
    auto service = crucible::DaemonService::start(options, ledger);
    if (!service) return fail(service.error());
    running.store(service->get());
    ::signal(SIGTERM, [](int) { running.load()->request_stop(); });
    const auto ended = (*service)->wait();
    ::signal(SIGTERM, SIG_IGN);
    return ended ? 0 : fail(ended.error());
}

int submit(const char* socket, int count) {
    std::atomic<int> handled = 0;
    auto client = crucible::DaemonClient::connect(
        {.socket = socket}, [&](std::span<const crucible::Acknowledgement> acknowledgements) {
            handled += static_cast<int>(std::ranges::count(
                acknowledgements, crucible::Outcome::handled, &crucible::Acknowledgement::outcome));
        });
    if (!client) return fail(client.error());
    std::independent_bits_engine<std::mt19937_64, 8, unsigned> random{std::random_device{}()};
    for (int number = 0; number < count; ++number) {
        crucible::Event event;
        for (auto& byte : event.id.bytes) byte = static_cast<std::uint8_t>(random());
        event.type = "invoice.sent";
        event.source = "shop-" + std::to_string(number % 4);
        event.payload = "{\"invoice\":" + std::to_string(number) + ",\"cents\":4200}";
        event.created = std::chrono::system_clock::now();
        if (auto published = (*client)->publish(event, 0); !published)
            return fail(published.error());
    }
    if (auto drained = (*client)->drain(std::chrono::minutes(1)); !drained)
        return fail(drained.error());
    std::printf("%d of %d in the ledger\n", handled.load(), count);
    return handled == count ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view command = argc == 4 ? argv[1] : "";
    if (command == "serve") return serve(argv[2], argv[3]);
    if (command == "submit") return submit(argv[2], std::atoi(argv[3]));
    std::fputs("usage: ledger serve SOCKET FILE | ledger submit SOCKET COUNT\n", stderr);
    return 2;
}
