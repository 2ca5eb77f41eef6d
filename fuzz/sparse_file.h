#pragma once

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/assert.h"

namespace crucible::fuzz {

/// A large file that is empty but for a few places, as the tracker writes them, from a small input:
/// pieces of five bytes, the offset (four, the lowest first) and the length, and that many bytes
/// more. In memory; one for all inputs, each of which finds it empty.
class SparseFile {
public:
    explicit SparseFile(std::size_t bytes)
        : bytes_(bytes), file_(::memfd_create("fuzz", MFD_CLOEXEC)) {
        CRUCIBLE_ASSERT(file_ >= 0);
        CRUCIBLE_ASSERT(::ftruncate(file_, static_cast<off_t>(bytes_)) == 0);
    }
    SparseFile(const SparseFile&) = delete;
    SparseFile& operator=(const SparseFile&) = delete;
    ~SparseFile() { ::close(file_); }

    /// Makes its content that of the input. Offsets are taken modulo the file's size, and what
    /// would be beyond its end is left out.
    void fill(std::string_view input) {
        // Its pages stay: to get them anew takes far longer than all else does.
        static constexpr std::array<char, 256> kZeros{};
        for (const auto& [offset, length] : written_) write(offset, {kZeros.data(), length});
        written_.clear();
        while (input.size() > kHeadBytes) {
            std::size_t offset = 0;
            for (std::size_t i = 0; i < 4; ++i)
                offset |= std::size_t{static_cast<unsigned char>(input[i])} << (8 * i);
            offset %= bytes_;
            const std::size_t length = std::min({std::size_t{static_cast<unsigned char>(input[4])},
                                                 input.size() - kHeadBytes, bytes_ - offset});
            write(offset, input.substr(kHeadBytes, length));
            written_.emplace_back(offset, length);
            input.remove_prefix(kHeadBytes + length);
        }
    }

    /// Takes the number there (four bytes) modulo `limit`: of how many there are of something. With
    /// a million of it an input would take as long as a thousand others.
    void keep_below(std::size_t offset, std::uint32_t limit) {
        std::uint32_t number = 0;
        CRUCIBLE_ASSERT(::pread(file_, &number, sizeof number, static_cast<off_t>(offset)) ==
                        sizeof number);
        if (number < limit) return;
        number %= limit;
        write(offset, {reinterpret_cast<const char*>(&number), sizeof number});
        written_.emplace_back(offset, sizeof number);
    }

    /// To open it by.
    std::filesystem::path path() const { return fmt::format("/proc/self/fd/{}", file_); }

    /// The input for that content: what is not zero of it.
    static std::string input(std::string_view content) {
        std::string input;
        static constexpr std::array<char, 4096> kZeros{};
        std::size_t begin = 0;
        while (begin < content.size()) {
            // Most of it: all at once.
            const std::string_view page = content.substr(begin, kZeros.size());
            const std::size_t first = page == std::string_view(kZeros.data(), page.size())
                                          ? std::string_view::npos
                                          : page.find_first_not_of('\0');
            if (first == std::string_view::npos) {
                begin += page.size();
                continue;
            }
            begin += first;
            // Numbers whole: from and to where eight bytes are zero.
            begin = begin / 8 * 8;
            std::size_t end = begin;
            while (end < content.size() && end - begin < 248 &&
                   content.substr(end, 8).find_first_not_of('\0') != std::string_view::npos)
                end += 8;
            for (std::size_t i = 0; i < 4; ++i) input += static_cast<char>(begin >> (8 * i));
            input += static_cast<char>(end - begin);
            input += content.substr(begin, end - begin);
            begin = end;
        }
        return input;
    }

private:
    static constexpr std::size_t kHeadBytes = 5;

    void write(std::size_t offset, std::string_view piece) const {
        CRUCIBLE_ASSERT(::pwrite(file_, piece.data(), piece.size(), static_cast<off_t>(offset)) ==
                        static_cast<ssize_t>(piece.size()));
    }

    std::size_t bytes_;
    int file_;
    std::vector<std::pair<std::size_t, std::size_t>> written_;  ///< offset and length
};

}  // namespace crucible::fuzz
