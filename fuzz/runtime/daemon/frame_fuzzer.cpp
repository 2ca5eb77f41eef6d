// The reader of frames and of all that they hold. A stream that arrives in pieces gives the frames
// of the same stream in one, whatever a session holds back meanwhile; what decodes is encoded again
// and decodes to the same value; and acknowledgements reach the other side as they were made.
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "base/assert.h"
#include "fuzzer.h"
#include "pieces.h"
#include "runtime/daemon/event_frame.h"
#include "runtime/daemon/protocol.h"
#include "runtime/daemon/service_frame.h"
#include "runtime/daemon/session.h"
#include "runtime/daemon/transport.h"

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

void check_subscription(const protocol::Frame& frame) {
    const auto subscription = protocol::read_subscription(frame);
    if (!subscription) return check_message(subscription.error());
    protocol::Buffer out;
    protocol::append_subscription(out, *subscription);
    const auto back = protocol::read_subscription(written(out));
    CRUCIBLE_ASSERT(back && back->name == subscription->name);
    CRUCIBLE_ASSERT(back->categories == subscription->categories);
    CRUCIBLE_ASSERT(back->credits == subscription->credits);
}

/// What a settlement says arrives where it is written again, of its first delivery alone.
void check_settlements(const protocol::Frame& frame) {
    std::vector<protocol::Settlement> settlements;
    if (const auto status = protocol::read_settlements(frame, settlements); !status)
        return check_message(status.error());
    for (const auto& settlement : settlements) {
        const HandleResult result = protocol::result_of(settlement);
        protocol::Buffer out;
        protocol::SettlementWriter writer;
        writer.add(out, settlement.delivery, result);
        writer.finish(out);
        std::vector<protocol::Settlement> read;
        CRUCIBLE_ASSERT(protocol::read_settlements(written(out), read) && read.size() == 1);
        CRUCIBLE_ASSERT(read[0].delivery == settlement.delivery && read[0].count == 1);
        const HandleResult back = protocol::result_of(read[0]);
        CRUCIBLE_ASSERT(back.outcome == result.outcome && back.not_now == result.not_now &&
                        back.for_good == result.for_good);
        CRUCIBLE_ASSERT(back.response == result.response && back.reason == result.reason);
    }
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
        case Kind::deliver:
            return check_event(frame);
        case Kind::subscribe:
            return check_subscription(frame);
        case Kind::settle:
            return check_settlements(frame);
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

/// A stream in pieces, for a session to read; takes what it writes in small pieces too.
class PiecesTransport final : public runtime::Transport {
public:
    explicit PiecesTransport(std::string_view input) : pieces_(input) {}

    bool has_more() const { return !arrived_.empty() || !pieces_.at_end(); }
    const protocol::Buffer& written() const { return written_; }

    Result<std::size_t> read(std::span<std::byte> room) override {
        if (arrived_.empty() && !pieces_.at_end()) arrived_ = bytes_of(pieces_.next());
        const auto some = arrived_.first(std::min(arrived_.size(), room.size()));
        std::ranges::copy(some, room.begin());
        arrived_ = arrived_.subspan(some.size());
        return some.size();
    }
    Result<std::size_t> write(std::span<const std::byte> bytes) override {
        constexpr std::size_t taken_max = 40;
        const auto some = bytes.first(std::min(bytes.size(), taken_max));
        written_.insert(written_.end(), some.begin(), some.end());
        return some.size();
    }
    int fd() const noexcept override { return -1; }
    std::string peer() const override { return "a fuzzer"; }

private:
    Pieces pieces_;
    std::span<const std::byte> arrived_;
    protocol::Buffer written_;
};

/// Takes all that arrives through `session` as the server does; gives its error, if any. Every
/// frame is at first held back, now by the session's own state, now by who takes it.
Result<> take_all(Session& session, const PiecesTransport& transport, std::vector<Taken>& taken) {
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
    while (transport.has_more()) {
        const auto open = session.receive(scratch);
        CRUCIBLE_ASSERT(open && *open);
        do {
            session.blocked = false;
            if (auto status = session.take_frames(on_frame); !status) return status;
        } while (held_back);
    }
    return {};
}

/// As if every frame were an event: their ends come out one by one, in their order.
void check_ends(Session& session, const PiecesTransport& transport, std::span<const Taken> taken) {
    std::vector<Acknowledgement> ends;
    for (const auto& one : taken) {
        const auto outcome = static_cast<Outcome>(one.header.token >> 8 & 3);
        ends.push_back({one.header.token, outcome});
        session.acknowledge(one.header.token, outcome);
    }
    while (session.has_unsent()) CRUCIBLE_ASSERT(session.flush());
    std::vector<Acknowledgement> read;
    if (!transport.written().empty()) {
        CRUCIBLE_ASSERT(
            protocol::read_acknowledgements(written(transport.written()), ends.size(), read));
    }
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
    auto owned = std::make_unique<PiecesTransport>(input);
    const PiecesTransport& transport = *owned;
    Session session(std::move(owned), 1, 1);
    std::vector<Taken> taken;
    const auto status = take_all(session, transport, taken);
    if (!status) check_message(status.error());

    auto rest = bytes_of(Pieces(input).stream());
    for (const auto& one : taken) {
        const auto frame = protocol::next_frame(rest);
        CRUCIBLE_ASSERT(frame && *frame && same(one, **frame));
        rest = rest.subspan((*frame)->bytes);
        check_body(**frame);
    }
    const auto next = protocol::next_frame(rest);
    CRUCIBLE_ASSERT(next.has_value() == status.has_value());
    CRUCIBLE_ASSERT(!next || !*next);
    check_ends(session, transport, taken);
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
    event.deadline = event.not_before = WallTime(std::chrono::seconds(1));
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
    // A service's side and what it is given.
    streams.emplace_back();
    protocol::append_subscription(stream(), {"billing", {Category::custom, Category::mcp}, 16});
    protocol::append_empty(stream(), Kind::subscribed);
    CRUCIBLE_ASSERT(protocol::append_event(stream(), Kind::deliver, 1, event));
    protocol::append_empty(stream(), Kind::grant, 4);
    protocol::append_empty(stream(), Kind::unsubscribe);
    streams.emplace_back();
    protocol::SettlementWriter writer;
    for (std::uint64_t delivery = 1; delivery <= 3; ++delivery) writer.add(stream(), delivery, {});
    writer.add(stream(), 4, {Outcome::handled, "a response", {}});
    writer.add(stream(), 5, {Outcome::failed, {}, "a reason"});
    writer.add(stream(), 6, {.outcome = Outcome::failed, .not_now = true});
    writer.add(stream(), 7, {.outcome = Outcome::failed, .for_good = true});
    writer.finish(stream());
    std::vector<std::string> inputs;
    for (const auto& bytes : streams)
        inputs.push_back(
            Pieces::input({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
    return inputs;
}

}  // namespace crucible::fuzz
