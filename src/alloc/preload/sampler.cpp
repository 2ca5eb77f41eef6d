#include "alloc/preload/sampler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <new>

#include "alloc/preload/counter.h"
#include "alloc/preload/poisson.h"
#include "alloc/preload/region_file.h"
#include "alloc/preload/stack_store.h"
#include "alloc/preload/tracker.h"

namespace crucible::alloc {

/// What a thread needs to take samples. In private memory; all zero is a good beginning.
struct Sampler {
    bool has_begun = false;
    SamplePoints points;
    OwnStack stack;
    std::uint64_t taken = 0;
    /// Tallies found lately: the upper bits of the stack's hash and the tally's place. One word
    /// each: a signal handler may write it at any time.
    std::array<std::uint64_t, 4096> known{};
};

namespace {

constinit bool is_on = false;
constinit double mean_bytes = 0;  ///< 0: every allocation
constinit std::uint64_t seed = 0;
constinit const Region* watched = nullptr;

constexpr std::uint64_t kPlace = (std::uint64_t{1} << kTallyBits) - 1;
constexpr std::uint64_t kBirths = (std::uint64_t{1} << kBirthBits) - 1;
constexpr std::uint64_t kClockNotesMask = 0xffff;

/// Digits and a unit. 0: it is neither that nor in the range.
std::uint64_t parsed_bytes(const char* text) noexcept {
    std::uint64_t number = 0;
    if (*text < '0' || *text > '9') return 0;
    for (; *text >= '0' && *text <= '9'; ++text) {
        number = number * 10 + static_cast<std::uint64_t>(*text - '0');
        if (number > std::uint64_t{1} << 40) return 0;
    }
    constexpr std::array<const char*, 4> kUnits{"B", "KiB", "MiB", "GiB"};
    for (std::size_t i = 0; i < kUnits.size(); ++i)
        if (::strcmp(text, kUnits[i]) == 0) number <<= 10 * i, text += ::strlen(text);
    return *text == '\0' && number <= std::uint64_t{1} << 40 ? number : 0;
}

void add_double(double& sum, double amount) noexcept {
    auto* const bits = reinterpret_cast<std::uint64_t*>(&sum);
    std::uint64_t seen = __atomic_load_n(bits, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(
        bits, &seen, std::bit_cast<std::uint64_t>(std::bit_cast<double>(seen) + amount), true,
        __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

/// Where this thread alone adds; of what a signal handler adds meanwhile, this sum may lose some.
void add_own_double(double& sum, double amount) noexcept {
    double value = sum + amount;
    __atomic_store(&sum, &value, __ATOMIC_RELAXED);
}

void add_shared(std::uint64_t& counter, std::uint64_t amount) noexcept {
    __atomic_fetch_add(&counter, amount, __ATOMIC_RELAXED);
}

void add_weighted(Weighted& sums, std::size_t bytes, const SampleWeight& weight) noexcept {
    const auto size = static_cast<double>(bytes);
    add_double(sums.count, weight.count);
    add_double(sums.bytes, weight.count * size);
    add_double(sums.count_variance, weight.count_variance);
    add_double(sums.bytes_variance, weight.count_variance * size * size);
}

Sampler* sampler_of(ThreadState& state) noexcept {
    if (state.sampler == nullptr) {
        const int before = errno;
        void* const memory = private_memory(sizeof(Sampler));
        errno = before;
        if (memory == nullptr) return nullptr;
        store(state.sampler, new (memory) Sampler);
    }
    Sampler& sampler = *state.sampler;
    if (!sampler.has_begun) {
        const auto slot = static_cast<std::uint64_t>(state.slot - watched->threads.data());
        // A forked process does not repeat what its parent does, nor its sisters.
        const std::uint64_t process = watched->forked_from == 0 ? 0 : watched->pid;
        sampler.points = SamplePoints(
            SampleRandom::mixed(SampleRandom::mixed(seed + (process << 32)) + slot), mean_bytes);
        sampler.has_begun = true;
    }
    return &sampler;
}

std::size_t guessed_bytes() noexcept {
    const StackFile& file = stack_file();
    if (load(file.raw_used) > kRawPoolBytes / 4 * 3 || load(file.stacks_used) > kStacksMax / 4 * 3)
        return kGuessedBytesInTheEnd;
    return mean_bytes > 0 ? kGuessedBytes : kGuessedBytesOfAll;
}

/// Its place in the file.
std::uint32_t tally_at(Sampler& sampler, const Row& row, const CallSite& site) noexcept {
    const bool is_own = site.sp != 0 && sampler.stack.holds(site.sp);
    const std::uintptr_t top = is_own ? sampler.stack.top() : 0;
    const std::uint64_t hash = stack_hash(site, top, row.owner, known_code(), guessed_bytes());
    std::uint64_t& known = sampler.known[hash % sampler.known.size()];
    const std::uint64_t seen = load(known);
    if ((seen ^ hash) >> kTallyBits == 0 && seen != 0)
        return static_cast<std::uint32_t>(seen & kPlace);
    std::uint32_t tally = find_tally(hash, row.thread);
    if (tally == 0) tally = add_tally(hash, site, top, row.owner, row.thread);
    if (tally >= kOwnersMax) store(known, (hash & ~kPlace) | tally);
    return tally;
}

std::uint64_t birth_now() noexcept {
    return clock_ticks() >> kBirthShift & kBirths;
}

}  // namespace

void prepare_samples(Region& of) noexcept {
    const char* const asked = environ == nullptr ? nullptr : ::getenv(kSampleVariable);
    if (asked == nullptr || *asked == '\0') return;
    const bool all = ::strcmp(asked, "all") == 0;
    const std::uint64_t mean = all ? 0 : parsed_bytes(asked);
    if (!all && mean == 0) {
        of.flags |= kSampleRefused;  // nobody else has the region yet
        return;
    }
    remember_main_thread();
    if (!prepare_stacks(of, mean)) return;
    if (const char* const seeded = ::getenv(kSeedVariable); seeded != nullptr)
        seed = ::strtoull(seeded, nullptr, 10);
    else
        seed = SampleRandom::mixed(of.started_ns ^ std::uint64_t{of.pid} << 40);
    watched = &of;
    mean_bytes = static_cast<double>(mean);
    of.sample_bytes = all ? 1 : mean;
    is_on = true;
}

std::uint64_t first_sample_at() noexcept {
    return is_on ? 0 : kNoSamples;
}

void begin_thread_samples(ThreadState& state) noexcept {
    if (state.sampler != nullptr) state.sampler->stack = {};
}

void forget_samples(ThreadState& state) noexcept {
    if (!is_on) return;
    // Emptied rather than given back: this may be in a signal handler, above a sample half taken.
    if (state.sampler != nullptr) ::madvise(state.sampler, sizeof(Sampler), MADV_DONTNEED);
    state.sample_at = 0;
}

Sample take_sample(ThreadState& state, const Row& row, std::size_t bytes,
                   const CallSite& site) noexcept {
    // What its header has no room for, a TiB and more, is no sample.
    Sampler* const sampler = bytes >> kSampledBytesBits == 0 ? sampler_of(state) : nullptr;
    if (sampler == nullptr) return {};
    if (mean_bytes > 0) {
        const std::uint64_t stream = sample_stream(state);
        if (state.sample_at == 0)
            store(state.sample_at, sampler->points.next_after(stream - sample_stream(bytes, 1)));
        if (stream < state.sample_at) return {};
        store(state.sample_at, sampler->points.next_after(stream));
    }
    if (!stacks_are_open() && !open_stacks()) {
        store(state.sample_at, kNoSamples);
        return {};
    }
    const std::uint64_t birth = birth_now();
    const std::uint32_t place = tally_at(*sampler, row, site);
    Tally& tally = stack_file().tallies[place];
    if (tally.thread == row.thread) {
        add(tally.allocations, 1);
        add(tally.bytes, bytes);
    } else {
        add_shared(tally.allocations, 1);
        add_shared(tally.bytes, bytes);
    }
    if (mean_bytes > 0) add_weighted(tally.allocated_weighted, bytes, weight_of(bytes, mean_bytes));
    if ((++sampler->taken & kClockNotesMask) == 0) note_clock();
    return {number_of_tally(place), birth};
}

Row* end_sample(ThreadState& state, const Sample& sample, std::size_t bytes) noexcept {
    const std::uint64_t ticks = units_lived(sample.birth, birth_now()) << kBirthShift;
    const std::uint32_t place = tally_of_number(sample.tally);
    if (place == kNone) return row_of(state, owner_of_number(sample.tally));
    Tally& tally = stack_file().tallies[place];
    Row* const row = row_of(state, tally.owner);
    SampleWeight weight;
    if (mean_bytes > 0) {
        weight = weight_of(bytes, mean_bytes);
        add_weighted(tally.freed_weighted, bytes, weight);
    }
    const double byte_ticks =
        weight.count * static_cast<double>(bytes) * static_cast<double>(ticks);
    if (row != nullptr && tally.thread == row->thread) {
        add_own_double(tally.freed.byte_ticks, byte_ticks);
        add(tally.freed.bytes, bytes);
        add(tally.freed.frees, 1);
    } else {
        add_double(tally.freed_elsewhere.byte_ticks, byte_ticks);
        add_shared(tally.freed_elsewhere.bytes, bytes);
        add_shared(tally.freed_elsewhere.frees, 1);
    }
    if (row == nullptr) return row;
    Lifetimes* const lifetimes =
        lifetimes_of(static_cast<std::uint32_t>(row - watched->rows.data()), row->owner);
    if (lifetimes == nullptr) return row;
    const auto class_of_ticks =
        static_cast<std::size_t>(ticks == 0 ? 0 : std::bit_width(ticks) - 1);
    add(lifetimes->counts[class_of_ticks],
        mean_bytes > 0
            ? static_cast<std::uint64_t>(weight.count * static_cast<double>(kLifetimeUnit))
            : kLifetimeUnit);
    return row;
}

}  // namespace crucible::alloc
