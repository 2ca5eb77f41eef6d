// The reader of frames and of all that they hold. A stream that arrives in pieces gives the frames
// of the same stream in one, whatever a session holds back meanwhile; what decodes is encoded again
// and decodes to the same value; and acknowledgements reach the other side as they were made.
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "base/assert.h"
#include "base/file.h"
#include "fuzzer.h"
#include "pieces.h"
#include "runtime/daemon/event_frame.h"
#include "runtime/daemon/protocol.h"
#include "runtime/daemon/session.h"

namespace crucible::fuzz {
namespace {

namespace protocol = runtime::protocol;
using protocol::Kind;
using runtime::Session;

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

/// The one frame in `bytes`, which our own side wrote.
protocol::Frame written(const protocol::Buffer& bytes) {
    const auto frame = protocol::next_frame(bytes);
    CRUCIBLE_ASSERT(frame && *frame && (*frame)->bytes == bytes.size());
    return **frame;
}

void check_event(const protocol::Frame& frame) {
    std::vector<std::string_view> names;
    const auto body = protocol::read_event(frame.body, names);
    if (!body) {
        CRUCIBLE_ASSERT(body.error().code == Errc::corrupt);
        return;
    }
    Event event;
    if (!protocol::decode_body(*body, event)) return;
    protocol::Buffer out;
    CRUCIBLE_ASSERT(protocol::append_event(out, frame.header.kind, frame.header.token, event));
    const auto again = written(out);
    CRUCIBLE_ASSERT(again.header.token == frame.header.token);
    std::vector<std::string_view> names_again;
    const auto body_again = protocol::read_event(again.body, names_again);
    CRUCIBLE_ASSERT(body_again.has_value());
    Event back;
    CRUCIBLE_ASSERT(protocol::decode_body(*body_again, back));
    CRUCIBLE_ASSERT(back == event);
}

void check_acknowledgements(const protocol::Frame& frame) {
    constexpr std::uint64_t kEventsMax = 10'000;
    std::vector<Acknowledgement> read;
    if (const auto status = protocol::read_acknowledgements(frame, kEventsMax, read); !status)
        return check_message(status.error());
    CRUCIBLE_ASSERT(read.size() <= kEventsMax);
}

void check_response(const protocol::Frame& frame) {
    const auto response = protocol::read_response(frame);
    if (!response) return check_message(response.error());
    protocol::Buffer out;
    protocol::append_response(out, frame.header.token,
                              {response->outcome, response->payload, response->reason});
    const auto back = protocol::read_response(written(out));
    CRUCIBLE_ASSERT(back && back->outcome == response->outcome);
    CRUCIBLE_ASSERT(back->payload == response->payload);
    // A long reason is cut when it is sent.
    CRUCIBLE_ASSERT(response->reason.starts_with(back->reason));
}

void check_body(const protocol::Frame& frame) {
    switch (frame.header.kind) {
        case Kind::hello:
        case Kind::welcome:
            for (const Kind expected : {Kind::hello, Kind::welcome}) {
                const auto checked = protocol::check_greeting(frame, expected, "peer");
                if (!checked) check_message(checked.error());
                CRUCIBLE_ASSERT(!checked || frame.header.kind == expected);
            }
            return;
        case Kind::publish:
        case Kind::request:
            return check_event(frame);
        case Kind::acknowledge:
            return check_acknowledgements(frame);
        case Kind::response:
            return check_response(frame);
        default:
            return;
    }
}

/// What is left of a frame when its bytes are gone.
struct Taken {
    protocol::FrameHeader header;
    protocol::Buffer body;
};

bool same(const Taken& taken, const protocol::Frame& frame) {
    return std::memcmp(&taken.header, &frame.header, sizeof frame.header) == 0 &&
           std::ranges::equal(taken.body, frame.body);
}

/// A session whose socket's other end is in our hands.
class Connected {
public:
    Connected() {
        int ends[2] = {};
        CRUCIBLE_ASSERT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        client_ = base::UniqueFd(ends[0]);
        session_.emplace(base::UniqueFd(ends[1]), 1, 1);
    }

    Session& session() { return *session_; }

