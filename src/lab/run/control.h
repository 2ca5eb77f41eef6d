#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/file.h"
#include "crucible/error.h"
#include "crucible/time.h"
#include "lab/run/plan.h"
#include "lab/run/trial.h"

namespace crucible::lab {

// The control protocol between the suite and its client processes:
// docs/formats/control-protocol.md.
inline constexpr std::uint32_t kControlVersion = 3;

/// Messages of the suite.
namespace order {
struct Prepare {
    std::uint32_t client = 0;
    std::string endpoint;
    Plan plan;
};
struct Start {
    std::uint32_t phase = 0;
    TimePoint at;  ///< the same moment for all clients
};
struct Stop {};  ///< end the load; what was sent is still waited for
struct Report {
    std::uint32_t phase = 0;
};
struct End {};
}  // namespace order
using Order = std::variant<order::Prepare, order::Start, order::Stop, order::Report, order::End>;

/// Messages of a client.
namespace news {
struct Ready {
    std::vector<pid_t> processes;  ///< of the system, that this client has started
};
struct Failed {
    Error error;  ///< it could not prepare; it ends
};
struct Progress {
    std::uint32_t phase = 0;
    std::uint64_t sent = 0;
    std::uint64_t handled = 0;
};
struct Drained {
    std::uint32_t phase = 0;
};
struct PhaseReport {
    std::uint32_t phase = 0;
    ClientPhase result;
};
}  // namespace news
using News =
    std::variant<news::Ready, news::Failed, news::Progress, news::Drained, news::PhaseReport>;

/// One line without its newline. - Errc::corrupt: not such a message. - Errc::unsupported: of
/// another version.
std::string encode(const Order& order);
std::string encode(const News& news);
Result<Order> decode_order(std::string_view line);
Result<News> decode_news(std::string_view line);

/// Lines over a stream socket. Not thread-safe.
class Channel {
public:
    explicit Channel(base::UniqueFd socket) noexcept : socket_(std::move(socket)) {}

    int descriptor() const noexcept { return socket_.get(); }

    /// Sends `line` and a newline; waits at most 5 s for the peer to make room.
    /// - Errc::closed: the peer is gone. - Errc::timeout: it does not read.
    Result<> send(std::string_view line);

    /// Takes what has arrived; never waits. - Errc::closed: the peer is gone and everything it sent
    /// was taken. - Errc::corrupt: a line is longer than any message.
    Result<> receive();

    /// The next whole line of what was taken.
    std::optional<std::string> next_line();

private:
    base::UniqueFd socket_;
    std::string received_;
    std::size_t scanned_ = 0;  ///< no newline before it
};

}  // namespace crucible::lab
