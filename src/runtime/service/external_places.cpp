#include "runtime/service/external_places.h"

#include <algorithm>

#include "base/assert.h"

namespace crucible::runtime {
namespace {

bool is_alphanumeric(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

}  // namespace

bool is_service_name(std::string_view name) noexcept {
    constexpr std::size_t bytes_max = 64;
    return !name.empty() && name.size() <= bytes_max && is_alphanumeric(name.front()) &&
           std::ranges::all_of(
               name, [](char c) { return is_alphanumeric(c) || c == '.' || c == '_' || c == '-'; });
}

ExternalPlaces::ExternalPlaces(std::size_t count, std::span<const ExpectedService> expected)
    : places_(count) {
    CRUCIBLE_ASSERT(count <= kMax && expected.size() <= count);
    for (std::size_t i = 0; i < expected.size(); ++i) {
        places_[i].name = expected[i].name;
        places_[i].kept = true;
        const auto place = take(expected[i].name, expected[i].categories);
        CRUCIBLE_ASSERT(place && *place == i);
    }
}

Result<std::size_t> ExternalPlaces::take(std::string_view name,
                                         std::span<const Category> categories) {
    const std::lock_guard lock(mutex_);
    std::optional<std::size_t> chosen;
    for (std::size_t i = 0; i < places_.size(); ++i) {
        const Place& place = places_[i];
        if (place.name == name) {
            if (taken(i)) {
                return std::unexpected(Error{Errc::already_exists,
                                             "a service named " + std::string(name) + " exists"});
            }
            chosen = i;
            break;
        }
        if (taken(i) || place.kept) continue;
        // The longest: an event on its way to who had it last finds nobody, and not another.
        if (!chosen || place.left < places_[*chosen].left) chosen = i;
    }
    if (!chosen) {
        return std::unexpected(
            Error{Errc::overloaded, "no place is left for another external service: there are " +
                                        std::to_string(places_.size())});
    }
    places_[*chosen].name = name;
    taken_.fetch_or(std::uint64_t{1} << *chosen);
    set_categories(*chosen, categories);
    return *chosen;
}

void ExternalPlaces::serve(std::size_t place, std::span<const Category> categories) {
    const std::lock_guard lock(mutex_);
    set_categories(place, categories);
}

/// Under the mutex.
void ExternalPlaces::set_categories(std::size_t place, std::span<const Category> categories) {
    CRUCIBLE_ASSERT(!categories.empty());
    places_[place].category = categories.front();
    const std::uint64_t bit = std::uint64_t{1} << place;
    for (std::size_t i = 0; i < kCategoryCount; ++i) {
        if (std::ranges::find(categories, static_cast<Category>(i)) != categories.end()) {
            serving_[i].fetch_or(bit);
        } else {
            serving_[i].fetch_and(~bit);
        }
    }
}

void ExternalPlaces::leave(std::size_t place) {
    const std::lock_guard lock(mutex_);
    const std::uint64_t others = ~(std::uint64_t{1} << place);
    for (auto& serving : serving_) serving.fetch_and(others);
    taken_.fetch_and(others);
    if (!places_[place].kept) places_[place].name.clear();
    places_[place].left = ++leavings_;
}

std::optional<std::size_t> ExternalPlaces::find(std::string_view name) const {
    if (!any_taken()) return std::nullopt;
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < places_.size(); ++i)
        if (taken(i) && places_[i].name == name) return i;
    return std::nullopt;
}

std::string ExternalPlaces::name_of(std::size_t place) const {
    const std::lock_guard lock(mutex_);
    return places_[place].name;
}

Category ExternalPlaces::category_of(std::size_t place) const {
    const std::lock_guard lock(mutex_);
    return places_[place].category;
}

}  // namespace crucible::runtime
