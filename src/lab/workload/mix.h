#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "crucible/error.h"
#include "crucible/event.h"

namespace crucible::lab {

/// Which share of the events each category has.
class Mix {
public:
    /// filesystem 30, database 25, external 20, mcp 10, service 10, system 5 percent.
    static Mix production();
    /// Events of one of these categories and no others.
    static Mix only(Category category);
    /// "filesystem=3,database=1": whole weights; a category that is not named has none.
    /// - Errc::invalid_argument: no category of that name, a weight that is no whole number, or
    /// shares that take more than 1,000 events to be exact.
    static Result<Mix> parse(std::string_view text);

    /// The least number of events that has exactly these shares, category after category.
    const std::vector<Category>& block() const noexcept { return block_; }
    const std::string& text() const noexcept { return text_; }

private:
    std::vector<Category> block_;
    std::string text_;
};

}  // namespace crucible::lab
