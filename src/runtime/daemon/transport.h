#pragma once

#include <sys/epoll.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/file.h"
#include "crucible/error.h"

namespace crucible::runtime {

/// The byte stream between a client and its daemon, at either end. Nothing here waits: who uses it
/// waits on fd() for what read_events() and write_events() name, unless holds_input().
///
/// One thread may read while another writes; otherwise it is not thread-safe.
class Transport {
public:
    virtual ~Transport() = default;

    /// Reads what has arrived, at most `room`'s size, which is not zero; takes a handshake that is
    /// under way further first. 0: nothing is there now.
    /// - Errc::closed: the stream has ended. - Errc::io. - Errc::permission_denied, Errc::corrupt:
    /// the handshake failed; the message says why.
    virtual Result<std::size_t> read(std::span<std::byte> room) = 0;

    /// Sends the beginning of `bytes`, as much as is taken now, and says how much that was. What
    /// was not taken has to be the beginning of the next call's bytes.
    /// With an error none of `bytes` can have reached the peer.
    /// - Errc::closed: the peer is gone. - the errors of a handshake, as in read().
    virtual Result<std::size_t> write(std::span<const std::byte> bytes) = 0;

    /// What has arrived, at most `most` bytes, where it lies, for who can do without a copy. The
    /// peer may change it at any time: what is to be believed is copied first. Empty: there is
    /// nothing, or no such place, and read() tells. consume() gives the beginning of it back.
    virtual std::span<const std::byte> peek(std::size_t /*most*/) noexcept { return {}; }
    virtual void consume(std::size_t /*bytes*/) noexcept {}

    /// Memory for the next `bytes` of the stream, where they can be written without a copy: then
    /// add() says that they are there, and push() lets the peer see all that was added. Null:
    /// there is no such place now; they have to be given to write(), which pushes too.
    virtual std::byte* room_for(std::size_t /*bytes*/) noexcept { return nullptr; }
    virtual void add(std::size_t /*bytes*/) noexcept {}
    /// May be called while another thread adds. - Errc::closed: the peer is gone.
    virtual Result<> push() { return {}; }

    /// To wait on. The owner may add it to an epoll set; it stays the same.
    virtual int fd() const noexcept = 0;

    /// What has to happen to fd() before a read() that found nothing finds more, as in epoll_event
    /// (poll() has the same values). A secured stream may have to write before it can read.
    virtual std::uint32_t read_events() const noexcept { return EPOLLIN; }
    /// The same for a write() that did not take all.
    virtual std::uint32_t write_events() const noexcept { return EPOLLOUT; }

    /// Whether a read() may find something though fd() does not become readable: bytes that were
    /// received and not handed out yet. Asked by the reader after each read, before it waits.
    virtual bool holds_input() noexcept { return false; }
    /// The same for a write() that did not take all: whether it would take more though fd() does
    /// not become what write_events() names. Asked by who waits, before waiting for that.
    virtual bool has_room() noexcept { return false; }
    /// Called by who waits when fd() has become what was waited for, before reading and writing.
    virtual void woken() noexcept {}

    /// Whether a read() would find something, for those who look again and again instead of
    /// waiting.
    virtual bool has_arrived() noexcept;

    /// Whether the peer has shown who it is: a handshake of the transport's own is done.
    virtual bool established() const noexcept { return true; }
    /// What carries the stream, for people.
    virtual std::string_view medium() const noexcept { return "socket"; }
    /// Who is at the other end, for logs: "pid 71", or an address with a certificate's subject.
    virtual std::string peer() const = 0;
    /// Whose connection this is: the same text for all connections of one client, and for those of
    /// no other. Known once established().
    virtual std::string client() const { return peer(); }
};

/// A connected stream socket, as it is. Blocking or not makes no difference. `client`: whose it is,
/// where `peer` says more than that; empty: as `peer`.
std::unique_ptr<Transport> make_socket_transport(base::UniqueFd socket, std::string peer,
                                                 std::string client = {});

}  // namespace crucible::runtime
