#include "lab/unwind/unwinder.h"

#include <elfutils/libdwfl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>

namespace crucible::lab {
namespace {

/// More than any stack that 16 KiB of memory can hold.
constexpr std::size_t kFramesMax = 2048;
/// A number of the one thread that libdwfl is told of.
constexpr pid_t kThread = 1;

// Of x86-64's DWARF registers.
constexpr int kBpRegister = 6;
constexpr int kSpRegister = 7;
constexpr int kPcRegister = 16;

/// Separate debug information is not looked for: the tables are in the files themselves, and
/// libdwfl's own search may ask servers.
int no_debug_information(Dwfl_Module*, void**, const char*, Dwarf_Addr, const char*, const char*,
                         GElf_Word, char**) {
    return -1;
}

const Dwfl_Callbacks kFiles{.find_elf = ::dwfl_linux_proc_find_elf,
                            .find_debuginfo = no_debug_information,
                            .section_address = nullptr,
                            .debuginfo_path = nullptr};

}  // namespace

struct Unwinder::State {
    Dwfl* session = nullptr;
    const alloc::StackMemory* stack = nullptr;  ///< that is being unwound

    ~State() {
        if (session != nullptr) ::dwfl_end(session);
    }

    static pid_t next_thread(Dwfl*, void* state, void** thread) {
        if (*thread != nullptr) return 0;
        *thread = state;
        return kThread;
    }
    static bool get_thread(Dwfl*, pid_t, void* state, void** thread) {
        *thread = state;
        return true;
    }
    static bool read_memory(Dwfl*, Dwarf_Addr address, Dwarf_Word* word, void* state) {
        const auto& stack = *static_cast<State*>(state)->stack;
        if (address < stack.sp || stack.bytes.size() < sizeof *word ||
            address - stack.sp > stack.bytes.size() - sizeof *word)
            return false;
        ::memcpy(word, stack.bytes.data() + (address - stack.sp), sizeof *word);
        return true;
    }
    static bool set_registers(Dwfl_Thread* thread, void* state) {
        const auto& stack = *static_cast<State*>(state)->stack;
        const Dwarf_Word bp_and_sp[] = {stack.bp, stack.sp};
        const Dwarf_Word pc = stack.pc;
        static_assert(kSpRegister == kBpRegister + 1);
        return ::dwfl_thread_state_registers(thread, kBpRegister, 2, bp_and_sp) &&
               ::dwfl_thread_state_registers(thread, kPcRegister, 1, &pc);
    }
    static constexpr Dwfl_Thread_Callbacks kThreads{.next_thread = next_thread,
                                                    .get_thread = get_thread,
                                                    .memory_read = read_memory,
                                                    .set_initial_registers = set_registers,
                                                    .detach = nullptr,
                                                    .thread_detach = nullptr};
};

Unwinder::Unwinder(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
Unwinder::Unwinder(Unwinder&&) noexcept = default;
Unwinder& Unwinder::operator=(Unwinder&&) noexcept = default;
Unwinder::~Unwinder() = default;

Result<Unwinder> Unwinder::make(const std::string& maps) {
    const auto failure = [](Errc code, const char* what) {
        return std::unexpected(Error{code, std::string(what) + ": " + ::dwfl_errmsg(-1)});
    };
    auto state = std::make_unique<State>();
    state->session = ::dwfl_begin(&kFiles);
    if (state->session == nullptr) return failure(Errc::unsupported, "libdwfl");
    if (maps.empty()) return std::unexpected(Error{Errc::corrupt, "no mappings"});
    FILE* const text = ::fmemopen(const_cast<char*>(maps.data()), maps.size(), "r");
    if (text == nullptr) return std::unexpected(Error{Errc::corrupt, "no mappings"});
    ::dwfl_report_begin(state->session);
    const int reported = ::dwfl_linux_proc_maps_report(state->session, text);
    ::fclose(text);
    ::dwfl_report_end(state->session, nullptr, nullptr);
    if (reported != 0) return failure(Errc::corrupt, "mappings");
    if (!::dwfl_attach_state(state->session, nullptr, ::getpid(), &State::kThreads, state.get()))
        return failure(Errc::unsupported, "mappings");
    return Unwinder(std::move(state));
}

std::vector<std::uint64_t> Unwinder::frames(const alloc::StackMemory& stack) {
    state_->stack = &stack;
    std::vector<std::uint64_t> found;
    // It also says -1 at the end of a stack that is whole.
    ::dwfl_getthread_frames(
        state_->session, kThread,
        [](Dwfl_Frame* frame, void* to) -> int {
            auto& pcs = *static_cast<std::vector<std::uint64_t>*>(to);
            Dwarf_Addr pc = 0;
            if (!::dwfl_frame_pc(frame, &pc, nullptr) || pc == 0) return DWARF_CB_ABORT;
            pcs.push_back(pc);
            return pcs.size() < kFramesMax ? DWARF_CB_OK : DWARF_CB_ABORT;
        },
        &found);
    state_->stack = nullptr;
    if (found.empty()) found.push_back(stack.pc);
    return found;
}

std::vector<std::uint64_t> joined_frames(std::vector<std::uint64_t> by_tables,
                                         const std::vector<std::uint64_t>& by_pointers) {
    // The outermost that both have: beyond it, one of them knows more.
    for (std::size_t i = by_tables.size(); i > 0; --i) {
        // From the outside, too: in a recursion the same address is there many times.
        const auto same = std::find(by_pointers.rbegin(), by_pointers.rend(), by_tables[i - 1]);
        if (same == by_pointers.rend()) continue;
        const auto rest = same.base();
        const auto more = static_cast<std::size_t>(by_pointers.end() - rest);
        if (more <= by_tables.size() - i) break;
        by_tables.resize(i);
        by_tables.insert(by_tables.end(), rest, by_pointers.end());
        break;
    }
    return by_tables;
}

void unwind(const alloc::StacksReader& reader, alloc::StackSnapshot& snapshot) {
    std::map<std::uint32_t, std::optional<Unwinder>> unwinders;  // by the mappings' number
    for (auto& stack : snapshot.stacks) {
        if (!stack.raw || !stack.maps) continue;
        const auto memory = reader.memory(*stack.raw);
        if (!memory) continue;
        auto& unwinder = unwinders[*stack.maps];
        if (!unwinder) {
            auto made = Unwinder::make(snapshot.maps[*stack.maps]);
            if (!made) continue;
            unwinder = std::move(*made);
        }
        stack.pcs = joined_frames(unwinder->frames(*memory), stack.pcs);
    }
}

}  // namespace crucible::lab
