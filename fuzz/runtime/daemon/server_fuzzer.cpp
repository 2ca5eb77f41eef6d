// A whole session with a server, its handshake included: whatever a client sends, it is told why it
// is turned away, gets no more answers than it sent events, and others are served as before.
#include "runtime/daemon/server.h"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <thread>

#include "base/assert.h"
#include "base/file.h"
#include "fuzzer.h"
#include "pieces.h"
#include "runtime/daemon/connect.h"
#include "runtime/daemon/event_frame.h"
#include "runtime/daemon/protocol.h"
#include "runtime/daemon/service_frame.h"
#include "runtime/daemon/unix_socket.h"

namespace crucible::fuzz {
namespace {

namespace protocol = runtime::protocol;
using protocol::Kind;

/// Looks at every event it is handed, so that events are decoded, and fails some.
class PickyService final : public Service {
public:
    std::string_view name() const noexcept override { return "picky"; }
    Category category() const noexcept override { return Category::custom; }
    void handle(std::span<const Event* const> events, std::span<HandleResult> results) override {
        for (std::size_t i = 0; i < events.size(); ++i) {
            results[i].response = events[i]->payload;
            if (events[i]->payload.size() % 4 == 3) results[i] = {Outcome::failed, {}, "odd"};
        }
    }
};

/// The daemon, in this process.
class Daemon {
public:
    Daemon() {
        spdlog::set_level(spdlog::level::off);
        runtime::CoordinatorOptions coordinator;
        coordinator.services.work = runtime::Work::none;
        coordinator.workers = 1;
        coordinator.retry.attempts_max = 1;
        // What one input leaves behind may not change what the next one sees, nor grow for ever.
        coordinator.repeat_window = Duration::zero();
        coordinator.dead_letters.events_max = 16;
        auto services = runtime::ServiceSet::open(coordinator.services);
        CRUCIBLE_ASSERT(services && (*services)->add(std::make_unique<PickyService>()));
        // Services that an input brings go with it: nobody is to wait for them.
        constexpr auto at_once = std::chrono::milliseconds(1);
        auto server = runtime::Server::open({.socket = socket_,
                                             .coordinator = coordinator,
                                             .external = {.timeout = at_once, .grace = at_once}},
                                            std::move(*services));
        CRUCIBLE_ASSERT(server.has_value());
        server_ = std::move(*server);
        thread_ = std::jthread([this] { CRUCIBLE_ASSERT(server_->run()); });
    }
    ~Daemon() {
        server_->request_stop();
        thread_.join();
    }
    const std::filesystem::path& socket() const { return socket_; }

private:
    base::TempDir directory_ = *base::TempDir::make("fuzz");
    const std::filesystem::path socket_ = directory_.path() / "d.sock";
    std::unique_ptr<runtime::Server> server_;
    std::jthread thread_;
};

base::UniqueFd open_socket(const std::filesystem::path& path) {
    base::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto address = runtime::unix_address(path);
    CRUCIBLE_ASSERT(address && ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&*address),
                                         sizeof *address) == 0);
    return socket;
}

