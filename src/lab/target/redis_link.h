#pragma once

#include <hiredis/hiredis.h>

#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "crucible/error.h"
#include "lab/target/broker_options.h"

namespace crucible::lab {

struct RedisReplyFree {
    void operator()(redisReply* reply) const noexcept { freeReplyObject(reply); }
};
using RedisReply = std::unique_ptr<redisReply, RedisReplyFree>;

/// What a reply of text or an error says.
std::string_view text_of(const redisReply& reply) noexcept;

/// One connection to a Redis server: commands in a row while it is set up, then commands and their
/// replies apart, without waiting.
class RedisLink {
public:
    /// Connects and logs in. - Errc::not_found, Errc::closed, Errc::permission_denied.
    static Result<RedisLink> connect(const BrokerOptions& broker);

    /// Waits for the reply. - Errc::failed: the server answered with an error; the message has it.
    Result<RedisReply> command(std::initializer_list<std::string_view> words);

    /// From here on nothing waits.
    void make_non_blocking() noexcept;

    /// Keeps a command for flush().
    void append(std::span<const std::string_view> words);
    /// Writes what the socket takes. - Errc::closed.
    Result<> flush();
    /// Reads what has come and passes on each whole reply. - Errc::closed.
    Result<> receive(const std::function<void(const redisReply&)>& on_reply);

    int descriptor() const noexcept { return context_->fd; }
    bool has_unsent() const noexcept { return unsent_; }
    /// Bytes that wait to be written.
    std::size_t unsent_bytes() const noexcept;

private:
    struct ContextFree {
        void operator()(redisContext* context) const noexcept { redisFree(context); }
    };
    RedisLink(std::string server, redisContext* context)
        : server_(std::move(server)), context_(context) {}
    Error error() const;

    std::string server_;
    std::unique_ptr<redisContext, ContextFree> context_;
    bool unsent_ = false;
    std::vector<const char*> words_;
    std::vector<std::size_t> lengths_;
};

}  // namespace crucible::lab
