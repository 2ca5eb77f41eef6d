// What the tracker does to bring live bytes up to date, and to copy counts for a fork, while other
// threads come between any two of its looks at a row.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <vector>

#include "alloc/preload/tracker.h"

namespace crucible::alloc {

constinit Region* region = nullptr;

namespace {

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

constexpr greg_t kTrapFlag = 0x100;
int accesses = 0;
int comes_at = 0;
Row* watched_row = nullptr;  ///< whose page may not be touched unnoticed
void (*interfere)() = nullptr;

void protect(int protection) {
    ::mprotect(watched_row, sizeof(Row), protection);
}

/// Before an access: others come here, or the next one is looked at.
void on_access(int, siginfo_t*, void* context) {
    protect(PROT_READ | PROT_WRITE);
    if (++accesses == comes_at) return interfere();
    static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] |= kTrapFlag;
}

/// After it.
void on_step(int, siginfo_t*, void* context) {
    static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] &= ~kTrapFlag;
    protect(PROT_NONE);
}

Region* new_region() {
    void* const memory = ::mmap(nullptr, sizeof(Region), PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    EXPECT_NE(memory, MAP_FAILED);
    return static_cast<Region*>(memory);
}

/// Does `work` while others `come` before the n-th access to the row; whether it was that many.
template <class Work>
bool with_others(int n, Row& row, void (*come)(), Work work) {
    struct sigaction access {};
    struct sigaction step {};
    struct sigaction access_before {};
    struct sigaction step_before {};
    access.sa_sigaction = on_access;
    step.sa_sigaction = on_step;
    access.sa_flags = step.sa_flags = SA_SIGINFO;
    accesses = 0;
    comes_at = n;
    watched_row = &row;
    interfere = come;
    EXPECT_EQ(::sigaction(SIGSEGV, &access, &access_before), 0);
    EXPECT_EQ(::sigaction(SIGTRAP, &step, &step_before), 0);
    protect(PROT_NONE);
    work();
    protect(PROT_READ | PROT_WRITE);
    EXPECT_EQ(::sigaction(SIGSEGV, &access_before, nullptr), 0);
    EXPECT_EQ(::sigaction(SIGTRAP, &step_before, nullptr), 0);
    return accesses >= n;
}

/// Two threads' rows of one owner: 2 MiB of the other, and a new peak by 3 MiB of its own, for
/// which all rows are settled. Another owner is set apart, so that they are the rest, too.
void begin_rows() {
    region->live = region->peak = region->slack = 0;
    region->rest_live = region->rest_peak = region->rest_slack = 0;
    region->apart_used = 1;
    region->apart[1] = 1;
    region->rows_used = 2;
    region->owners[0] = {};
    region->owners[0].rows = 2;
    for (std::uint32_t i = 0; i < 2; ++i) {
        Row& row = region->rows[i];
        row = {};
        row.thread = i;
        row.bytes = std::uint64_t{2 + i} << 20;
        row.high = static_cast<std::int64_t>(row.bytes);
        row.flush_above = kFlushBytesMin;
        row.flush_below = -kFlushBytesMin;
    }
}

void expect_up_to_date(const Row& row) {
    EXPECT_EQ(row.flushed, static_cast<std::int64_t>(row.bytes - row.freed_bytes));
    EXPECT_EQ(row.flush_above - row.flushed, row.flushed - row.flush_below);
}

// A thread that settles all rows is held up before each of its looks at one, while that row moves
// and is flushed by its own thread: what it saw before is never put in the place of what is.
TEST(Flush, IsOfTheLastStateWhoeverComesBetween) {
    region = new_region();
    const auto give_back = [] {
        Row& row = region->rows[0];
        row.freed_bytes += std::uint64_t{1} << 20;
        flush(row);
    };
    int n = 0;
    bool came = true;
    while (came && !HasFailure()) {
        begin_rows();
        came = with_others(++n, region->rows[0], give_back, [] { flush(region->rows[1]); });
        const ::testing::ScopedTrace trace(__FILE__, __LINE__, n);
        expect_up_to_date(region->rows[0]);
        expect_up_to_date(region->rows[1]);
        EXPECT_EQ(region->live, region->rows[0].flushed + region->rows[1].flushed);
        EXPECT_EQ(region->owners[0].live, region->live);
        EXPECT_EQ(region->rest_live, region->live);
    }
    EXPECT_GT(n, 10);
    ::munmap(region, sizeof(Region));
    region = nullptr;
}

/// Rows that move at random, and the true peaks of the process, each owner and the rest.
class RandomRows {
public:
    RandomRows(std::uint64_t seed, std::uint32_t owners, std::uint32_t threads) : random_(seed) {
        region->live = region->peak = region->slack = 0;
        region->rest_live = region->rest_peak = region->rest_slack = 0;
        region->apart_used = 1;
        region->apart = {1, 0, 0, 0};
        region->rows_used = owners * threads;
        owners_ = owners;
        for (std::uint32_t i = 0; i < owners; ++i) {
            region->owners[i] = {};
            region->owners[i].rows = threads;
        }
        for (std::uint32_t i = 0; i < region->rows_used; ++i) {
            Row& row = region->rows[i];
            row = {};
            row.owner = i % owners;
            row.flush_above = kFlushBytesMin;
            row.flush_below = -kFlushBytesMin;
        }
        direction_.assign(region->rows_used, 1);
    }

    /// As malloc and free do: most rows go on as they did, by blocks of which few are large.
    void step() {
        const auto i = static_cast<std::uint32_t>(random_() % region->rows_used);
        Row& row = region->rows[i];
        if (random_() % 64 == 0) direction_[i] = -direction_[i];
        const auto bytes =
            static_cast<std::int64_t>(random_() % 512 == 0 ? random_() % 20'000 : random_() % 200);
        if (direction_[i] > 0) {
            row.bytes += static_cast<std::uint64_t>(bytes);
            move(row, bytes);
            const auto live = static_cast<std::int64_t>(row.bytes - row.freed_bytes);
            if (live <= row.high) return;
            row.high = live;
            if (live > row.flush_above) flush(row);
        } else {
            row.freed_bytes += static_cast<std::uint64_t>(bytes);
            move(row, -bytes);
            if (static_cast<std::int64_t>(row.bytes - row.freed_bytes) < row.flush_below)
                flush(row);
        }
    }

    void expect_peaks() const {
        expect_peak(all_, region->peak, region->live, region->rows_used,
                    [](const Row&) { return true; });
        expect_peak(rest_, region->rest_peak, region->rest_live, region->rows_used,
                    [](const Row& row) { return row.owner != 0; });
        for (std::uint32_t i = 0; i < owners_; ++i) {
            const Owner& owner = region->owners[i];
            expect_peak(of_owner_[i], owner.peak, owner.live, static_cast<std::int64_t>(owner.rows),
                        [i](const Row& row) { return row.owner == i; });
        }
    }

private:
    struct Truth {
        std::int64_t live = 0;
        std::int64_t peak = 0;
    };

    void move(const Row& row, std::int64_t bytes) {
        const auto moved = [bytes](Truth& truth) {
            truth.live += bytes;
            truth.peak = std::max(truth.peak, truth.live);
        };
        moved(all_);
        moved(of_owner_[row.owner]);
        if (row.owner != 0) moved(rest_);
    }

    /// As RegionReader has it.
    template <class OfIt>
    void expect_peak(const Truth& truth, std::int64_t peak, std::int64_t live, std::int64_t rows,
                     OfIt of_it) const {
        for (std::uint32_t i = 0; i < region->rows_used; ++i) {
            const Row& row = region->rows[i];
            if (of_it(row)) peak = std::max(peak, live + row.high - row.flushed);
        }
        peak = std::max(peak, truth.live);
        const std::int64_t error = rows > 1 ? (rows + 1) * flush_distance(0, peak, rows) : 0;
        EXPECT_LE(peak - truth.peak, error) << peak << " for " << truth.peak;
        EXPECT_LE(truth.peak - peak, error) << peak << " for " << truth.peak;
    }

    std::mt19937_64 random_;
    std::uint32_t owners_ = 0;
    std::vector<int> direction_;
    Truth all_;
    Truth rest_;
    std::array<Truth, 8> of_owner_{};
};

// Whatever rows do, whoever's settling brings them: each peak is as near the truth as is said,
// those of owners and of the rest too, above and below. Of an owner with one row it is exact.
TEST(Flush, LeavesEachPeakAsNearAsIsSaid) {
    region = new_region();
    for (std::uint64_t seed = 0; seed < 60 && !HasFailure(); ++seed) {
        const auto owners = static_cast<std::uint32_t>(2 + seed % 4);
        const auto threads = static_cast<std::uint32_t>(1 + seed / 4 % 3);
        const ::testing::ScopedTrace trace(__FILE__, __LINE__, seed);
        RandomRows rows(seed, owners, threads);
        for (int i = 0; i < 40'000 && !HasFailure(); ++i) {
            rows.step();
            if (i % 16 == 0) rows.expect_peaks();
        }
    }
    ::munmap(region, sizeof(Region));
    region = nullptr;
}

// What a fork takes of the rows: a block that another thread allocates after its row was taken, and
// that is freed in a later row before that is taken, is not freed more often than allocated.
TEST(CopyCounts, TakesNothingForFreedThatItDoesNotTakeForAllocated) {
    region = new_region();
    Region* const copy = new_region();
    const auto pass_a_block = [] {
        Row& giver = region->rows[0];
        Row& taker = region->rows[1];
        giver.cells[7].allocations += 1;
        giver.bytes += 100;
        giver.large_usable += 100;
        taker.cells[7].frees += 1;
        taker.freed_bytes += 100;
        taker.large_freed_usable += 100;
    };
    int n = 1;
    // Each look would take seconds.
    for (bool came = true; came && !HasFailure(); n += 29) {
        begin_rows();
        region->rows[0].bytes = region->rows[1].bytes = 0;
        came = with_others(n, region->rows[1], pass_a_block, [&] { copy_counts(*copy, *region); });
        const ::testing::ScopedTrace trace(__FILE__, __LINE__, n);
        const Row& giver = copy->rows[0];
        const Row& taker = copy->rows[1];
        EXPECT_EQ(copy->rows_used, 2U);
        EXPECT_EQ(taker.thread, 1U);
        EXPECT_GE(giver.cells[7].allocations, taker.cells[7].frees);
        EXPECT_GE(giver.bytes, taker.freed_bytes);
        EXPECT_GE(giver.large_usable, taker.large_freed_usable);
    }
    EXPECT_GT(n, 100);
    ::munmap(copy, sizeof(Region));
    ::munmap(region, sizeof(Region));
    region = nullptr;
}

#endif

}  // namespace
}  // namespace crucible::alloc
