#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <string>

namespace crucible::lab {

/// What went otherwise than expected, each kind with how often. Keeps the first few kinds, as a
/// broken peer can say something else each time.
class Remarks {
public:
    static constexpr std::size_t kKindsMax = 8;

    void add(const std::string& what) {
        const auto found = counts_.find(what);
        if (found != counts_.end()) {
            ++found->second;
        } else if (counts_.size() < kKindsMax) {
            counts_.emplace(what, 1);
        }
    }

    /// "status 503 (12x); status 504 (1x)"; empty when there is none.
    std::string text() const {
        std::string text;
        for (const auto& [what, count] : counts_)
            text += fmt::format("{}{} ({}x)", text.empty() ? "" : "; ", what, count);
        return text;
    }

private:
    std::map<std::string, std::uint64_t> counts_;
};

}  // namespace crucible::lab
