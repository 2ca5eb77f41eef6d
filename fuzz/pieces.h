#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace crucible::fuzz {

/// Splits a stream at places that the first kCutBytes of an input choose, so that the search finds
/// them as it finds bytes. The rest of the input is the stream. Refers to the input.
class Pieces {
public:
    static constexpr std::size_t kCutBytes = 8;

    /// An input for `stream`; each byte of `cuts` in turn is a piece's length, less one.
    static std::string input(std::string_view stream, std::string_view cuts = "\xff\x0f\x07\x01") {
        std::string input(cuts);
        input.resize(kCutBytes, '\xff');
        return input.append(stream);
    }

    explicit Pieces(std::string_view input) noexcept
        : cuts_(input.substr(0, kCutBytes)), stream_(input.substr(cuts_.size())), rest_(stream_) {}

    /// All of it.
    std::string_view stream() const noexcept { return stream_; }
    bool at_end() const noexcept { return rest_.empty(); }

    /// The next 1 to 256 bytes; not at the end.
    std::string_view next() noexcept {
        const auto cut = static_cast<unsigned char>(cuts_[turn_++ % cuts_.size()]);
        const auto piece = rest_.substr(0, std::size_t{cut} + 1);
        rest_.remove_prefix(piece.size());
        return piece;
    }

private:
    std::string_view cuts_;
    std::string_view stream_;
    std::string_view rest_;
    std::size_t turn_ = 0;
};

}  // namespace crucible::fuzz
