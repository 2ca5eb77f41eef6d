#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "alloc/stacks.h"
#include "crucible/error.h"

namespace crucible::lab {

/// Finds the frames of saved stacks by the unwinding tables (.eh_frame) of the files that the
/// process had mapped, with which it need not run any more. They have to be what they were: from
/// another build of a library come other frames. Not thread-safe.
class Unwinder {
public:
    /// `maps`: the text of /proc/<pid>/maps. Files that are gone are left out, and end a stack.
    /// - Errc::corrupt: it is not such a text. - Errc::unsupported: nothing in it can be unwound.
    static Result<Unwinder> make(const std::string& maps);
    Unwinder(Unwinder&&) noexcept;
    Unwinder& operator=(Unwinder&&) noexcept;
    ~Unwinder();

    /// Return addresses, innermost first, beginning with stack.pc. Ends early where there is no
    /// table and no frame pointer either, or the memory that was saved ends.
    std::vector<std::uint64_t> frames(const alloc::StackMemory& stack);

private:
    struct State;
    explicit Unwinder(std::unique_ptr<State> state) noexcept;
    std::unique_ptr<State> state_;
};

/// The frames that the tables find, and where those end before the frame pointers do, what these
/// say of the rest.
std::vector<std::uint64_t> joined_frames(std::vector<std::uint64_t> by_tables,
                                         const std::vector<std::uint64_t>& by_pointers);

/// Puts all frames that can be found into the stacks' pcs, from the memory that was saved of them.
/// Several may then be the same: what told them apart was on the stack and no frame.
void unwind(const alloc::StacksReader& reader, alloc::StackSnapshot& snapshot);

}  // namespace crucible::lab
