#include "lab/target/nats_target.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "lab/target/nats_handles.h"
#include "lab/target/polled.h"
#include "lab/target/remarks.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

/// Messages are written when so much has come together, or nothing more is due.
constexpr int kNatsWriteAt = 64 * 1024;
constexpr int kNatsReadBytes = 256 * 1024;
constexpr int kNatsUnsentMax = 64 * 1024 * 1024;
constexpr std::int64_t kFlushLimitMs = 5'000;
constexpr const char* kTokenHeader = "Crucible-Token";
constexpr std::string_view kAck = "+ACK";

/// What still has to happen before an event is handled.
enum Missing : std::uint8_t { kDelivery = 1, kStorage = 2 };

std::optional<std::uint64_t> token_behind_dot(const char* subject) {
    if (subject == nullptr) return std::nullopt;
    const std::string_view text(subject);
    return parse_token(text.substr(text.rfind('.') + 1));
}

class NatsTarget final : public PolledTarget {
public:
    static Result<std::unique_ptr<Target>> open(const BrokerOptions& broker, std::uint32_t client,
                                                CompletionHandler handler) {
        std::unique_ptr<NatsTarget> target(new NatsTarget(broker, client, std::move(handler)));
        if (const auto ready = target->connect(); !ready) return std::unexpected(ready.error());
        return target;
    }

    ~NatsTarget() override {
        deliveries_.reset();
        replies_.reset();
        if (connection_) natsConnection_Close(connection_.get());
    }

    Result<> send(const Event& event, std::uint64_t token) override {
        if (const auto gone = gone_error()) return std::unexpected(*gone);
        const int unsent = natsConnection_Buffered(connection_.get());
        if (unsent > kNatsUnsentMax)
            return std::unexpected(Error{Errc::overloaded, "the server does not read"});
        body_.clear();
        append_message(broker_.format, event, body_);
        if (const auto status = publish(token); status != NATS_OK) {
            const auto text = nats_error_text(status);
            remarks_.add(text);
            return std::unexpected(Error{Errc::invalid_argument, text});
        }
        missing_.emplace(token, jetstream() ? kDelivery | kStorage : kDelivery);
        if (unsent >= kNatsWriteAt) natsConnection_ProcessWriteEvent(connection_.get());
        return {};
    }

    void serve(TimePoint until) override {
        if (detached_.load()) {
            base::SteadyClock().sleep_until(until);
            return;
        }
        if (write_wanted_) natsConnection_ProcessWriteEvent(connection_.get());
        pollfd ready{socket_, static_cast<short>(POLLIN | (write_wanted_ ? POLLOUT : 0)), 0};
        const auto now = wait_ready({&ready, 1}, until);
        if (!now) return;
        if ((ready.revents & POLLOUT) != 0) natsConnection_ProcessWriteEvent(connection_.get());
        if ((ready.revents & ~POLLOUT) == 0) return;
        natsConnection_ProcessReadEvent(connection_.get());
        completions_.clear();
        take_deliveries();
        if (replies_) take_replies();
        if (!completions_.empty()) handler_(completions_, *now);
    }

    std::string remarks() const override {
        auto all = remarks_;
        const char* last = nullptr;  // a permission denied, say
        if (natsConnection_GetLastError(connection_.get(), &last) != NATS_OK && last != nullptr)
            all.add(last);
        return all.text();
    }

private:
    NatsTarget(const BrokerOptions& broker, std::uint32_t client, CompletionHandler handler)
        : broker_(broker), handler_(std::move(handler)) {
        // A responder answers on the subject itself; what comes back to ourselves has one for each
        // client.
        subject_ =
            broker.mode == "request" ? broker.name : fmt::format("{}.{}", broker.name, client);
    }

    bool jetstream() const { return broker_.mode == "jetstream"; }

    Result<> connect() {
        auto options = nats_options(broker_);
        if (!options) return std::unexpected(options.error());
        natsOptions_SetIOBufSize(options->get(), kNatsReadBytes);
        // Without it a thread of the library wakes up to say that there is something to write.
        natsOptions_SetSendAsap(options->get(), true);
        natsOptions_SetErrorHandler(options->get(), on_error, nullptr);
        natsOptions_SetEventLoop(options->get(), this, on_attach, on_read, on_write, on_detach);
        auto connection = nats_connect(broker_, options->get());
        if (!connection) return std::unexpected(connection.error());
        connection_ = *std::move(connection);
        return subscribe();
    }

    Result<> subscribe() {
        natsInbox* raw = nullptr;
        if (const auto status = natsInbox_Create(&raw); status != NATS_OK) return failed(status);
        inbox_ = raw;
        natsInbox_Destroy(raw);
        const bool request = broker_.mode == "request";
        const std::string source = request       ? inbox_ + ".reply.*"
                                   : jetstream() ? inbox_ + ".deliver"
                                                 : subject_;
        if (auto ok = subscribe_to(source, deliveries_); !ok) return ok;
        if (jetstream()) {
            if (auto ok = subscribe_to(inbox_ + ".stored.*", replies_); !ok) return ok;
        }
        // The server must know of the subscriptions before the first event.
        natsConnection_ProcessWriteEvent(connection_.get());
        if (auto ok = round_trip(); !ok) return ok;
        return jetstream() ? add_consumer(source) : Result<>{};
    }

