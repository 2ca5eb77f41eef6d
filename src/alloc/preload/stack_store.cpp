#include "alloc/preload/stack_store.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <new>

#include "alloc/preload/counter.h"
#include "alloc/preload/region_file.h"
#include "alloc/preload/slow_lock.h"
#include "alloc/preload/stack_index.h"

namespace crucible::alloc {

constinit StackStore store_of_stacks;

namespace {

constinit StackFile*& file = store_of_stacks.file;
constinit const CodeMap*& code = store_of_stacks.code;
constinit std::uint32_t& first_number = store_of_stacks.first_number;
constinit bool& is_open = store_of_stacks.is_open;
constinit std::uint8_t*& owners_of_numbers = store_of_stacks.owners_of_numbers;

constinit SlowLock lock;
// All under the lock, except that what is published atomically is read without.
constinit const Region* region = nullptr;
constinit std::uint64_t mean = 0;
constinit bool has_failed = false;  // atomic
constinit StackIndex stack_index;
/// From so many stacks on, the mappings are looked at again.
constinit std::uint32_t look_again_at = 0;
constinit bool has_strange_code = false;
constexpr std::uint32_t kNumbers = 1U << kTallyBits;

/// A part of the file that is filled from its beginning.
class Part {
public:
    constexpr Part(std::size_t offset, std::size_t bytes) noexcept
        : offset_(offset), bytes_(bytes) {}
    /// Has memory set aside for its first `end` bytes.
    bool back(std::size_t end) noexcept {
        if (end <= backed_) return true;
        if (end > bytes_) return false;
        std::size_t next = (end + kStep - 1) / kStep * kStep;
        if (next > bytes_) next = bytes_;
        if (!populate(reinterpret_cast<std::byte*>(file) + offset_ + backed_, next - backed_))
            return false;
        backed_ = next;
        return true;
    }
    void forget() noexcept { backed_ = 0; }

private:
    /// Little at a time, because somebody waits in malloc for it.
    static constexpr std::size_t kStep = std::size_t{16} << 10;
    std::size_t offset_;
    std::size_t bytes_;
    std::size_t backed_ = 0;
};
constinit Part stacks_part(offsetof(StackFile, stacks), sizeof(StackFile::stacks));
constinit Part tallies_part(offsetof(StackFile, tallies), sizeof(StackFile::tallies));
constinit Part pcs_part(offsetof(StackFile, pcs), sizeof(StackFile::pcs));
constinit Part maps_part(offsetof(StackFile, maps_text), sizeof(StackFile::maps_text));
constinit Part raw_part(offsetof(StackFile, raw), sizeof(StackFile::raw));

ClockPair now() noexcept {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return {clock_ticks(), static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
                               static_cast<std::uint64_t>(time.tv_nsec)};
}

void note_clock_locked() noexcept {
    __atomic_fetch_add(&file->clock_writes, 1, __ATOMIC_ACQ_REL);
    const ClockPair pair = now();
    store(file->seen.ticks, pair.ticks);
    store(file->seen.ns, pair.ns);
    __atomic_fetch_add(&file->clock_writes, 1, __ATOMIC_RELEASE);
}

void keep_maps(std::uint32_t number, const char* text, std::size_t bytes) noexcept {
    const Maps* const last = number == 0 ? nullptr : &file->maps[number - 1];
    const std::uint32_t begin = last == nullptr ? 0 : last->offset + last->bytes;
    if (number == kMapsMax || !maps_part.back(begin + bytes)) {
        store(file->maps_not_saved, load(file->maps_not_saved) + 1);
        return;
    }
    ::memcpy(file->maps_text.data() + begin, text, bytes);
    file->maps[number] = {begin, static_cast<std::uint32_t>(bytes)};
    __atomic_store_n(&file->maps_used, number + 1, __ATOMIC_RELEASE);
}

/// Reads the mappings, and keeps their text if there is other code now and room for it.
void look_at_maps() noexcept {
    constexpr std::size_t kTextMax = std::size_t{1} << 20;
    auto* const text = static_cast<char*>(private_memory(kTextMax));
    void* const memory = private_memory(sizeof(CodeMap));
    const std::size_t bytes = text == nullptr || memory == nullptr ? 0 : read_maps(text, kTextMax);
    const CodeMap* fresh = nullptr;
    if (bytes > 0) {
        auto* const made = new (memory) CodeMap;
        MapsText parser;
        parser.feed(text, bytes, [&](const Mapping& mapping) { made->add(mapping); });
        fresh = made;
    }
    const std::uint32_t used = load(file->maps_used);
    if (fresh == nullptr) {
        store(file->maps_not_saved, load(file->maps_not_saved) + 1);
    } else if (used == 0 || *fresh != *code) {
        // Whoever has the old one goes on with it, which is why it stays.
        __atomic_store_n(&code, fresh, __ATOMIC_RELEASE);
        keep_maps(used, text, bytes);
    }
    if (memory != nullptr && code != fresh) ::munmap(memory, sizeof(CodeMap));
    if (text != nullptr) ::munmap(text, kTextMax);
}

/// Nobody says when a library is loaded. A caller of malloc that is no code that was known is one
/// of its; but most call through others. So also now and then, each time when there are an eighth
/// more stacks: 60 times for all that there is room for. Each takes longer than 20 new stacks.
void look_for_new_code(std::uintptr_t caller) noexcept {
    const bool is_strange = !code->holds(caller) && !has_strange_code;
    const std::uint32_t stacks = load(file->stacks_used);
    if (!is_strange && stacks < look_again_at) return;
    look_at_maps();
    look_again_at = stacks + stacks / 8;
    has_strange_code = has_strange_code || (is_strange && !code->holds(caller));
}

/// The stack's memory, to be unwound by a reader. kNone: there is no room for it.
std::uint32_t save_raw(const CallSite& site, std::uintptr_t top, std::uint32_t stack) noexcept {
    const std::size_t begin = load(file->raw_used);
    const std::size_t bytes = top - site.sp < kRawBytesMax ? top - site.sp : kRawBytesMax;
    const std::size_t end = (begin + sizeof(RawStack) + bytes + 15) / 16 * 16;
    if (!raw_part.back(end)) {
        store(file->raw_not_saved, load(file->raw_not_saved) + 1);
        return kNone;
    }
    std::byte* const to = file->raw.data() + begin;
    const RawStack raw{site.pc, site.sp, site.bp, stack, static_cast<std::uint32_t>(bytes)};
    ::memcpy(to, &raw, sizeof raw);
    ::memcpy(to + sizeof raw, reinterpret_cast<const void*>(site.sp), bytes);
    store(file->raw_used, static_cast<std::uint64_t>(end));
    return static_cast<std::uint32_t>(begin / 16);
}

void keep_owner_name(std::uint32_t owner) noexcept {
    auto& name = file->owners[owner];
    if (name[0] == '\0') ::memcpy(name.data(), region->owners[owner].name.data(), name.size());
}

/// 0: there is no room for it.
std::uint32_t make_stack(std::uint64_t hash, const CallSite& site, std::uintptr_t top,
                         std::uint32_t owner) noexcept {
    const std::uint32_t number = load(file->stacks_used);
    const std::uint32_t first = load(file->pcs_used);
    if (number == kStacksMax || !stacks_part.back((number + 1) * sizeof(StackEntry)) ||
        !pcs_part.back((first + kFramesMax) * sizeof(std::uint64_t)) || !stack_index.has_room())
        return 0;
    look_for_new_code(site.pc);
    StackEntry& entry = file->stacks[number];
    std::uint32_t frames = 0;
    walk_frames(site, top, [&](std::uintptr_t pc) {
        if (!code->holds(pc) && frames > 0) return false;
        file->pcs[first + frames++] = pc;
        return true;
    });
    store(file->pcs_used, first + frames);
    entry.hash = hash;
    entry.owner = owner;
    entry.frames = frames;
    entry.first_pc = first;
    const std::uint32_t maps = load(file->maps_used);
    entry.maps = maps == 0 ? kNone : maps - 1;
    entry.depth_bytes = top == 0 ? 0 : top - site.sp;
    entry.raw = top == 0 ? kNone : save_raw(site, top, number);
    keep_owner_name(owner);
    __atomic_store_n(&file->stacks_used, number + 1, __ATOMIC_RELEASE);
    stack_index.add(hash, number);
    note_clock_locked();
    return number;
}

std::uint32_t tally_for_no_room(std::uint32_t owner) noexcept {
    keep_owner_name(owner);
    return owner;
}

/// 0: that thread has none.
std::uint32_t tally_in(const StackEntry& stack, std::uint32_t thread) noexcept {
    std::uint32_t at = __atomic_load_n(&stack.tallies, __ATOMIC_ACQUIRE);
    while (at != 0 && file->tallies[at].thread != thread) at = file->tallies[at].next;
    return at;
}

/// A new file of the size. Negative: there is none.
int new_stack_file() noexcept {
    const char* const stem = region_file_stem();
    if (stem == nullptr) return -1;
    static char path[kPathMax];  // not on a stack that may be small
    ::strcpy(path, stem);
    ::strcat(path, ".stacks");
    ::unlink(path);  // of an earlier process, whose region was removed without it
    return new_sparse_file(path, sizeof(StackFile), offsetof(StackFile, lifetimes));
}

/// The first ones stand for what there is no room for.
bool begin_file() noexcept {
    constexpr std::uint32_t kFirst = kOwnersMax;
    if (first_number + kFirst > kNumbers) return false;
    stack_index.forget();
    if (!stack_index.has_room() || !stacks_part.back(kFirst * sizeof(StackEntry)) ||
        !tallies_part.back(kFirst * sizeof(Tally)))
        return false;
    file->version = kStacksVersion;
    file->pid = static_cast<std::uint32_t>(::getpid());
    file->bytes = sizeof(StackFile);
    file->mean_bytes = mean;
    file->first_tally = first_number;
    file->begun = now();
    file->seen = file->begun;
    for (std::uint32_t i = 0; i < kFirst; ++i) {
        file->stacks[i].owner = i;
        file->stacks[i].maps = kNone;
        file->tallies[i].stack = i;
        file->tallies[i].owner = i;
        file->tallies[i].thread = kNone;
        owners_of_numbers[first_number + i] = static_cast<std::uint8_t>(i);
    }
    file->stacks_used = kFirst;
    file->tallies_used = kFirst;
    look_at_maps();
    if (code == nullptr) return false;
    __atomic_store_n(&file->magic, kStacksMagic, __ATOMIC_RELEASE);
    return true;
}

}  // namespace

bool prepare_stacks(const Region& of, std::uint64_t mean_bytes) noexcept {
    if (region_file_stem() == nullptr) return false;
    region = &of;
    mean = mean_bytes;
    owners_of_numbers = static_cast<std::uint8_t*>(private_memory(kNumbers));
    void* const place = ::mmap(nullptr, sizeof(StackFile), PROT_NONE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (place != MAP_FAILED) file = static_cast<StackFile*>(place);
    return file != nullptr && owners_of_numbers != nullptr;
}

bool open_stacks() noexcept {
    if (__atomic_load_n(&is_open, __ATOMIC_ACQUIRE)) return true;
    if (load(has_failed)) return false;
    const SlowLock::Hold hold(lock);
    if (is_open || has_failed) return is_open;
    const int made = new_stack_file();
    const bool is_mapped = made >= 0 && ::mmap(file, sizeof(StackFile), PROT_READ | PROT_WRITE,
                                               MAP_SHARED | MAP_FIXED, made, 0) != MAP_FAILED;
    if (made >= 0) ::syscall(SYS_close, made);
    if (is_mapped && begin_file())
        __atomic_store_n(&is_open, true, __ATOMIC_RELEASE);
    else
        store(has_failed, true);
    return is_open;
}

std::uint32_t find_tally(std::uint64_t hash, std::uint32_t thread) noexcept {
    const std::uint32_t stack = stack_index.find(hash);
    return stack == 0 ? 0 : tally_in(file->stacks[stack], thread);
}

std::uint32_t add_tally(std::uint64_t hash, const CallSite& site, std::uintptr_t top,
                        std::uint32_t owner, std::uint32_t thread) noexcept {
    const SlowLock::Hold hold(lock);
    std::uint32_t stack = stack_index.find(hash);
    if (stack == 0) stack = make_stack(hash, site, top, owner);
    if (stack == 0) return tally_for_no_room(owner);
    // By another thread, or a signal handler, meanwhile.
    if (const std::uint32_t made = tally_in(file->stacks[stack], thread); made != 0) return made;
    const std::uint32_t number = load(file->tallies_used);
    if (number == kTalliesMax || first_number + number == kNumbers ||
        !tallies_part.back((number + 1) * sizeof(Tally)))
        return tally_for_no_room(owner);
    Tally& tally = file->tallies[number];
    tally.stack = stack;
    tally.thread = thread;
    tally.owner = owner;
    tally.next = load(file->stacks[stack].tallies);
    owners_of_numbers[first_number + number] = static_cast<std::uint8_t>(owner);
    __atomic_store_n(&file->stacks[stack].tallies, number, __ATOMIC_RELEASE);
    __atomic_store_n(&file->tallies_used, number + 1, __ATOMIC_RELEASE);
    return number;
}

bool add_lifetimes(std::uint32_t row, std::uint32_t owner) noexcept {
    const std::size_t page = row * sizeof(Lifetimes) / kPageBytes;
    const SlowLock::Hold hold(lock);
    auto* const begin = reinterpret_cast<std::byte*>(file->lifetimes.data());
    if (!populate(begin + page * kPageBytes, kPageBytes)) return false;
    __atomic_fetch_or(&file->lifetimes_used[page / 64], std::uint64_t{1} << (page % 64),
                      __ATOMIC_RELEASE);
    store(file->lifetimes[row].owner_and_one, std::uint64_t{owner} + 1);
    return true;
}

void note_clock() noexcept {
    const SlowLock::Hold hold(lock);
    note_clock_locked();
}

void stacks_before_fork() noexcept {
    lock.acquire();
}

void stacks_after_fork_in_parent() noexcept {
    lock.release();
}

void stacks_after_fork_in_child() noexcept {
    if (is_open) {
        first_number += file->tallies_used;
        // Not the parent's any more. Private memory in its place, instead of nothing, for the
        // sample that a signal handler may have interrupted to fork.
        ::mmap(file, sizeof(StackFile), PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
        for (auto* part : {&stacks_part, &tallies_part, &pcs_part, &maps_part, &raw_part})
            part->forget();
        look_again_at = 0;
        is_open = false;
    }
    lock.release();
}

}  // namespace crucible::alloc
