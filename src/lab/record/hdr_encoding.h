#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crucible/error.h"

namespace crucible::lab {

/// HdrHistogram's V2 format (HdrHistogram/HdrHistogram, class Histogram:
/// encodeIntoCompressedByteBuffer), in base64. All integers big-endian:
///   int32 0x1c849314, int32 length of the rest, which is zlib-compressed and holds
///   int32 0x1c849313, int32 payload length, int32 normalizing index offset (0), int32 significant
///   digits, int64 lowest and int64 highest trackable value, float64 value conversion ratio (1.0),
///   payload.
/// The payload has the counts in index order up to the last one that is not zero, zigzag LEB128 of
/// at most 9 bytes each; a run of n > 1 zeros is written as -n.
struct HdrLayout {
    std::int32_t significant_digits = 0;
    std::int64_t lowest = 0;
    std::int64_t highest = 0;
};

struct HdrCounts {
    HdrLayout layout;
    std::vector<std::uint64_t> counts;
};

/// `counts` ends with its last count that is not zero, or is empty.
std::string encode_hdr(const HdrLayout& layout, std::span<const std::uint64_t> counts);

/// At most `counts_max` counts. - Errc::corrupt: the message says at which step.
Result<HdrCounts> decode_hdr(std::string_view text, std::size_t counts_max);

}  // namespace crucible::lab
