#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crucible/error.h"
#include "crucible/event.h"

namespace crucible::runtime {

/// Whether `name` can be a service's: 1 to 64 letters, digits, '.', '_' or '-', a letter or digit
/// first.
bool is_service_name(std::string_view name) noexcept;

/// A service outside this process that is expected: its place is kept for it.
struct ExpectedService {
    std::string name;
    std::vector<Category> categories;  ///< at least one
};

/// The places of services outside this process: a fixed number, taken and left while events are
/// routed. A place that is taken has a name and serves categories, whether its service is there at
/// the moment or not (InstanceStates says that). Thread-safe; routing by category takes no lock.
class ExternalPlaces {
public:
    static constexpr std::size_t kMax = 64;

    /// `count`: at most kMax. The first are kept for `expected`, at most so many, all of different
    /// names, and are taken from the start; rules may name these.
    explicit ExternalPlaces(std::size_t count = 0, std::span<const ExpectedService> expected = {});

    std::size_t size() const noexcept { return places_.size(); }

    /// The places that serve `category` now: bit i stands for place i.
    std::uint64_t serving(Category category) const noexcept {
        return serving_[static_cast<std::size_t>(category)].load(std::memory_order_relaxed);
    }

    /// Takes the place kept for `name`, or else the one that has been free for longest, for a
    /// service that serves `categories` (at least one). - Errc::already_exists: it has one.
    /// - Errc::overloaded: none is free; the message says how many there are.
    Result<std::size_t> take(std::string_view name, std::span<const Category> categories);
    /// The service that has `place` serves `categories` from now on.
    void serve(std::size_t place, std::span<const Category> categories);
    /// Gives a place up; one that is kept for a name keeps it.
    void leave(std::size_t place);

    /// The place taken by the service of that name.
    std::optional<std::size_t> find(std::string_view name) const;
    bool any_taken() const noexcept { return taken_.load(std::memory_order_relaxed) != 0; }
    bool taken(std::size_t place) const noexcept {
        return (taken_.load(std::memory_order_relaxed) >> place & 1u) != 0;
    }
    /// Of who has it, or for whom it is kept; else empty.
    std::string name_of(std::size_t place) const;
    /// The first of those that it serves.
    Category category_of(std::size_t place) const;

private:
    void set_categories(std::size_t place, std::span<const Category> categories);

    struct Place {
        std::string name;
        bool kept = false;  ///< for that name
        Category category = Category::custom;
        std::uint64_t left = 0;  ///< when it was left, as a count
    };

    std::array<std::atomic<std::uint64_t>, kCategoryCount> serving_{};
    std::atomic<std::uint64_t> taken_ = 0;
    mutable std::mutex mutex_;
    std::vector<Place> places_;  ///< their number is fixed
    std::uint64_t leavings_ = 0;
};

}  // namespace crucible::runtime
