#pragma once

#include <cstddef>
#include <string_view>

/// Leaks that tests have the runtime make, to see that they are found where they are. Only builds
/// with CRUCIBLE_FAILPOINTS have the places; nothing of them is in any other.
namespace crucible::base {

/// How many bytes `place` shall lose, by the environment variable CRUCIBLE_PLANTED_LEAK:
/// "PLACE:64B" for each time it is passed, "PLACE:48B/1000" for every thousandth. Ends the process,
/// with a line that says why, where it is neither.
class PlantedLeak {
public:
    explicit PlantedLeak(std::string_view place);

    /// Bytes to lose this time. One thread at a time; where several pass, some times may be missed.
    std::size_t due() noexcept {
        if (bytes_ == 0 || ++passed_ % every_ != 0) return 0;
        return bytes_;
    }

private:
    std::size_t bytes_ = 0;
    std::size_t every_ = 1;
    std::size_t passed_ = 0;
};

/// Keeps the optimiser from seeing that nobody has the block.
void lose(void* block) noexcept;

}  // namespace crucible::base

/// The allocation is made by the function that this stands in.
#ifdef CRUCIBLE_FAILPOINTS
#define CRUCIBLE_LEAK_POINT(place)                                 \
    do {                                                           \
        thread_local ::crucible::base::PlantedLeak planted{place}; \
        if (const std::size_t bytes = planted.due(); bytes > 0)    \
            ::crucible::base::lose(::operator new(bytes));         \
    } while (false)
#else
#define CRUCIBLE_LEAK_POINT(place) static_cast<void>(0)
#endif
