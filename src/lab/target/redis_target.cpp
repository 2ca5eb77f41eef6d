#include "lab/target/redis_target.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "lab/target/polled.h"
#include "lab/target/redis_link.h"
#include "lab/target/remarks.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

/// Commands are written when so much has come together, or nothing more is due.
constexpr std::size_t kRedisWriteAt = 64 * 1024;
constexpr std::size_t kRedisUnsentMax = std::size_t{64} << 20;
constexpr std::string_view kGroup = "crucible";
constexpr std::string_view kConsumer = "worker";
constexpr std::string_view kEntriesAtOnce = "256";
/// What a killed run leaves behind goes by itself.
constexpr std::string_view kKeyLife = "3600";

class RedisTarget final : public PolledTarget {
public:
    static Result<std::unique_ptr<Target>> open(const BrokerOptions& broker, std::uint32_t client,
                                                CompletionHandler handler) {
        auto publisher = RedisLink::connect(broker);
        if (!publisher) return std::unexpected(publisher.error());
        auto consumer = RedisLink::connect(broker);
        if (!consumer) return std::unexpected(consumer.error());
        std::unique_ptr<RedisTarget> target(new RedisTarget(
            broker, client, *std::move(publisher), *std::move(consumer), std::move(handler)));
        if (const auto ready = target->prepare(); !ready) return std::unexpected(ready.error());
        return target;
    }

    ~RedisTarget() override {
        if (!streaming_ || gone_) return;
        // Behind the connection's own commands the reply would have to be looked for; a new one has
        // none.
        if (auto link = RedisLink::connect(broker_)) [[maybe_unused]]
            const auto deleted = link->command({"DEL", key_});
    }

    Result<> send(const Event& event, std::uint64_t token) override {
        if (gone_) return std::unexpected(*gone_);
        if (publisher_.unsent_bytes() > kRedisUnsentMax)
            return std::unexpected(Error{Errc::overloaded, "the server does not read"});
        body_.clear();
        char number[24];
        const std::string_view token_text(
            number, static_cast<std::size_t>(fmt::format_to(number, "{}", token) - number));
        if (streaming_) {
            append_message(broker_.format, event, body_);
            const std::array<std::string_view, 10> words{
                "XADD", key_, "MAXLEN", "~", length_text_, "*", "t", token_text, "e", body_};
            publisher_.append(words);
        } else {
            body_.append(token_text).push_back(' ');
            append_message(broker_.format, event, body_);
            const std::array<std::string_view, 3> words{"PUBLISH", key_, body_};
            publisher_.append(words);
        }
        published_.push_back(token);
        in_flight_.insert(token);
        if (publisher_.unsent_bytes() >= kRedisWriteAt) note(publisher_.flush());
        return {};
    }

    void serve(TimePoint until) override {
        if (gone_) {
            base::SteadyClock().sleep_until(until);
            return;
        }
        note(publisher_.flush());
        note(consumer_.flush());
        std::array<pollfd, 2> ready{{watch(publisher_), watch(consumer_)}};
        const auto now = wait_ready(ready, until);
        if (!now) return;
        completions_.clear();
        // What was refused is known before what was delivered, as it happened.
        if ((ready[0].revents & ~POLLOUT) != 0)
            note(publisher_.receive([this](const redisReply& reply) { published(reply); }));
        if ((ready[1].revents & ~POLLOUT) != 0)
            note(consumer_.receive([this](const redisReply& reply) { consumed(reply); }));
        note(consumer_.flush());
        if (!completions_.empty()) handler_(completions_, *now);
    }

    std::string remarks() const override { return remarks_.text(); }

private:
    std::size_t outstanding() const override { return in_flight_.size(); }
    std::optional<Error> gone_error() const override { return gone_; }

    RedisTarget(const BrokerOptions& broker, std::uint32_t client, RedisLink publisher,
                RedisLink consumer, CompletionHandler handler)
        : broker_(broker),
          streaming_(broker.mode == "stream"),
          key_(fmt::format("{}:{}-{}", broker.name, ::getpid(), client)),
          length_text_(std::to_string(broker.stream_length)),
          publisher_(std::move(publisher)),
          consumer_(std::move(consumer)),
          handler_(std::move(handler)) {}

    Result<> prepare() {
        if (streaming_) {
            auto made = publisher_.command({"XGROUP", "CREATE", key_, kGroup, "$", "MKSTREAM"});
            if (!made) return std::unexpected(made.error());
            made = publisher_.command({"EXPIRE", key_, kKeyLife});
            if (!made) return std::unexpected(made.error());
        } else {
            const auto subscribed = consumer_.command({"SUBSCRIBE", key_});
            if (!subscribed) return std::unexpected(subscribed.error());
        }
        publisher_.make_non_blocking();
        consumer_.make_non_blocking();
        if (streaming_) read_more();
        return {};
    }

