#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "crucible/event.h"

namespace crucible::runtime {

/// The names an event is addressed to, wherever they lie: in an Event, or in the buffer it was
/// received in. Refers to them.
class TargetNames {
public:
    constexpr TargetNames() = default;
    TargetNames(std::span<const std::string> names) noexcept
        : strings_(names.data()), size_(names.size()) {}
    TargetNames(std::span<const std::string_view> names) noexcept
        : views_(names.data()), size_(names.size()) {}

    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    std::string_view operator[](std::size_t index) const noexcept {
        return strings_ != nullptr ? std::string_view(strings_[index]) : views_[index];
    }

private:
    const std::string* strings_ = nullptr;
    const std::string_view* views_ = nullptr;
    std::size_t size_ = 0;
};

/// What routing needs to know of an event: its header, not its payload. Refers to the texts, so
/// that an event can be routed before it is decoded. Any content is safe, unknown enumerators too.
struct EventView {
    Category category = Category::custom;
    Priority priority = Priority::normal;
    std::string_view type;
    std::string_view source;
    TargetNames targets;
    std::uint64_t payload_bytes = 0;
    bool scheduled = false;  ///< it has a time before which nobody shall have it
};

inline EventView view_of(const Event& event) noexcept {
    return {.category = event.category,
            .priority = event.priority,
            .type = event.type,
            .source = event.source,
            .targets = std::span<const std::string>(event.targets),
            .payload_bytes = event.payload.size(),
            .scheduled = event.not_before.has_value()};
}

}  // namespace crucible::runtime
