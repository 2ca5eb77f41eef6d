#include "lab/profile/protobuf.h"

namespace crucible::lab {
namespace {

// The last three bits of a field's key say how long its value is.
constexpr std::uint64_t kVarint = 0;
constexpr std::uint64_t kLengthFirst = 2;

}  // namespace

void ProtobufWriter::append(std::string& text, std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) text.push_back(static_cast<char>(value | 0x80));
    text.push_back(static_cast<char>(value));
}

void ProtobufWriter::number(std::uint32_t field, std::uint64_t value) {
    if (value == 0) return;
    append(message_, std::uint64_t{field} << 3 | kVarint);
    append(message_, value);
}

void ProtobufWriter::number(std::uint32_t field, std::int64_t value) {
    number(field, static_cast<std::uint64_t>(value));
}

void ProtobufWriter::bytes(std::uint32_t field, std::string_view bytes) {
    append(message_, std::uint64_t{field} << 3 | kLengthFirst);
    append(message_, bytes.size());
    message_ += bytes;
}

void ProtobufWriter::packed(std::uint32_t field, std::span<const std::uint64_t> values) {
    if (values.empty()) return;
    std::string all;
    for (const auto value : values) append(all, value);
    bytes(field, all);
}

}  // namespace crucible::lab
