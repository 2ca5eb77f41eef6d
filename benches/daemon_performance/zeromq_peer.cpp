// ZeroMQ through a proxy process of the bench's own, which is what its guide calls a broker: PUSH
// and PULL, and request and reply.
#include "daemon_performance/zeromq.h"

#ifdef CRUCIBLE_BENCH_ZEROMQ

#include <fmt/format.h>
#include <zmq.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "daemon_performance/counter.h"
#include "daemon_performance/peer.h"
#include "support/server_process.h"

namespace crucible::bench {
namespace {

using namespace std::chrono_literals;

constexpr Duration kAnswerLimit = 20s;
constexpr const char* kFront = "front";
constexpr const char* kBack = "back";

struct ContextEnd {
    void operator()(void* context) const noexcept { zmq_ctx_term(context); }
};
using Context = std::unique_ptr<void, ContextEnd>;
struct SocketEnd {
    void operator()(void* socket) const noexcept { zmq_close(socket); }
};
using Socket = std::unique_ptr<void, SocketEnd>;

Error zeromq_error(std::string_view what) {
    return Error{Errc::failed, fmt::format("{}: {}", what, zmq_strerror(zmq_errno()))};
}

/// Without a limit on what it queues (the bench limits what is under way), and gone at once when it
/// is closed.
Result<Socket> open(void* context, int type) {
    Socket socket(zmq_socket(context, type));
    if (!socket) return std::unexpected(zeromq_error("zmq_socket"));
    const int none = 0;
    for (const int option : {ZMQ_SNDHWM, ZMQ_RCVHWM, ZMQ_LINGER})
        zmq_setsockopt(socket.get(), option, &none, sizeof none);
    return socket;
}

Result<Socket> connected(void* context, int type, const std::filesystem::path& path) {
    auto socket = open(context, type);
    if (!socket) return socket;
    if (zmq_connect(socket->get(), fmt::format("ipc://{}", path.string()).c_str()) != 0)
        return std::unexpected(zeromq_error(path.string()));
    return socket;
}

/// The first bytes of a payload say whose it is.
using PublisherNumber = std::uint32_t;

std::string payload_of(PublisherNumber publisher, std::size_t bytes) {
    std::string payload(bytes, 'x');
    std::memcpy(payload.data(), &publisher, sizeof publisher);
    return payload;
}

class PushPublisher final : public Publisher {
public:
    PushPublisher(Socket socket, std::string payload, std::shared_ptr<Counter> received)
        : socket_(std::move(socket)),
          payload_(std::move(payload)),
          received_(std::move(received)) {}

    bool publish() override {
        return zmq_send(socket_.get(), payload_.data(), payload_.size(), 0) >= 0;
    }
    bool flush() override { return true; }  // its I/O thread sends at once, and in batches
    std::uint64_t acknowledged() const override { return received_->count(); }
    bool await_acknowledged(std::uint64_t so_many) override {
        return received_->wait_above(so_many);
    }
    bool round_trip() override {
        const auto before = acknowledged();
        return publish() && await_acknowledged(before);
    }

private:
    Socket socket_;
    std::string payload_;
    std::shared_ptr<Counter> received_;
};

/// Sends and receives on one socket, in the calling thread: sockets of ZeroMQ belong to one.
class RequestPublisher final : public Publisher {
public:
    RequestPublisher(Socket socket, std::string payload)
        : socket_(std::move(socket)), payload_(std::move(payload)) {}

    bool publish() override {
        if (zmq_send(socket_.get(), payload_.data(), payload_.size(), 0) < 0) return false;
        if (++published_ % kSendsBetweenReads == 0) take_answers();
        return true;
    }
    bool flush() override { return true; }
    std::uint64_t acknowledged() const override { return acknowledged_; }
    bool await_acknowledged(std::uint64_t so_many) override {
        const TimePoint limit = base::monotonic_now() + kAnswerLimit;
        while (acknowledged_ <= so_many) {
            const auto left = (limit - base::monotonic_now()) / 1ms;
            zmq_pollitem_t item{socket_.get(), 0, ZMQ_POLLIN, 0};
            if (left <= 0 || zmq_poll(&item, 1, static_cast<long>(left)) < 0) return false;
            take_answers();
        }
        return true;
    }
    bool round_trip() override {
        const auto before = acknowledged_;
        return publish() && await_acknowledged(before);
    }

private:
    static constexpr std::uint64_t kSendsBetweenReads = 64;

    void take_answers() {
        char answer[16];
        while (zmq_recv(socket_.get(), answer, sizeof answer, ZMQ_DONTWAIT) >= 0) ++acknowledged_;
    }

    Socket socket_;
    std::string payload_;
    std::uint64_t published_ = 0;
    std::uint64_t acknowledged_ = 0;
};

class ZeromqPeer final : public Peer {
public:
    explicit ZeromqPeer(bool request) : request_(request) {}

    ~ZeromqPeer() override {
        // Wakes the receiver, which then closes its socket.
        if (context_) zmq_ctx_shutdown(context_.get());
    }

