#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace crucible::bench {

/// A share that was counted, and what it may be.
struct Figure {
    std::string name;
    std::uint64_t count = 0;
    std::uint64_t of = 0;  ///< at least 1
    double low = 0;        ///< the promise: within [low, high]
    double high = 1;

    double share() const { return static_cast<double>(count) / static_cast<double>(of); }
    bool promised() const { return low > 0 || high < 1; }
    bool kept() const { return share() >= low && share() <= high; }
    /// 95 %, Clopper & Pearson.
    std::pair<double, double> interval() const;
    /// Outside the promise beyond what so many runs may show by chance.
    bool broken() const;
    /// "kept", "open", "BROKEN", or nothing where nothing is promised.
    std::string_view state() const;
};

/// Prints it as one line, at once.
void print(const Figure& figure);

}  // namespace crucible::bench