    static pollfd watch(const RedisLink& link) {
        const int events = POLLIN | (link.has_unsent() ? POLLOUT : 0);
        return {link.descriptor(), static_cast<short>(events), 0};
    }

    void read_more() {
        const std::array<std::string_view, 11> words{
            "XREADGROUP", "GROUP", kGroup,    kConsumer, "COUNT", kEntriesAtOnce,
            "BLOCK",      "0",     "STREAMS", key_,      ">"};
        consumer_.append(words);
    }

    /// The reply to the oldest XADD or PUBLISH.
    void published(const redisReply& reply) {
        if (published_.empty()) return;
        const auto token = published_.front();
        published_.pop_front();
        if (reply.type == REDIS_REPLY_ERROR) {
            remarks_.add(std::string(text_of(reply).substr(0, 80)));
            end(token, Outcome::failed);
        } else if (reply.type == REDIS_REPLY_INTEGER && reply.integer == 0) {
            remarks_.add("published to no subscriber");
            end(token, Outcome::failed);
        }
    }

    void consumed(const redisReply& reply) {
        if (!streaming_) return take_message(reply);
        if (!acknowledging_.empty()) {
            // XACK stands before the next XREADGROUP.
            if (reply.type != REDIS_REPLY_INTEGER ||
                static_cast<std::size_t>(reply.integer) != acknowledging_.size())
                remarks_.add("not all were acknowledged: " + std::string(text_of(reply)));
            for (const auto token : acknowledging_) end(token, Outcome::handled);
            acknowledging_.clear();
            return;
        }
        take_entries(reply);
        read_more();
    }

    /// ["message", channel, "token event"]
    void take_message(const redisReply& reply) {
        if (reply.type != REDIS_REPLY_ARRAY || reply.elements != 3) return;
        const auto text = text_of(*reply.element[2]);
        const auto token = parse_token(text.substr(0, text.find(' ')));
        if (!token) return remarks_.add("a message that is not of this run on " + key_);
        end(*token, Outcome::handled);
    }

    /// [[key, [[id, ["t", token, "e", event]], …]]]
    void take_entries(const redisReply& reply) {
        if (reply.type == REDIS_REPLY_ERROR)
            return remarks_.add(std::string(text_of(reply).substr(0, 80)));
        if (reply.type != REDIS_REPLY_ARRAY || reply.elements == 0) return;
        const redisReply& stream = *reply.element[0];
        if (stream.elements != 2) return;
        const redisReply& entries = *stream.element[1];
        acknowledge_ = {"XACK", key_, kGroup};
        for (std::size_t i = 0; i < entries.elements; ++i) {
            const redisReply& entry = *entries.element[i];
            if (entry.elements != 2 || entry.element[1]->elements < 2) continue;
            const auto token = parse_token(text_of(*entry.element[1]->element[1]));
            if (!token) {
                remarks_.add("an entry that is not of this run in " + key_);
                continue;
            }
            acknowledge_.push_back(text_of(*entry.element[0]));
            acknowledging_.push_back(*token);
        }
        if (!acknowledging_.empty()) consumer_.append(acknowledge_);
    }

    void end(std::uint64_t token, Outcome outcome) {
        in_flight_.erase(token);
        completions_.push_back({token, outcome});
    }

    void note(const Result<>& result) {
        if (!result && !gone_) gone_ = result.error();
    }

    const BrokerOptions broker_;
    const bool streaming_;
    const std::string key_;  ///< of this client's stream, or its channel
    const std::string length_text_;
    RedisLink publisher_;
    RedisLink consumer_;
    CompletionHandler handler_;
    std::string body_;
    std::deque<std::uint64_t> published_;  ///< without a reply yet
    std::unordered_set<std::uint64_t> in_flight_;
    std::vector<std::uint64_t> acknowledging_;  ///< of the XACK without a reply yet
    std::vector<std::string_view> acknowledge_;
    std::vector<Completion> completions_;
    std::optional<Error> gone_;
    Remarks remarks_;
};

}  // namespace

Result<std::unique_ptr<Target>> open_redis(const BrokerOptions& broker, std::uint32_t client,
                                           CompletionHandler on_completion) {
    return RedisTarget::open(broker, client, std::move(on_completion));
}

}  // namespace crucible::lab