/// Sends all pieces and gives all that came back, until the server closes.
protocol::Buffer converse(int socket, Pieces pieces) {
    protocol::Buffer answer;
    std::string_view unsent;
    bool sends = true;
    for (;;) {
        if (sends && unsent.empty()) {
            sends = !pieces.at_end();
            if (sends) unsent = pieces.next();
            if (!sends) ::shutdown(socket, SHUT_WR);
        }
        const short events = static_cast<short>(POLLIN | (sends ? POLLOUT : 0));
        pollfd waiter{.fd = socket, .events = events, .revents = 0};
        if (::poll(&waiter, 1, -1) < 0) {
            CRUCIBLE_ASSERT(errno == EINTR);  // libFuzzer's own timer
            continue;
        }
        if ((waiter.revents & POLLOUT) != 0) {
            const auto count =
                ::send(socket, unsent.data(), unsent.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
            // It closed: what it said before that is still to be read.
            if (count < 0 && errno != EAGAIN) sends = false;
            if (count > 0) unsent.remove_prefix(static_cast<std::size_t>(count));
        }
        if ((waiter.revents & (POLLIN | POLLHUP | POLLERR)) == 0) continue;
        std::array<std::byte, 16384> some;
        const auto count = ::recv(socket, some.data(), some.size(), MSG_DONTWAIT);
        if (count == 0 || (count < 0 && errno != EAGAIN)) return answer;
        if (count > 0) answer.insert(answer.end(), some.begin(), some.begin() + count);
    }
}

/// Frames of each kind in `stream`, up to the first that is none.
using Counts = std::array<std::size_t, 256>;
Counts count_frames(std::span<const std::byte> stream) {
    Counts counts{};
    for (;;) {
        const auto frame = protocol::next_frame(stream);
        if (!frame || !*frame) return counts;
        ++counts[static_cast<std::size_t>((*frame)->header.kind)];
        stream = stream.subspan((*frame)->bytes);
    }
}

std::size_t of(const Counts& counts, Kind kind) {
    return counts[static_cast<std::size_t>(kind)];
}

/// `answer` is what a server says to who sent `stream`.
void check_answer(std::span<const std::byte> stream, std::span<const std::byte> answer) {
    const auto sent = count_frames(stream);
    std::vector<Acknowledgement> ends;
    std::size_t responses = 0;
    std::size_t told = 0;
    bool last = false;
    for (bool first = true; !answer.empty(); first = false) {
        CRUCIBLE_ASSERT(!last);
        const auto frame = protocol::next_frame(answer);
        CRUCIBLE_ASSERT(frame && *frame);
        answer = answer.subspan((*frame)->bytes);
        const Kind kind = (*frame)->header.kind;
        CRUCIBLE_ASSERT(first == (kind == Kind::welcome) || kind == Kind::refuse);
        if (kind == Kind::acknowledge)
            CRUCIBLE_ASSERT(
                protocol::read_acknowledgements(**frame, of(sent, Kind::publish), ends));
        responses += kind == Kind::response ? 1u : 0u;
        told += kind == Kind::tell ? 1u : 0u;
        last = kind == Kind::refuse || kind == Kind::goodbye;
        if (kind == Kind::refuse)
            check_message({Errc::failed, std::string(protocol::text_of(**frame))});
    }
    CRUCIBLE_ASSERT(ends.size() <= of(sent, Kind::publish));
    CRUCIBLE_ASSERT(responses <= of(sent, Kind::request));
    CRUCIBLE_ASSERT(told <= of(sent, Kind::ask));
}

/// Events of `input` that are to wait for their time become such as do not: a client that says
/// goodbye is answered first, and the search cannot wait that long.
void unschedule(std::string& input) {
    const std::size_t begin = std::min(Pieces::kCutBytes, input.size());
    for (std::size_t at = begin; at < input.size();) {
        const auto rest = std::as_bytes(std::span(input).subspan(at));
        const auto frame = protocol::next_frame(rest);
        if (!frame || !*frame) return;
        constexpr std::size_t priority_at =
            sizeof(protocol::FrameHeader) + offsetof(protocol::EventHead, priority);
        const Kind kind = (*frame)->header.kind;
        if ((kind == Kind::publish || kind == Kind::request) &&
            (*frame)->body.size() >= sizeof(protocol::EventHead)) {
            auto& priority = input[at + priority_at];
            priority = static_cast<char>(priority & ~protocol::EventHead::kScheduledBit);
        }
        at += (*frame)->bytes;
    }
}

std::string as_text(const protocol::Buffer& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

protocol::Buffer hello() {
    protocol::Buffer bytes;
    protocol::append_greeting(bytes, Kind::hello);
    return bytes;
}

}  // namespace

void run(std::string_view input) {
    static Daemon daemon;
    static const std::string greeting = as_text(hello());
    // Most inputs begin after a good handshake: behind one lies more than before it.
    std::string greeted(input);
    if (!input.empty() && (input[0] & 1) != 0)
        greeted.insert(std::min(Pieces::kCutBytes, input.size()), greeting);
    unschedule(greeted);
    const Pieces pieces(greeted);
    const auto answer = converse(open_socket(daemon.socket()).get(), pieces);
    check_answer(std::as_bytes(std::span(pieces.stream())), answer);
    // As every other client is.
    static std::uint64_t inputs = 0;
    if (++inputs % 64 == 0) {
        CRUCIBLE_ASSERT(runtime::ask_daemon(
            {.socket = daemon.socket(), .connect_limit = std::chrono::minutes(1)},
            R"({"about":"status"})"));
    }
}

std::vector<std::string> seeds() {
    Event event;
    event.id = {{1, 2, 3, 4, 5, 6, 0x70, 8, 0x90, 10, 11, 12, 13, 14, 15, 16}};
    event.type = "record.created";
    event.source = "client-1";
    event.payload = R"({"key": 1})";
    protocol::Buffer events;
    CRUCIBLE_ASSERT(protocol::append_event(events, Kind::publish, 1, event));
    CRUCIBLE_ASSERT(protocol::append_event(events, Kind::request, 1, event));
    event.category = Category::database;
    event.targets = {"database-1"};
    CRUCIBLE_ASSERT(protocol::append_event(events, Kind::publish, 2, event));
    auto refused = events;
    protocol::append_goodbye(events);
    // A frame that clients do not send, behind one that has its answer at once.
    protocol::append_greeting(refused, Kind::welcome);
    protocol::Buffer questions;
    for (const auto* question :
         {R"({"about":"status"})", R"({"about":"services"})", R"({"about":"queues"})",
          R"({"about":"rules"})", R"({"about":"dead_letters"})", R"({"about":"replay","all":true})",
          R"({"about":"discard","number":1})",
          R"({"about":"test_routing","type":"a.b","source":"c","category":"database",)"
          R"("priority":"low","targets":["database-1"],"payload_bytes":9})"})
        protocol::append_text_frame(questions, Kind::ask, 1, question);
    // Services: one that leaves in order, one that had published before and settles what it was
    // not given, and one that goes on as a client.
    protocol::Buffer leaving;
    protocol::append_subscription(leaving, {"billing", {Category::custom}, 4});
    protocol::append_empty(leaving, Kind::grant, 2);
    protocol::append_empty(leaving, Kind::unsubscribe);
    protocol::append_goodbye(leaving);
    protocol::Buffer settling;
    CRUCIBLE_ASSERT(protocol::append_event(settling, Kind::publish, 1, event));
    protocol::append_subscription(settling, {"audit", {Category::custom, Category::mcp}, 1});
    protocol::SettlementWriter writer;
    writer.add(settling, 1, {Outcome::failed, {}, "never given"});
    writer.finish(settling);
    protocol::Buffer publishing;
    protocol::append_subscription(publishing, {"audit", {Category::system}, 1});
    CRUCIBLE_ASSERT(protocol::append_event(publishing, Kind::publish, 1, event));
    // Even: with the greeting in the stream, or none. Odd: behind one.
    return {
        Pieces::input(as_text(hello()), "\xfe\x07"),   Pieces::input(as_text(events), "\xfe"),
        Pieces::input(as_text(events), "\xff"),        Pieces::input(as_text(refused), "\xff"),
        Pieces::input(as_text(questions), "\x0f\xff"), Pieces::input(as_text(leaving), "\xff"),
        Pieces::input(as_text(settling), "\xff"),      Pieces::input(as_text(publishing), "\x0f")};
}

}  // namespace crucible::fuzz
