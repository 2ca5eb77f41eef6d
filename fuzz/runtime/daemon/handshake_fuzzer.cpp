// The client's side of the handshake, against a daemon that answers whatever it likes: a client
// that connects was welcomed in its own version, and every other one is told why not.
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/assert.h"
#include "base/file.h"
#include "fuzzer.h"
#include "pieces.h"
#include "runtime/daemon/connect.h"
#include "runtime/daemon/listener.h"
#include "runtime/daemon/protocol.h"

namespace crucible::fuzz {
namespace {

namespace protocol = runtime::protocol;

/// Longer than any answer takes: the other side always closes.
constexpr Duration kGenerousLimit = std::chrono::seconds(60);

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

/// Answers one connection after the other, each with the pieces it is given, and closes it.
class HostileDaemon {
public:
    HostileDaemon() : thread_([this](const std::stop_token& stop) { serve(stop); }) {}
    ~HostileDaemon() {
        thread_.request_stop();
        changed_.notify_all();
    }

    const std::filesystem::path& socket() const { return socket_; }

    void answer_with(std::string_view input) {
        const std::lock_guard lock(mutex_);
        input_ = input;
        due_ = true;
        changed_.notify_all();
    }
    /// Waits until the connection is closed.
    void wait() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return !due_; });
    }

private:
    void serve(const std::stop_token& stop) {
        std::unique_lock lock(mutex_);
        while (changed_.wait(lock, stop, [this] { return due_; })) {
            lock.unlock();
            answer();
            lock.lock();
            due_ = false;
            changed_.notify_all();
        }
    }
    void answer() {
        pollfd waiter{.fd = listener_.fd(), .events = POLLIN, .revents = 0};
        // Again after libFuzzer's own timer.
        while (::poll(&waiter, 1, -1) < 0) CRUCIBLE_ASSERT(errno == EINTR);
        const base::UniqueFd client(::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC));
        CRUCIBLE_ASSERT(client);
        Pieces pieces(input_);
        while (!pieces.at_end()) {
            const auto piece = pieces.next();
            if (::send(client.get(), piece.data(), piece.size(), MSG_NOSIGNAL) < 0) return;
        }
        ::shutdown(client.get(), SHUT_WR);
        // Until the client has gone: closed before, its greeting would turn the rest of our answer
        // into a connection that was reset.
        std::byte byte{};
        while (::recv(client.get(), &byte, sizeof byte, 0) > 0) {
        }
    }

    base::TempDir directory_ = *base::TempDir::make("fuzz");
    const std::filesystem::path socket_ = directory_.path() / "d.sock";
    runtime::Listener listener_ = *runtime::Listener::open(socket_, 0600);
    std::mutex mutex_;
    std::condition_variable_any changed_;
    std::string input_;
    bool due_ = false;
    std::jthread thread_;  ///< behind what it uses
};

/// What a client must make of this stream.
bool welcomes(std::span<const std::byte> stream) {
    const auto frame = protocol::next_frame(stream);
    return frame && *frame &&
           protocol::check_greeting(**frame, protocol::Kind::welcome, "daemon").has_value();
}

void check_refused(const Error& error, const std::filesystem::path& socket) {
    check_message(error);
    CRUCIBLE_ASSERT(error.message.starts_with(socket.native()));
    CRUCIBLE_ASSERT(error.message.size() > socket.native().size() + 2);
    CRUCIBLE_ASSERT(error.code <= Errc::failed);
}

}  // namespace

void run(std::string_view input) {
    static HostileDaemon daemon;
    const auto stream = bytes_of(Pieces(input).stream());
    const DaemonClientOptions options{.socket = daemon.socket(), .connect_limit = kGenerousLimit};
    daemon.answer_with(input);
    if (!input.empty() && (input[0] & 1) != 0) {
        const auto connection = runtime::connect_to_daemon(options);
        CRUCIBLE_ASSERT(connection.has_value() == welcomes(stream));
        if (!connection) check_refused(connection.error(), daemon.socket());
    } else {
        const auto answer = runtime::ask_daemon(options, R"({"about":"status"})");
        if (!answer) check_refused(answer.error(), daemon.socket());
        CRUCIBLE_ASSERT(!answer || welcomes(stream));
    }
    daemon.wait();
}

std::vector<std::string> seeds() {
    std::vector<std::string> inputs;
    const auto add = [&](const protocol::Buffer& bytes) {
        const std::string stream(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        inputs.push_back(Pieces::input(stream, "\xff"));
        inputs.push_back(Pieces::input(stream, "\x06\x03"));
    };
    protocol::Buffer bytes;
    protocol::append_greeting(bytes, protocol::Kind::welcome);
    add(bytes);
    protocol::append_text_frame(bytes, protocol::Kind::tell, 1, R"({"pid":1})");
    add(bytes);
    bytes.clear();
    protocol::append_greeting(bytes, protocol::Kind::welcome, {.version = protocol::kVersion + 1});
    add(bytes);
    bytes.clear();
    protocol::append_refusal(bytes, Errc::overloaded, "the daemon has 2 clients, its limit");
    add(bytes);
    bytes.clear();
    protocol::append_refusal(bytes, Errc::failed, "");
    add(bytes);
    bytes.clear();
    protocol::append_refusal(bytes, Errc::failed, "two\nlines \x1b[2J");
    add(bytes);
    return inputs;
}

}  // namespace crucible::fuzz
