#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/file.h"
#include "crucible/time.h"

namespace crucible::bench {

/// A blocking socket whose writes leave together: when a batch is full, when the last one left
/// 20 us ago, or when asked. From one thread, but for the reading one.
class BatchedSocket {
public:
    /// A peer from which nothing comes for 20 s while one reads counts as gone.
    explicit BatchedSocket(base::UniqueFd socket);

    /// Calls `on_bytes` with what was not consumed so far, as often as something arrives; it
    /// returns how much of it was consumed. `on_end` is called when the connection has ended.
    void read_in_thread(
        std::function<std::size_t(std::string_view)> on_bytes,
        std::function<void()> on_end = [] {});

    /// False once the connection is lost.
    bool write(std::initializer_list<std::string_view> parts);
    bool flush();
    /// Reads once and returns what was consumed so far; empty at the end.
    std::string_view read_some();
    void consume(std::size_t bytes) { consumed_ += bytes; }

    /// Gives the connection away; nothing of it may be being read in a thread.
    base::UniqueFd release() { return std::move(socket_); }
    /// Ends the connection and the reading thread.
    void close();
    ~BatchedSocket() { close(); }

private:
    base::UniqueFd socket_;
    std::string batch_;
    TimePoint last_flush_;
    std::vector<char> buffer_;
    std::size_t filled_ = 0;
    std::size_t consumed_ = 0;
    std::jthread reader_;
};

}  // namespace crucible::bench