    Result<> subscribe_to(const std::string& source, NatsSubscription& subscription) {
        natsSubscription* raw = nullptr;
        if (const auto status =
                natsConnection_SubscribeSync(&raw, connection_.get(), source.c_str());
            status != NATS_OK)
            return failed(status);
        subscription.reset(raw);
        natsSubscription_SetPendingLimits(raw, -1, -1);
        return {};
    }

    /// A message to ourselves and back: what was written before it has been taken by the server.
    Result<> round_trip() {
        NatsSubscription probe;
        const auto subject = inbox_ + ".probe";
        if (auto ok = subscribe_to(subject, probe); !ok) return ok;
        natsConnection_PublishString(connection_.get(), subject.c_str(), "");
        const TimePoint deadline = base::monotonic_now() + std::chrono::milliseconds(kFlushLimitMs);
        for (;;) {
            natsMsg* message = nullptr;
            if (natsSubscription_NextMsg(&message, probe.get(), 0) == NATS_OK) {
                natsMsg_Destroy(message);
                return {};
            }
            if (const auto gone = gone_error()) return std::unexpected(*gone);
            const TimePoint now = base::monotonic_now();
            if (now >= deadline) {
                return std::unexpected(
                    Error{Errc::timeout, fmt::format("{}: does not answer", broker_.server())});
            }
            serve(std::min(deadline, now + 50ms));
        }
    }

    /// Through a connection of its own, whose thread waits for the answers.
    Result<> add_consumer(const std::string& deliver_to) {
        auto options = nats_options(broker_);
        if (!options) return std::unexpected(options.error());
        const auto connection = nats_connect(broker_, options->get());
        if (!connection) return std::unexpected(connection.error());
        const auto context = nats_jetstream(broker_, connection->get());
        if (!context) return std::unexpected(context.error());
        jsConsumerConfig config;
        jsConsumerConfig_Init(&config);
        config.DeliverSubject = deliver_to.c_str();
        config.FilterSubject = subject_.c_str();
        config.DeliverPolicy = js_DeliverNew;
        config.AckPolicy = js_AckExplicit;
        config.MaxAckPending = -1;
        jsErrCode code{};
        const auto status = js_AddConsumer(nullptr, context->get(), broker_.stream.c_str(), &config,
                                           nullptr, &code);
        if (status == NATS_OK) return {};
        return std::unexpected(
            Error{code == JSStreamNotFoundErr ? Errc::not_found : Errc::failed,
                  fmt::format("{}: no consumer for stream {} could be made: {}", broker_.server(),
                              broker_.stream, nats_error_text(status))});
    }

    std::unexpected<Error> failed(natsStatus status) const {
        return std::unexpected(
            Error{Errc::failed, fmt::format("{}: {}", broker_.server(), nats_error_text(status))});
    }

    natsStatus publish(std::uint64_t token) {
        const int size = static_cast<int>(body_.size());
        char reply[128];
        if (!jetstream()) {
            // Mode core: who receives the message reads the token where an answer would go.
            *fmt::format_to(reply, "{}.reply.{}", inbox_, token) = '\0';
            return natsConnection_PublishRequest(connection_.get(), subject_.c_str(), reply,
                                                 body_.data(), size);
        }
        *fmt::format_to(reply, "{}.stored.{}", inbox_, token) = '\0';
        natsMsg* raw = nullptr;
        auto status = natsMsg_Create(&raw, subject_.c_str(), reply, body_.data(), size);
        if (status != NATS_OK) return status;
        const NatsMessage message(raw);
        char number[24];
        *fmt::format_to(number, "{}", token) = '\0';
        status = natsMsgHeader_Set(raw, kTokenHeader, number);
        if (status != NATS_OK) return status;
        return natsConnection_PublishMsg(connection_.get(), raw);
    }

    void take_deliveries() {
        for (;;) {
            natsMsg* raw = nullptr;
            const auto status = natsSubscription_NextMsg(&raw, deliveries_.get(), 0);
            if (status == NATS_NO_RESPONDERS) {
                note_unanswered("nobody answers requests on " + subject_);
                continue;
            }
            if (status != NATS_OK) return;
            const NatsMessage message(raw);
            take_delivery(raw);
        }
    }

