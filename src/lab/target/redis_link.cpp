#include "lab/target/redis_link.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/time.h>

#include "lab/http/connection.h"

namespace crucible::lab {
namespace {

constexpr timeval kRedisConnectLimit{.tv_sec = 5, .tv_usec = 0};

}  // namespace

std::string_view text_of(const redisReply& reply) noexcept {
    return reply.str == nullptr ? std::string_view() : std::string_view(reply.str, reply.len);
}

Result<RedisLink> RedisLink::connect(const BrokerOptions& broker) {
    if (const auto address = resolve(broker.host, broker.port); !address)
        return std::unexpected(address.error());
    redisContext* raw =
        redisConnectWithTimeout(broker.host.c_str(), broker.port, kRedisConnectLimit);
    if (raw == nullptr) return std::unexpected(Error{Errc::failed, "out of memory"});
    RedisLink link(broker.server(), raw);
    if (raw->err != 0) return std::unexpected(link.error());
    redisSetTimeout(raw, kRedisConnectLimit);
    Result<RedisReply> greeting;
    if (broker.password.empty()) {
        greeting = link.command({"PING"});
    } else if (broker.user.empty()) {
        greeting = link.command({"AUTH", broker.password});
    } else {
        greeting = link.command({"AUTH", broker.user, broker.password});
    }
    if (greeting) return link;
    const auto& message = greeting.error().message;
    const bool denied = message.find("NOAUTH") != message.npos ||
                        message.find("WRONGPASS") != message.npos ||
                        message.find("NOPERM") != message.npos;
    return std::unexpected(
        Error{denied ? Errc::permission_denied : greeting.error().code, message});
}

Result<RedisReply> RedisLink::command(std::initializer_list<std::string_view> words) {
    append(words);
    void* raw = nullptr;
    if (redisGetReply(context_.get(), &raw) != REDIS_OK) return std::unexpected(error());
    RedisReply reply(static_cast<redisReply*>(raw));
    unsent_ = false;
    if (reply->type != REDIS_REPLY_ERROR) return reply;
    return std::unexpected(
        Error{Errc::failed, fmt::format("{}: {}: {}", server_, *words.begin(), text_of(*reply))});
}

void RedisLink::make_non_blocking() noexcept {
    ::fcntl(context_->fd, F_SETFL, ::fcntl(context_->fd, F_GETFL) | O_NONBLOCK);
    context_->flags &= ~REDIS_BLOCK;
}

void RedisLink::append(std::span<const std::string_view> words) {
    words_.clear();
    lengths_.clear();
    for (const auto word : words) {
        words_.push_back(word.data());
        lengths_.push_back(word.size());
    }
    redisAppendCommandArgv(context_.get(), static_cast<int>(words.size()), words_.data(),
                           lengths_.data());
    unsent_ = true;
}

Result<> RedisLink::flush() {
    int done = 0;
    while (unsent_) {
        const auto before = unsent_bytes();
        if (redisBufferWrite(context_.get(), &done) != REDIS_OK) return std::unexpected(error());
        unsent_ = done == 0;
        if (unsent_ && unsent_bytes() == before) break;  // the socket is full
    }
    return {};
}

Result<> RedisLink::receive(const std::function<void(const redisReply&)>& on_reply) {
    if (redisBufferRead(context_.get()) != REDIS_OK) return std::unexpected(error());
    for (;;) {
        void* raw = nullptr;
        if (redisGetReplyFromReader(context_.get(), &raw) != REDIS_OK)
            return std::unexpected(error());
        if (raw == nullptr) return {};
        const RedisReply reply(static_cast<redisReply*>(raw));
        on_reply(*reply);
    }
}

std::size_t RedisLink::unsent_bytes() const noexcept {
    return context_->obuf == nullptr ? 0 : sdslen(context_->obuf);
}

Error RedisLink::error() const {
    return Error{Errc::closed, fmt::format("{}: {}", server_, context_->errstr)};
}

}  // namespace crucible::lab