    Result<> start() override {
        auto directory = base::TempDir::make("zeromq");
        if (!directory) return std::unexpected(directory.error());
        const auto front = directory->path() / kFront;
        const auto back = directory->path() / kBack;
        auto broker = ServerProcess::start(
            *std::move(directory),
            {.arguments = {base::self_executable(), std::string(kZeromqBroker),
                           request_ ? "request" : "push", front, back}},
            [&] { return connect_path(front).has_value() && connect_path(back).has_value(); });
        if (!broker) return std::unexpected(broker.error());
        broker_.emplace(*std::move(broker));
        context_.reset(zmq_ctx_new());
        auto receiver = connected(context_.get(), request_ ? ZMQ_DEALER : ZMQ_PULL, back);
        if (!receiver) return std::unexpected(receiver.error());
        receiver_ = std::jthread([this, socket = *std::move(receiver)] {
            if (request_) {
                answer(socket.get());
            } else {
                count(socket.get());
            }
        });
        return {};
    }

    Result<std::unique_ptr<Publisher>> connect(std::size_t payload_bytes) override {
        auto socket = connected(context_.get(), request_ ? ZMQ_DEALER : ZMQ_PUSH,
                                broker_->directory() / kFront);
        if (!socket) return std::unexpected(socket.error());
        auto received = std::make_shared<Counter>();
        PublisherNumber number = 0;
        {
            const std::lock_guard lock(mutex_);
            number = static_cast<PublisherNumber>(received_.size());
            received_.push_back(received);
        }
        auto payload = payload_of(number, payload_bytes);
        if (request_)
            return std::make_unique<RequestPublisher>(*std::move(socket), std::move(payload));
        return std::make_unique<PushPublisher>(*std::move(socket), std::move(payload), received);
    }

private:
    void count(void* socket) {
        zmq_msg_t message;
        zmq_msg_init(&message);
        while (zmq_msg_recv(&message, socket, 0) >= 0) {
            PublisherNumber number = 0;
            std::memcpy(&number, zmq_msg_data(&message), sizeof number);
            const std::lock_guard lock(mutex_);
            received_[number]->add(1);
        }
        zmq_msg_close(&message);
    }

    /// Gets [who, payload] and answers [who, "ok"].
    static void answer(void* socket) {
        zmq_msg_t who;
        zmq_msg_t payload;
        zmq_msg_init(&who);
        zmq_msg_init(&payload);
        while (zmq_msg_recv(&who, socket, 0) >= 0 && zmq_msg_recv(&payload, socket, 0) >= 0) {
            if (zmq_msg_send(&who, socket, ZMQ_SNDMORE) < 0) break;
            zmq_send_const(socket, "ok", 2, 0);
        }
        zmq_msg_close(&who);
        zmq_msg_close(&payload);
    }

    bool request_;
    std::optional<ServerProcess> broker_;
    Context context_;
    std::mutex mutex_;
    std::vector<std::shared_ptr<Counter>> received_;  ///< by publisher number
    std::jthread receiver_;                           // ends before the context
};

}  // namespace

std::unique_ptr<Peer> make_zeromq_push_peer() {
    return std::make_unique<ZeromqPeer>(false);
}
std::unique_ptr<Peer> make_zeromq_request_peer() {
    return std::make_unique<ZeromqPeer>(true);
}

int zeromq_broker(std::span<char*> words) {
    if (words.size() != 3) return 2;
    const bool request = std::string_view(words[0]) == "request";
    const Context context(zmq_ctx_new());
    const auto front = open(context.get(), request ? ZMQ_ROUTER : ZMQ_PULL);
    const auto back = open(context.get(), request ? ZMQ_DEALER : ZMQ_PUSH);
    if (!front || !back) return 1;
    if (zmq_bind(front->get(), fmt::format("ipc://{}", words[1]).c_str()) != 0 ||
        zmq_bind(back->get(), fmt::format("ipc://{}", words[2]).c_str()) != 0)
        return 1;
    zmq_proxy(front->get(), back->get(), nullptr);
    return 0;
}

}  // namespace crucible::bench

#else

#include "daemon_performance/peer.h"

namespace crucible::bench {
namespace {

class MissingZeromq final : public Peer {
    static std::unexpected<Error> missing() {
        return std::unexpected(
            Error{Errc::unsupported,
                  "the bench was built without it (Debian package libzmq3-dev; never "
                  "under ThreadSanitizer)"});
    }
    Result<> start() override { return missing(); }
    Result<std::unique_ptr<Publisher>> connect(std::size_t) override { return missing(); }
};

}  // namespace

std::unique_ptr<Peer> make_zeromq_push_peer() {
    return std::make_unique<MissingZeromq>();
}
std::unique_ptr<Peer> make_zeromq_request_peer() {
    return std::make_unique<MissingZeromq>();
}

int zeromq_broker(std::span<char*>) {
    return 2;
}

}  // namespace crucible::bench

#endif