    void send(std::string_view piece) {
        CRUCIBLE_ASSERT(::send(client_.get(), piece.data(), piece.size(), MSG_DONTWAIT) ==
                        static_cast<ssize_t>(piece.size()));
    }
    bool has_arrived() const {
        int bytes = 0;
        CRUCIBLE_ASSERT(::ioctl(session_->fd(), FIONREAD, &bytes) == 0);
        return bytes > 0;
    }
    /// What the session sent.
    protocol::Buffer receive() {
        protocol::Buffer all;
        std::array<std::byte, 4096> some;
        for (;;) {
            const auto count = ::recv(client_.get(), some.data(), some.size(), MSG_DONTWAIT);
            if (count <= 0) return all;
            all.insert(all.end(), some.begin(), some.begin() + count);
        }
    }

private:
    base::UniqueFd client_;
    std::optional<Session> session_;
};

/// Takes what `pieces` bring through a session as the server does; gives its error, if any.
/// Every frame is at first held back, now by the session's own state, now by who takes it.
Result<> take_all(Pieces& pieces, Connected& connected, std::vector<Taken>& taken) {
    Session& session = connected.session();
    // Smaller than most frames are, so that all ways to keep the beginning of one are walked.
    std::array<std::byte, 512> scratch;
    bool held_back = false;
    const auto on_frame = [&](const protocol::Frame& frame) -> Result<bool> {
        held_back = !held_back;
        if (held_back) {
            session.blocked = frame.header.token % 2 == 0;
            return false;
        }
        taken.push_back({frame.header, {frame.body.begin(), frame.body.end()}});
        return true;
    };
    while (!pieces.at_end()) {
        connected.send(pieces.next());
        while (connected.has_arrived()) {
            const auto open = session.receive(scratch);
            CRUCIBLE_ASSERT(open && *open);
            do {
                session.blocked = false;
                if (auto status = session.take_frames(on_frame); !status) return status;
            } while (held_back);
        }
    }
    return {};
}

void check_pieces(std::string_view input) {
    Pieces pieces(input);
    Connected connected;
    std::vector<Taken> taken;
    const auto status = take_all(pieces, connected, taken);
    if (!status) check_message(status.error());

    auto rest = bytes_of(pieces.stream());
    for (const auto& one : taken) {
        const auto frame = protocol::next_frame(rest);
        CRUCIBLE_ASSERT(frame && *frame && same(one, **frame));
        rest = rest.subspan((*frame)->bytes);
        check_body(**frame);
    }
    const auto next = protocol::next_frame(rest);
    CRUCIBLE_ASSERT(next.has_value() == status.has_value());
    CRUCIBLE_ASSERT(!next || !*next);

    // As if every frame were an event: their ends come out one by one, in their order.
    std::vector<Acknowledgement> ends;
    for (const auto& one : taken) {
        const auto outcome = static_cast<Outcome>(one.header.token >> 8 & 3);
        ends.push_back({one.header.token, outcome});
        connected.session().acknowledge(one.header.token, outcome);
    }
    CRUCIBLE_ASSERT(connected.session().flush());
    std::vector<Acknowledgement> read;
    if (const auto sent = connected.receive(); !sent.empty())
        CRUCIBLE_ASSERT(protocol::read_acknowledgements(written(sent), ends.size(), read));
    CRUCIBLE_ASSERT(std::ranges::equal(read, ends, [](const auto& a, const auto& b) {
        return a.token == b.token && a.outcome == b.outcome;
    }));
}

Event sample_event() {
    Event event;
    event.id = {{1, 2, 3, 4, 5, 6, 0x70, 8, 0x90, 10, 11, 12, 13, 14, 15, 16}};
    event.category = Category::database;
    event.type = "record.created";
    event.source = "client-1";
    event.payload = R"({"key": 1})";
    return event;
}

}  // namespace

void run(std::string_view input) {
    check_pieces(input);
}

std::vector<std::string> seeds() {
    std::vector<protocol::Buffer> streams(1);
    const auto stream = [&]() -> protocol::Buffer& { return streams.back(); };
    auto event = sample_event();
    protocol::append_greeting(stream(), Kind::hello);
    CRUCIBLE_ASSERT(protocol::append_event(stream(), Kind::publish, 256, event));
    protocol::append_goodbye(stream());
    streams.emplace_back();
    event.targets = {"database-1", "system-1"};
    event.correlation_id = event.causation_id = event.id;
    event.deadline = WallTime(std::chrono::seconds(1));
    CRUCIBLE_ASSERT(protocol::append_event(stream(), Kind::request, 1, event));
    streams.emplace_back();
    protocol::append_greeting(stream(), Kind::welcome);
    const std::array<protocol::AcknowledgementEntry, 2> entries{
        {{1, Outcome::handled, {}, 3}, {9, Outcome::expired, {}, 1}}};
    protocol::append_acknowledgements(stream(), entries);
    protocol::append_response(stream(), 7, {Outcome::failed, "payload", "reason"});
    streams.emplace_back();
    protocol::append_text_frame(stream(), Kind::ask, 3, R"({"about":"status"})");
    protocol::append_text_frame(stream(), Kind::tell, 3, R"({"pid":1})");
    protocol::append_refusal(stream(), Errc::unsupported, "another version");
    std::vector<std::string> inputs;
    for (const auto& bytes : streams)
        inputs.push_back(
            Pieces::input({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
    return inputs;
}

}  // namespace crucible::fuzz
