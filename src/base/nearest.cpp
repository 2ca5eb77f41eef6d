#include "base/nearest.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

namespace crucible::base {
namespace {

/// Levenshtein distance, one row of the table at a time.
std::size_t edits_between(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
        }
    }
    return row.back();
}

}  // namespace

std::string_view nearest(std::string_view text, std::span<const std::string_view> known) {
    std::string_view best;
    std::size_t best_edits = 0;
    for (const auto candidate : known) {
        const std::size_t edits = edits_between(text, candidate);
        const std::size_t allowed = std::max<std::size_t>(2, candidate.size() / 3);
        if (edits <= allowed && (best.empty() || edits < best_edits)) {
            best = candidate;
            best_edits = edits;
        }
    }
    return best;
}

}  // namespace crucible::base
