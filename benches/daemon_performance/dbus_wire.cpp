#include "daemon_performance/dbus_wire.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "support/server_process.h"

namespace crucible::bench::dbus {
namespace {

enum class Field : std::uint8_t {
    path = 1,
    interface = 2,
    member = 3,
    reply_serial = 5,
    destination = 6,
    sender = 7,
    signature = 8,
    descriptors = 9
};

constexpr std::size_t kHeaderBytes = 16;  // up to the fields
constexpr std::string_view kBus = "org.freedesktop.DBus";
constexpr std::string_view kBusPath = "/org/freedesktop/DBus";

std::uint32_t number_at(std::string_view bytes, std::size_t at) {
    std::uint32_t value = 0;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
}

std::size_t aligned(std::size_t at, std::size_t to) {
    return (at + to - 1) / to * to;
}

void text_field(Writer& writer, Field field, std::string_view type, std::string_view value) {
    if (value.empty()) return;
    writer.align(8);
    writer.byte(static_cast<std::uint8_t>(field));
    writer.signature(type);
    if (type == "g") {
        writer.signature(value);
    } else {
        writer.text(value);
    }
}

void number_field(Writer& writer, Field field, std::uint32_t value) {
    if (value == 0) return;
    writer.align(8);
    writer.byte(static_cast<std::uint8_t>(field));
    writer.signature("u");
    writer.number(value);
}

/// The sender among the header's fields, which end at `end`.
std::string_view find_sender(std::string_view bytes, std::size_t end) {
    std::size_t at = kHeaderBytes;
    while (at < end) {
        at = aligned(at, 8);
        const auto field = static_cast<Field>(bytes[at]);
        const char type = bytes[at + 2];  // behind the signature's length; ours are of one letter
        at += 4;
        if (type == 'g') {
            at += static_cast<unsigned char>(bytes[at]) + 2u;
            continue;
        }
        at = aligned(at, 4);
        const auto value = number_at(bytes, at);
        at += 4;
        if (type == 'u') continue;
        if (field == Field::sender) return bytes.substr(at, value);
        at += value + 1;
    }
    return {};
}

Result<> call(BatchedSocket& socket, std::uint32_t serial, std::string_view member,
              std::string_view signature, std::string_view body) {
    socket.write({message({.path = kBusPath,
                           .interface = kBus,
                           .member = member,
                           .destination = kBus,
                           .signature = signature},
                          serial, body)});
    socket.flush();
    return await_reply(socket);
}

}  // namespace

void Writer::number(std::uint32_t value) {
    align(4);
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void Writer::long_number(std::uint64_t value) {
    align(8);
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void Writer::text(std::string_view value) {
    number(static_cast<std::uint32_t>(value.size()));
    bytes.append(value);
    byte(0);
}

void Writer::signature(std::string_view value) {
    byte(static_cast<std::uint8_t>(value.size()));
    bytes.append(value);
    byte(0);
}

std::size_t Writer::begin_array(std::size_t alignment) {
    number(0);
    const auto length_at = bytes.size() - 4;
    align(alignment);
    const auto padding = static_cast<std::uint32_t>(bytes.size() - length_at - 4);
    std::memcpy(bytes.data() + length_at, &padding, sizeof padding);
    return length_at;
}

void Writer::end_array(std::size_t began) {
    // Its length counts from the first element, behind the padding.
    const auto padding = number_at(bytes, began);
    const auto length = static_cast<std::uint32_t>(bytes.size() - began - 4 - padding);
    std::memcpy(bytes.data() + began, &length, sizeof length);
}

std::string message(const Header& header, std::uint32_t serial, std::string_view body) {
    Writer writer;
    writer.byte('l');
    writer.byte(static_cast<std::uint8_t>(header.kind));
    writer.byte(0);
    writer.byte(1);  // version
    writer.number(static_cast<std::uint32_t>(body.size()));
    writer.number(serial);
    const auto fields = writer.begin_array(8);
    text_field(writer, Field::path, "o", header.path);
    text_field(writer, Field::interface, "s", header.interface);
    text_field(writer, Field::member, "s", header.member);
    number_field(writer, Field::reply_serial, header.reply_serial);
    text_field(writer, Field::destination, "s", header.destination);
    text_field(writer, Field::signature, "g", header.signature);
    number_field(writer, Field::descriptors, header.descriptors);
    writer.end_array(fields);
    writer.align(8);
    return writer.bytes.append(body);
}

Message next_message(std::string_view bytes) {
    if (bytes.size() < kHeaderBytes) return {};
    const auto body_bytes = number_at(bytes, 4);
    const auto fields_end = kHeaderBytes + number_at(bytes, 12);
    const auto body_at = aligned(fields_end, 8);
    if (bytes.size() < body_at + body_bytes) return {};
    return {.bytes = body_at + body_bytes,
            .kind = static_cast<Kind>(bytes[1]),
            .serial = number_at(bytes, kSerialAt),
            .sender = find_sender(bytes, fields_end),
            .body = bytes.substr(body_at, body_bytes)};
}

Result<> authenticate(BatchedSocket& socket, bool descriptors) {
    std::string uid;
    for (const char digit : fmt::to_string(::getuid()))
        uid += fmt::format("{:02x}", static_cast<unsigned>(digit));
    socket.write({std::string_view("\0", 1), "AUTH EXTERNAL ", uid, "\r\n",
                  descriptors ? "NEGOTIATE_UNIX_FD\r\n" : "", "BEGIN\r\n"});
    socket.flush();
    // "OK <guid>", and "AGREE_UNIX_FD" where it was asked for.
    for (const auto lines = descriptors ? 2 : 1;;) {
        const auto bytes = socket.read_some();
        if (bytes.empty()) return std::unexpected(Error{Errc::closed, "the bus hung up"});
        if (std::ranges::count(bytes, '\n') < lines) continue;
        if (!bytes.starts_with("OK "))
            return std::unexpected(Error{Errc::permission_denied, "the bus refused this user"});
        auto end = bytes.find('\n') + 1;
        if (descriptors) end = bytes.find('\n', end) + 1;
        socket.consume(end);
        return {};
    }
}

Result<> await_reply(BatchedSocket& socket) {
    for (;;) {
        const auto bytes = socket.read_some();
        if (bytes.empty()) return std::unexpected(Error{Errc::closed, "the bus hung up"});
        std::size_t consumed = 0;
        for (;;) {
            const auto answer = next_message(bytes.substr(consumed));
            if (answer.bytes == 0) break;
            consumed += answer.bytes;
            if (answer.kind == Kind::error) {
                return std::unexpected(
                    Error{Errc::failed, fmt::format("the bus: {}", answer.body.substr(4))});
            }
            if (answer.kind != Kind::reply) continue;
            socket.consume(consumed);
            return {};
        }
        socket.consume(consumed);
    }
}

Result<std::shared_ptr<BatchedSocket>> connect(const std::filesystem::path& bus,
                                               std::string_view name) {
    auto socket = connect_path(bus);
    if (!socket) return std::unexpected(socket.error());
    auto connected = std::make_shared<BatchedSocket>(*std::move(socket));
    if (auto ok = authenticate(*connected, false); !ok) return std::unexpected(ok.error());
    if (auto ok = call(*connected, 1, "Hello", "", ""); !ok) return std::unexpected(ok.error());
    if (name.empty()) return connected;
    Writer request;
    request.text(name);
    request.number(0);
    if (auto ok = call(*connected, 2, "RequestName", "su", request.bytes); !ok)
        return std::unexpected(ok.error());
    return connected;
}

}  // namespace crucible::bench::dbus
