#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "crucible/error.h"
#include "crucible/service.h"

namespace crucible::lab {

/// What is wrong with an event on purpose.
enum class Fault : std::uint8_t {
    none,
    malformed,  ///< no JSON, no such type, or a wrong signature: must be rejected
    failing,    ///< work on what does not exist: must fail
    duplicate,  ///< the event before it once more, attempt 2: must be handled, without effect
};
inline constexpr std::size_t kFaultCount = 4;
std::string_view to_string(Fault fault) noexcept;

/// How an event with this fault must end.
Outcome expected_outcome(Fault fault) noexcept;

/// Faulty events among the others of a stream, at exact rates: of every n events of a client
/// n * share, to one, are faulty. They stand between the events of the stream, which stay whole:
/// none of these is changed or left out.
class Faults {
public:
    /// None.
    Faults() = default;
    /// "malformed=0.1%,failing=1%,duplicates=0.5%", half of all events at most.
    /// - Errc::invalid_argument.
    static Result<Faults> parse(std::string_view text);

    bool any() const noexcept { return total_ > 0; }
    /// What event number `ordinal` of a client is; `seed` decides which kind.
    Fault at(std::uint64_t seed, std::uint64_t ordinal, std::uint64_t index) const noexcept;
    /// How many of a client's events before `ordinal` are faulty.
    std::uint64_t before(std::uint64_t ordinal) const noexcept;
    /// The ordinal of the client's sound event number `sound`.
    std::uint64_t ordinal_of(std::uint64_t sound) const noexcept;
    const std::string& text() const noexcept { return text_; }

private:
    static constexpr std::uint64_t kWhole = 1'000'000;
    std::array<std::uint64_t, kFaultCount> shares_{};  ///< of each kind, in millionths
    std::uint64_t total_ = 0;
    std::string text_;
};

}  // namespace crucible::lab
