#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "crucible/error.h"
#include "crucible/event.h"
#include "lab/target/system.h"

namespace crucible::lab {

/// How an event becomes the body of a message.
enum class MessageFormat : std::uint8_t { cloudevents, payload };

/// What a nats: or redis: URL says: `//[[user]:password@]host[:port][/name]`.
struct BrokerOptions {
    std::string scheme;
    std::string host;
    std::uint16_t port = 0;
    std::string user;
    std::string password;
    std::string name;  ///< NATS: the subject; Redis: the stream or channel
    std::string mode;  ///< as checked by parse_target(); the scheme's default where not given
    MessageFormat format = MessageFormat::cloudevents;
    std::string stream;           ///< NATS: a JetStream stream that exists; empty: a private one
    bool memory = false;          ///< NATS: the private stream is not on disk
    std::uint64_t stream_length;  ///< Redis: entries to keep

    /// "nats://host:port", without the password: for messages.
    std::string server() const;
};

bool is_broker(const TargetUrl& url) noexcept;

/// - Errc::invalid_argument: what is wrong and what is allowed.
Result<BrokerOptions> broker_options(const TargetUrl& url);

/// The token that came with a message: digits and nothing else.
std::optional<std::uint64_t> parse_token(std::string_view text);

/// Appends the event's message to `out`.
void append_message(MessageFormat format, const Event& event, std::string& out);

}  // namespace crucible::lab
