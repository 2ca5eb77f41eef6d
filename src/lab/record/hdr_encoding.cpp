#include "lab/record/hdr_encoding.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <optional>

#include "base/assert.h"

namespace crucible::lab {
namespace {

constexpr std::uint32_t kPlainCookie = 0x1c849313;
constexpr std::uint32_t kCompressedCookie = 0x1c849314;
constexpr std::size_t kHeaderBytes = 40;
constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

Error corrupt(std::string_view what) {
    return Error{Errc::corrupt, "histogram encoding: " + std::string(what)};
}

template <typename T>
void put_big_endian(std::string& out, T value) {
    for (int shift = static_cast<int>(sizeof(T)) * 8 - 8; shift >= 0; shift -= 8) {
        out.push_back(static_cast<char>(value >> shift));
    }
}

/// Reads from the front of a buffer; nothing once it is used up.
class ByteReader {
public:
    explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}

    std::optional<std::uint8_t> byte() {
        if (at_ == bytes_.size()) return std::nullopt;
        return static_cast<std::uint8_t>(bytes_[at_++]);
    }
    template <typename T>
    std::optional<T> big_endian() {
        if (bytes_.size() - at_ < sizeof(T)) return std::nullopt;
        T value = 0;
        for (std::size_t i = 0; i < sizeof(T); ++i) value = static_cast<T>(value << 8 | *byte());
        return value;
    }
    std::string_view rest() const { return bytes_.substr(at_); }

private:
    std::string_view bytes_;
    std::size_t at_ = 0;
};

void put_zigzag(std::string& out, std::int64_t value) {
    auto rest = (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
    for (int byte = 0; byte < 8; ++byte) {
        if (rest < 0x80) {
            out.push_back(static_cast<char>(rest));
            return;
        }
        out.push_back(static_cast<char>(rest | 0x80));
        rest >>= 7;
    }
    out.push_back(static_cast<char>(rest));  // the ninth byte carries all eight bits that are left
}

std::optional<std::int64_t> read_zigzag(ByteReader& reader) {
    std::uint64_t value = 0;
    for (int position = 0; position < 9; ++position) {
        const auto byte = reader.byte();
        if (!byte) return std::nullopt;
        const bool last = position == 8;
        value |= static_cast<std::uint64_t>(last ? *byte : *byte & 0x7f) << (7 * position);
        if (last || *byte < 0x80) break;
    }
    return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

std::string base64(std::string_view bytes) {
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        const std::size_t group = std::min<std::size_t>(3, bytes.size() - at);
        std::uint32_t bits = 0;
        for (std::size_t i = 0; i < 3; ++i) {
            bits = bits << 8 | (i < group ? static_cast<std::uint8_t>(bytes[at + i]) : 0u);
        }
        for (std::size_t i = 0; i < 4; ++i) {
            text.push_back(i <= group ? kAlphabet[bits >> (18 - 6 * i) & 63] : '=');
        }
    }
    return text;
}

std::optional<std::string> from_base64(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    std::size_t padding = 0;
    while (padding < 2 && text.ends_with('=')) {
        text.remove_suffix(1);
        ++padding;
    }
    std::string bytes;
    bytes.reserve(text.size() / 4 * 3 + 3);
    std::uint32_t bits = 0;
    int held = 0;
    for (const char c : text) {
        const auto value = kAlphabet.find(c);
        if (value == std::string_view::npos) return std::nullopt;
        bits = bits << 6 | static_cast<std::uint32_t>(value);
        held += 6;
        if (held >= 8) {
            held -= 8;
            bytes.push_back(static_cast<char>(bits >> held));
        }
    }
    return bytes;
}

/// Inflates at most `limit` bytes: a few input bytes can claim gigabytes.
std::optional<std::string> inflate_all(std::string_view compressed, std::size_t limit) {
    std::string bytes(limit, '\0');
    auto size = static_cast<uLongf>(limit);
    const int status = uncompress(reinterpret_cast<Bytef*>(bytes.data()), &size,
                                  reinterpret_cast<const Bytef*>(compressed.data()),
                                  static_cast<uLong>(compressed.size()));
    if (status != Z_OK) return std::nullopt;
    bytes.resize(size);
    return bytes;
}

Result<std::vector<std::uint64_t>> read_counts(std::string_view payload, std::size_t counts_max) {
    ByteReader reader(payload);
    std::vector<std::uint64_t> counts;
    while (!reader.rest().empty()) {
        const auto value = read_zigzag(reader);
        if (!value) return std::unexpected(corrupt("a count is cut off"));
        const std::uint64_t entries = *value < 0 ? 0 - static_cast<std::uint64_t>(*value) : 1;
        if (entries > counts_max - counts.size()) {
            return std::unexpected(corrupt("more counts than this range has"));
        }
        counts.resize(counts.size() + entries, 0);
        if (*value > 0) counts.back() = static_cast<std::uint64_t>(*value);
    }
    return counts;
}

}  // namespace

std::string encode_hdr(const HdrLayout& layout, std::span<const std::uint64_t> counts) {
    std::string payload;
    for (std::size_t i = 0; i < counts.size();) {
        if (counts[i] != 0) {
            put_zigzag(payload, static_cast<std::int64_t>(counts[i++]));
            continue;
        }
        const std::size_t begin = i;
        while (i < counts.size() && counts[i] == 0) ++i;
        const auto zeros = static_cast<std::int64_t>(i - begin);
        put_zigzag(payload, zeros > 1 ? -zeros : 0);
    }
    if (counts.empty()) payload.push_back(0);  // as others write it: one count of zero

    std::string plain;
    put_big_endian(plain, kPlainCookie);
    put_big_endian(plain, static_cast<std::uint32_t>(payload.size()));
    put_big_endian(plain, std::uint32_t{0});
    put_big_endian(plain, static_cast<std::uint32_t>(layout.significant_digits));
    put_big_endian(plain, static_cast<std::uint64_t>(layout.lowest));
    put_big_endian(plain, static_cast<std::uint64_t>(layout.highest));
    put_big_endian(plain, std::bit_cast<std::uint64_t>(1.0));
    plain += payload;

    std::string compressed(compressBound(static_cast<uLong>(plain.size())), '\0');
    auto size = static_cast<uLongf>(compressed.size());
    const int status =
        compress(reinterpret_cast<Bytef*>(compressed.data()), &size,
                 reinterpret_cast<const Bytef*>(plain.data()), static_cast<uLong>(plain.size()));
    CRUCIBLE_ASSERT(status == Z_OK);  // the buffer has the bound zlib itself gave
    compressed.resize(size);

    std::string encoded;
    put_big_endian(encoded, kCompressedCookie);
    put_big_endian(encoded, static_cast<std::uint32_t>(compressed.size()));
    return base64(encoded + compressed);
}

Result<HdrCounts> decode_hdr(std::string_view text, std::size_t counts_max) {
    const auto bytes = from_base64(text);
    if (!bytes) return std::unexpected(corrupt("not base64"));
    ByteReader outer(*bytes);
    if (outer.big_endian<std::uint32_t>() != kCompressedCookie) {
        return std::unexpected(corrupt("not HdrHistogram's compressed V2 format"));
    }
    const auto compressed_length = outer.big_endian<std::uint32_t>();
    if (!compressed_length || outer.rest().size() != *compressed_length) {
        return std::unexpected(corrupt("its length field is wrong"));
    }
    const auto plain = inflate_all(outer.rest(), kHeaderBytes + 9 * counts_max);
    if (!plain)
        return std::unexpected(corrupt("it does not decompress to a histogram of this range"));

    ByteReader reader(*plain);
    if (plain->size() < kHeaderBytes) return std::unexpected(corrupt("its header is cut off"));
    const auto cookie = *reader.big_endian<std::uint32_t>();
    const auto length = *reader.big_endian<std::uint32_t>();
    const auto offset = *reader.big_endian<std::uint32_t>();
    HdrCounts result;
    result.layout.significant_digits =
        static_cast<std::int32_t>(*reader.big_endian<std::uint32_t>());
    result.layout.lowest = static_cast<std::int64_t>(*reader.big_endian<std::uint64_t>());
    result.layout.highest = static_cast<std::int64_t>(*reader.big_endian<std::uint64_t>());
    const auto ratio = *reader.big_endian<std::uint64_t>();
    if (cookie != kPlainCookie) return std::unexpected(corrupt("unknown inner format"));
    // hdr-histogram-js writes the integer 1 into both fields and shifts nothing.
    const bool written_as_ones = offset == 1 && ratio == 1;
    if (!written_as_ones && (offset != 0 || ratio != std::bit_cast<std::uint64_t>(1.0))) {
        return std::unexpected(corrupt("shifted or scaled values"));
    }
    if (length != reader.rest().size())
        return std::unexpected(corrupt("its payload length is wrong"));
    auto counts = read_counts(reader.rest(), counts_max);
    if (!counts) return std::unexpected(counts.error());
    result.counts = std::move(*counts);
    return result;
}

}  // namespace crucible::lab
