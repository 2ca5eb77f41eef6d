#include "lab/workload/corpus.h"

#include <algorithm>
#include <array>

#include "lab/workload/words.h"

namespace crucible::lab {
namespace {

constexpr std::uint64_t kCorpusStream = 1;

/// Word r has weight 1 / (r + 3), in integers: Zipf's law as Mandelbrot corrected it for the most
/// frequent.
constexpr auto kCumulativeWeights = [] {
    std::array<std::uint64_t, kWords.size()> weights{};
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = sum += 1'000'000 / (i + 3);
    return weights;
}();

std::string_view draw_word(base::Rng& random) {
    const auto draw = random.below(kCumulativeWeights.back());
    const auto found = std::ranges::upper_bound(kCumulativeWeights, draw);
    return kWords[static_cast<std::size_t>(found - kCumulativeWeights.begin())];
}

void append_figure(std::string& out, base::Rng& random) {
    switch (random.below(4)) {
        case 0:
            out.append("TCK-").append(std::to_string(10'000 + random.below(90'000)));
            return;
        case 1:
            out.append(std::to_string(random.below(100))).append(".");
            out.append(std::to_string(random.below(10))).append("%");
            return;
        case 2:
            out.append("EUR ").append(std::to_string(1 + random.below(9'999))).append(".");
            out.append(std::to_string(10 + random.below(90)));
            return;
        default:
            out.append(std::to_string(2 + random.below(998)));
    }
}

void append_sentence(std::string& out, base::Rng& random) {
    const std::size_t start = out.size();
    const auto words = 6 + random.below(11);
    for (std::uint64_t i = 0; i < words; ++i) {
        if (i > 0) out += random.below(12) == 0 ? ", " : " ";
        if (i > 0 && random.below(9) == 0) {
            append_figure(out, random);
        } else {
            out.append(draw_word(random));
        }
    }
    out[start] = static_cast<char>(out[start] - 'a' + 'A');
    out += ". ";
}

}  // namespace

Corpus::Corpus(std::uint64_t seed) {
    auto random = base::Rng::at(seed, kCorpusStream, 0);
    starts_.reserve(kSentences + 1);
    for (std::size_t i = 0; i < kSentences; ++i) {
        starts_.push_back(static_cast<std::uint32_t>(text_.size()));
        append_sentence(text_, random);
    }
    starts_.push_back(static_cast<std::uint32_t>(text_.size()));
}

std::string_view Corpus::sentence(std::size_t index) const noexcept {
    return std::string_view(text_).substr(starts_[index], starts_[index + 1] - starts_[index]);
}

void Corpus::append(std::string& out, std::size_t bytes, base::Rng& random) const {
    while (bytes > 0) {
        const auto part = sentence(random.below(kSentences)).substr(0, bytes);
        out.append(part);
        bytes -= part.size();
    }
}

}  // namespace crucible::lab
