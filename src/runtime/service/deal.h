#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "crucible/event.h"

namespace crucible::runtime {

/// The six categories with services and their shares of the production mix, in percent.
struct CategoryShare {
    Category category;
    std::uint32_t percent;
};
inline constexpr std::array<CategoryShare, 6> kProductionMix = {{{Category::filesystem, 30},
                                                                 {Category::database, 25},
                                                                 {Category::external, 20},
                                                                 {Category::mcp, 10},
                                                                 {Category::service, 10},
                                                                 {Category::system, 5}}};

/// The categories that each of `services` instances serves.
/// - Six or more: each category one, and every further instance to the category that is furthest
/// below its share
///   (of equals the first): 10 make 3, 2, 2, 1, 1, 1. Instances of one category stand together.
/// - Fewer: an instance serves several, dealt so that the shares are as even as can be: 3 make
///   {filesystem, system}, {database, service}, {external, mcp}. No event is without a handler.
std::vector<std::vector<Category>> deal_categories(std::uint32_t services);

}  // namespace crucible::runtime
