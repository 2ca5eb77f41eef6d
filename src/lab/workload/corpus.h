#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"

namespace crucible::lab {

/// Sentences in the proportions of English text: words by Zipf's law, names of tickets, amounts and
/// shares between them. ASCII without quotes, backslashes and line ends, so that text needs no
/// escapes in JSON.
///
/// Text is put together from whole sentences made beforehand: drawing single words at the send
/// would cost the load generator more than everything else of an event.
class Corpus {
public:
    static constexpr std::size_t kSentences = 1024;

    explicit Corpus(std::uint64_t seed);

    /// Appends exactly `bytes` of sentences; the last one is cut.
    void append(std::string& out, std::size_t bytes, base::Rng& random) const;

    std::string_view sentence(std::size_t index) const noexcept;

private:
    std::string text_;
    std::vector<std::uint32_t> starts_;  ///< of each sentence in text_, and the end of the last
};

}  // namespace crucible::lab
