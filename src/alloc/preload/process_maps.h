#pragma once

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#include <array>
#include <cstddef>
#include <cstdint>

/// The process's own mappings, from /proc/self/maps, read without the C library's streams and
/// without points of cancellation.
namespace crucible::alloc {

struct Mapping {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    bool readable = false;
    bool executable = false;
};

/// Takes the text in pieces of any length.
class MapsText {
public:
    /// Calls `each(mapping)` when what it needs of a line is complete.
    template <class Each>
    void feed(const char* text, std::size_t bytes, Each each) noexcept {
        for (std::size_t i = 0; i < bytes; ++i) {
            const char c = text[i];
            if (c == '\n') {
                mapping_ = {};
                at_ = At::begin;
                continue;
            }
            switch (at_) {
                case At::begin:
                    if (c == '-')
                        at_ = At::end;
                    else
                        mapping_.begin = mapping_.begin << 4 | digit(c);
                    break;
                case At::end:
                    if (c == ' ')
                        at_ = At::rights;
                    else
                        mapping_.end = mapping_.end << 4 | digit(c);
                    break;
                case At::rights:
                    mapping_.readable = mapping_.readable || c == 'r';
                    mapping_.executable = mapping_.executable || c == 'x';
                    if (c != ' ') break;
                    at_ = At::rest;
                    each(static_cast<const Mapping&>(mapping_));
                    break;
                case At::rest:
                    break;
            }
        }
    }

private:
    enum class At { begin, end, rights, rest };
    static std::uintptr_t digit(char c) noexcept {
        return static_cast<std::uintptr_t>(c <= '9' ? c - '0' : c - 'a' + 10) & 0xf;
    }
    Mapping mapping_;
    At at_ = At::begin;
};

/// The readable mapping that holds the address. False: there is none, or it could not be read.
bool find_mapping(std::uintptr_t address, Mapping& found) noexcept;

/// The whole text. 0: it could not be read, or is longer than the room.
std::size_t read_maps(char* to, std::size_t room) noexcept;

/// Where there is code, as of one reading. Immutable once it is in use.
class CodeMap {
public:
    void add(const Mapping& mapping) noexcept;
    bool operator==(const CodeMap&) const noexcept = default;
    /// Asked of every word of a stack's end, so that it is short: code lies close together in a few
    /// parts of the address space, and a page of one may rarely be taken for one of another.
    bool holds(std::uintptr_t address) const noexcept {
        const std::uintptr_t page = address >> kPageBits;
        if ((pages_[page / 64 % pages_.size()] >> (page % 64) & 1) == 0) return false;
        for (std::uint32_t i = 0; i < windows_used_; ++i)
            if (windows_[i] == address >> kWindowBits) return true;
        return false;
    }

    /// Calls `visit(word)` for the words in between that are addresses of code.
    template <class Visit>
    void each_in(std::uintptr_t begin, std::uintptr_t end, Visit visit) const noexcept {
        std::uintptr_t at = begin;
#if defined(__x86_64__)
        // Most words are told by how far from all code they lie, and four at once: pages, as many
        // of their bits as a lane has.
        constexpr std::size_t kStep = 4 * sizeof(std::uintptr_t);
        const __m128i low_begin = _mm_set1_epi32(low_.begin);
        const __m128i low_most = _mm_set1_epi32(low_.most);
        const __m128i high_begin = _mm_set1_epi32(high_.begin);
        const __m128i high_most = _mm_set1_epi32(high_.most);
        for (; at + kStep <= end; at += kStep) {
            const auto* const four = reinterpret_cast<const __m128i*>(at);
            const __m128i pages = _mm_castps_si128(_mm_shuffle_ps(
                _mm_castsi128_ps(_mm_srli_epi64(_mm_loadu_si128(four), kPageBits)),
                _mm_castsi128_ps(_mm_srli_epi64(_mm_loadu_si128(four + 1), kPageBits)), 0x88));
            const __m128i outside =
                _mm_and_si128(_mm_cmpgt_epi32(_mm_sub_epi32(pages, low_begin), low_most),
                              _mm_cmpgt_epi32(_mm_sub_epi32(pages, high_begin), high_most));
            for (int mask = _mm_movemask_ps(_mm_castsi128_ps(outside)) ^ 0xf; mask != 0;
                 mask &= mask - 1) {
                const auto word = reinterpret_cast<const std::uintptr_t*>(
                    at)[__builtin_ctz(static_cast<unsigned>(mask))];
                if (holds(word)) visit(word);
            }
        }
#endif
        for (; at + sizeof at <= end; at += sizeof at) {
            const auto word = *reinterpret_cast<const std::uintptr_t*>(at);
            if (holds(word)) visit(word);
        }
    }

private:
    static constexpr unsigned kPageBits = 12;
    static constexpr unsigned kWindowBits = 28;
    void add_window(std::uintptr_t window) noexcept;
    void add_span(std::uintptr_t first, std::uintptr_t last) noexcept;

    /// By the page's place in its window.
    std::array<std::uint64_t, (std::size_t{1} << (kWindowBits - kPageBits)) / 64> pages_{};
    std::uint32_t windows_used_ = 0;
    std::array<std::uintptr_t, 64> windows_{};
    /// Code that lies together: the program's, and the libraries'.
    struct Span {
        std::uintptr_t first = 0;  ///< page
        std::uintptr_t last = 0;
        // As vectors compare them: the lower 32 bits, so that a page may be taken for one that is
        // 16 TiB away; and signed.
        int begin = 0;
        int most = 0;
        bool operator==(const Span&) const noexcept = default;
        void set(std::uintptr_t from, std::uintptr_t to) noexcept;
    };
    std::uint32_t spans_used_ = 0;
    Span low_;
    Span high_;
};

}  // namespace crucible::alloc
