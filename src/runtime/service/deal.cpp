#include "runtime/service/deal.h"

#include <algorithm>

#include "base/assert.h"

namespace crucible::runtime {
namespace {

std::vector<std::vector<Category>> deal_several(std::uint32_t services) {
    std::vector<std::vector<Category>> instances(services);
    std::vector<std::uint32_t> loads(services);
    // The mix is sorted by share, so each category goes to the least loaded instance: longest job
    // first.
    for (const auto& [category, percent] : kProductionMix) {
        const auto least = std::ranges::min_element(loads) - loads.begin();
        instances[static_cast<std::size_t>(least)].push_back(category);
        loads[static_cast<std::size_t>(least)] += percent;
    }
    return instances;
}

}  // namespace

std::vector<std::vector<Category>> deal_categories(std::uint32_t services) {
    CRUCIBLE_ASSERT(services >= 1);
    if (services < kProductionMix.size()) return deal_several(services);
    std::array<std::int64_t, kProductionMix.size()> counts;
    counts.fill(1);
    for (std::uint32_t dealt = kProductionMix.size(); dealt < services; ++dealt) {
        // How far below its share, in hundredths of an instance.
        const auto deficit = [&](std::size_t i) {
            return std::int64_t{kProductionMix[i].percent} * services - 100 * counts[i];
        };
        std::size_t next = 0;
        for (std::size_t i = 1; i < counts.size(); ++i) {
            if (deficit(i) > deficit(next)) next = i;
        }
        ++counts[next];
    }
    std::vector<std::vector<Category>> instances;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        instances.insert(instances.end(), static_cast<std::size_t>(counts[i]),
                         {kProductionMix[i].category});
    }
    return instances;
}

}  // namespace crucible::runtime
