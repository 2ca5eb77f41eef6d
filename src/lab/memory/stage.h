#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace crucible::lab {

/// The parts of an event's path (docs/path-of-an-event.md) in which memory is allocated, in its
/// order.
enum class Stage : std::uint8_t {
    client,           ///< what hands events to the system, and reads their ends
    transport,        ///< what carries them between processes
    router,           ///< finds where they go
    queue,            ///< keeps them until they are taken
    service,          ///< handles them
    acknowledgement,  ///< what becomes of them then: ends, retries, dead letters
    elsewhere,        ///< what is on no part of the path, or is not known to be
};
inline constexpr std::array kStages{Stage::client,   Stage::transport, Stage::router,
                                    Stage::queue,    Stage::service,   Stage::acknowledgement,
                                    Stage::elsewhere};
std::string_view to_string(Stage stage) noexcept;

/// Each owner (docs/guides/memory.md) is of one stage; one that is not ours is `elsewhere`.
Stage stage_of(std::string_view owner) noexcept;

}  // namespace crucible::lab