    void take_delivery(natsMsg* message) {
        std::optional<std::uint64_t> token;
        Outcome outcome = Outcome::handled;
        if (broker_.mode == "core") {
            token = token_behind_dot(natsMsg_GetReply(message));
        } else if (broker_.mode == "request") {
            token = token_behind_dot(natsMsg_GetSubject(message));
            const char* error = nullptr;
            if (natsMsgHeader_Get(message, "Nats-Service-Error", &error) == NATS_OK) {
                remarks_.add(fmt::format("service error: {}", error));
                outcome = Outcome::failed;
            }
        } else {
            const char* header = nullptr;
            if (natsMsgHeader_Get(message, kTokenHeader, &header) == NATS_OK)
                token = parse_token(header);
            natsConnection_Publish(connection_.get(), natsMsg_GetReply(message), kAck.data(),
                                   static_cast<int>(kAck.size()));
        }
        if (!token) return remarks_.add("a message that is not of this run on " + subject_);
        happened(*token, kDelivery, outcome);
    }

    void take_replies() {
        for (;;) {
            natsMsg* raw = nullptr;
            const auto status = natsSubscription_NextMsg(&raw, replies_.get(), 0);
            if (status == NATS_NO_RESPONDERS) {
                note_unanswered("no stream takes " + subject_);
                continue;
            }
            if (status != NATS_OK) return;
            const NatsMessage message(raw);
            const auto token = token_behind_dot(natsMsg_GetSubject(raw));
            if (!token) continue;
            simdjson::dom::element answer;
            std::string_view description;
            const std::string_view text(natsMsg_GetData(raw),
                                        static_cast<std::size_t>(natsMsg_GetDataLength(raw)));
            if (parser_.parse(text.data(), text.size()).get(answer) != simdjson::SUCCESS) {
                remarks_.add(fmt::format("no acknowledgement: '{}'", text.substr(0, 60)));
                continue;
            }
            if (answer["error"]["description"].get(description) == simdjson::SUCCESS) {
                remarks_.add(fmt::format("not stored: {}", description));
                end(*token, Outcome::failed);
            } else {
                happened(*token, kStorage, Outcome::handled);
            }
        }
    }

    void happened(std::uint64_t token, Missing what, Outcome outcome) {
        const auto found = missing_.find(token);
        if (found != missing_.end()) {
            found->second &= static_cast<std::uint8_t>(~what);
            if (found->second != 0) return;
            missing_.erase(found);
        } else if (what == kStorage) {
            return;
        }
        // A delivery of what is already handled is passed on too: the ledger counts it.
        completions_.push_back({token, outcome});
    }

    void end(std::uint64_t token, Outcome outcome) {
        missing_.erase(token);
        completions_.push_back({token, outcome});
    }

    /// The library does not tell which message met nobody. Once no other is open, it is clear.
    void note_unanswered(const std::string& why) {
        remarks_.add(why);
        if (++unanswered_ < missing_.size()) return;
        for (const auto& [token, missing] : missing_)
            completions_.push_back({token, Outcome::failed});
        missing_.clear();
        unanswered_ = 0;
    }

    std::size_t outstanding() const override { return missing_.size(); }

    std::optional<Error> gone_error() const override {
        if (!detached_.load()) return std::nullopt;
        const char* last = nullptr;
        natsConnection_GetLastError(connection_.get(), &last);
        const std::string why = last != nullptr && *last != '\0' ? last : "connection closed";
        return Error{Errc::closed, fmt::format("{}: {}", broker_.server(), why)};
    }

    // The library's view of an event loop. Attached, and asked to read and write, by our thread;
    // detached by whichever notices the end.
    static natsStatus on_attach(void** user, void* loop, natsConnection*, natsSock socket) {
        *user = loop;
        static_cast<NatsTarget*>(loop)->socket_ = socket;
        return NATS_OK;
    }
    static natsStatus on_read(void*, bool) { return NATS_OK; }
    static natsStatus on_write(void* user, bool add) {
        static_cast<NatsTarget*>(user)->write_wanted_ = add;
        return NATS_OK;
    }
    static natsStatus on_detach(void* user) {
        static_cast<NatsTarget*>(user)->detached_.store(true);
        return NATS_OK;
    }
    /// The library's own would write to our standard error.
    static void on_error(natsConnection*, natsSubscription*, natsStatus, void*) {}

    const BrokerOptions broker_;
    CompletionHandler handler_;
    std::string subject_;
    std::string inbox_;
    int socket_ = -1;
    std::atomic<bool> write_wanted_ = false;
    std::atomic<bool> detached_ = false;
    NatsConnection connection_;
    NatsSubscription deliveries_;
    NatsSubscription replies_;  ///< of the stream, in mode jetstream
    std::string body_;
    std::unordered_map<std::uint64_t, std::uint8_t> missing_;  ///< of the events in flight
    std::uint64_t unanswered_ = 0;
    std::vector<Completion> completions_;
    simdjson::dom::parser parser_;
    Remarks remarks_;
};

}  // namespace

Result<std::unique_ptr<Target>> open_nats(const BrokerOptions& broker, std::uint32_t client,
                                          CompletionHandler on_completion) {
    return NatsTarget::open(broker, client, std::move(on_completion));
}

}  // namespace crucible::lab
