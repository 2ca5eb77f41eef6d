#pragma once

#include <span>
#include <string_view>

namespace crucible::bench {

/// The word with which the bench starts itself as ZeroMQ's broker: behind it "push" or "request",
/// and the paths of the sockets for publishers and for the receiver.
inline constexpr std::string_view kZeromqBroker = "zeromq-broker";

/// That process's whole life; returns its exit code.
int zeromq_broker(std::span<char*> words);

}  // namespace crucible::bench
