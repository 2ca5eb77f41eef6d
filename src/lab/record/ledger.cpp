#include "lab/record/ledger.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <numeric>

#include "base/assert.h"

namespace crucible::lab {
namespace {

// Four bits for each token, sixteen tokens to a word: sent, ended, and two of its priority.
constexpr std::uint64_t kSentBit = 1;
constexpr std::uint64_t kEndedBit = 2;
constexpr unsigned kPriorityShift = 2;
constexpr std::uint64_t kPriorityMask = 3;
static_assert(kPriorityCount <= kPriorityMask + 1);
constexpr std::uint64_t kTokensPerWord = 16;

// Words come in chunks behind a fixed directory, so that growing moves nothing another thread is
// looking at.
constexpr std::uint64_t kTokensPerChunk = std::uint64_t{1} << 20;
constexpr std::size_t kChunkBytes = kTokensPerChunk / kTokensPerWord * sizeof(std::uint64_t);
constexpr std::size_t kChunksMax = Ledger::kTokensMax / kTokensPerChunk;
constexpr std::uint64_t kPreparedMax = 64 * kTokensPerChunk;

/// Adds to a counter that only one thread at a time writes: cheaper than an atomic addition, and as
/// exact.
void add_one(std::atomic<std::uint64_t>& counter) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

unsigned shift_of(std::uint64_t token) noexcept {
    return static_cast<unsigned>(token % kTokensPerWord) * 4;
}

}  // namespace

std::uint64_t Delivery::reordered_total() const noexcept {
    return std::accumulate(reordered.begin(), reordered.end(), std::uint64_t{0});
}

Delivery& Delivery::operator+=(const Delivery& other) noexcept {
    planned += other.planned;
    sent += other.sent;
    handled += other.handled;
    rejected += other.rejected;
    lost += other.lost;
    duplicated += other.duplicated;
    for (std::size_t i = 0; i < reordered.size(); ++i) reordered[i] += other.reordered[i];
    return *this;
}

struct Ledger::State {
    std::uint64_t planned = 0;
    std::array<std::atomic<std::uint64_t*>, kChunksMax> chunks{};

    // Each side writes its own cache lines only.
    struct alignas(64) SenderSide {
        std::atomic<std::uint64_t> sent{0};
        std::atomic<std::uint64_t> refused{0};
        std::atomic<std::uint64_t> refused_after_end{0};
    } sender;
    struct alignas(64) TargetSide {
        std::atomic<std::uint64_t> handled{0};
        std::atomic<std::uint64_t> rejected{0};
        std::atomic<std::uint64_t> duplicated{0};
        std::atomic<std::uint64_t> unknown{0};
        std::array<std::atomic<std::uint64_t>, kPriorityCount> reordered{};
        std::array<std::atomic<std::uint64_t>, kPriorityCount>
            handled_up_to{};  // highest token + 1
    } target;

    ~State() {
        for (auto& chunk : chunks) std::free(chunk.load(std::memory_order_relaxed));
    }

    std::uint64_t* make_chunk(std::uint64_t token) noexcept {
        // calloc, because pages of a block this large are made when first written, a few at a time:
        // clearing 512 KiB at once would hold up the sender for the time of several events.
        auto* words = static_cast<std::uint64_t*>(std::calloc(1, kChunkBytes));
        CRUCIBLE_ASSERT(words != nullptr);
        chunks[token / kTokensPerChunk].store(words, std::memory_order_release);
        return words;
    }

    /// The word of `token`, or nothing where no token of its chunk was ever sent.
    std::uint64_t* find_word(std::uint64_t token) const noexcept {
        if (token >= kTokensMax) return nullptr;
        auto* words = chunks[token / kTokensPerChunk].load(std::memory_order_acquire);
        if (words == nullptr) return nullptr;
        return words + token % kTokensPerChunk / kTokensPerWord;
    }

    enum class End : std::uint8_t { first, again, never_sent };
    struct Ended {
        End end;
        std::size_t priority;
    };

    /// Marks `token` as ended, if it was sent and has not ended yet.
    Ended end(std::uint64_t token) noexcept {
        std::uint64_t* const plain = find_word(token);
        if (plain == nullptr) return {End::never_sent, 0};
        const std::atomic_ref word(*plain);
        const unsigned shift = shift_of(token);
        std::uint64_t seen = word.load(std::memory_order_acquire);
        for (;;) {
            const std::uint64_t bits = seen >> shift;
            const std::size_t priority = bits >> kPriorityShift & kPriorityMask;
            if ((bits & kSentBit) == 0) return {End::never_sent, 0};
            if ((bits & kEndedBit) != 0) return {End::again, priority};
            if (word.compare_exchange_weak(seen, seen | kEndedBit << shift,
                                           std::memory_order_acq_rel, std::memory_order_acquire)) {
                return {End::first, priority};
            }
        }
    }
};

Ledger::Ledger(std::uint64_t planned) : state_(std::make_unique<State>()) {
    state_->planned = planned;
    const std::uint64_t prepared = std::min(planned, kPreparedMax);
    for (std::uint64_t token = 0; token < prepared; token += kTokensPerChunk) {
        auto* words = state_->make_chunk(token);
        // Written now, so that no send of the plan waits for the kernel to make a page.
        const std::uint64_t tokens = std::min(prepared - token, kTokensPerChunk);
        std::memset(words, 0,
                    (tokens + kTokensPerWord - 1) / kTokensPerWord * sizeof(std::uint64_t));
    }
}

Ledger::~Ledger() = default;

void Ledger::sent(std::uint64_t token, Priority priority) noexcept {
    CRUCIBLE_ASSERT(token < kTokensMax);
    std::uint64_t* words = state_->chunks[token / kTokensPerChunk].load(std::memory_order_relaxed);
    if (words == nullptr) [[unlikely]]
        words = state_->make_chunk(token);
    const std::atomic_ref word(words[token % kTokensPerChunk / kTokensPerWord]);
    const unsigned shift = shift_of(token);
    const std::uint64_t mark = kSentBit | static_cast<std::uint64_t>(priority) << kPriorityShift;
    // Counted first: whoever sees the end of this event has seen it sent, so in_flight() is never
    // negative.
    add_one(state_->sender.sent);
    const std::uint64_t before = word.fetch_or(mark << shift, std::memory_order_acq_rel);
    CRUCIBLE_ASSERT((before >> shift & kSentBit) == 0);
}

bool Ledger::refused(std::uint64_t token) noexcept {
    const auto ended = state_->end(token);
    CRUCIBLE_ASSERT(ended.end != State::End::never_sent);
    const bool first = ended.end == State::End::first;
    add_one(first ? state_->sender.refused : state_->sender.refused_after_end);
    return first;
}

bool Ledger::acknowledged(std::uint64_t token, Outcome outcome) noexcept {
    auto& counts = state_->target;
    const auto ended = state_->end(token);
    if (ended.end != State::End::first) {
        add_one(ended.end == State::End::again ? counts.duplicated : counts.unknown);
        return false;
    }
    if (outcome != Outcome::handled) {
        add_one(counts.rejected);
        return true;
    }
    auto& highest = counts.handled_up_to[ended.priority];
    if (token + 1 > highest.load(std::memory_order_relaxed)) {
        highest.store(token + 1, std::memory_order_relaxed);
    } else {
        add_one(counts.reordered[ended.priority]);
    }
    add_one(counts.handled);
    return true;
}

std::uint64_t Ledger::in_flight() const noexcept {
    // Ends first: read the other way round, events sent and ended in between would be subtracted
    // alone.
    const std::uint64_t ended = state_->target.handled.load(std::memory_order_acquire) +
                                state_->target.rejected.load(std::memory_order_acquire) +
                                state_->sender.refused.load(std::memory_order_acquire);
    return state_->sender.sent.load(std::memory_order_acquire) - ended;
}

std::uint64_t Ledger::unknown() const noexcept {
    return state_->target.unknown.load(std::memory_order_acquire);
}

Delivery Ledger::close() const {
    const auto& sender = state_->sender;
    const auto& target = state_->target;
    Delivery delivery;
    delivery.planned = state_->planned;
    delivery.sent = sender.sent.load(std::memory_order_acquire);
    delivery.handled = target.handled.load(std::memory_order_acquire);
    delivery.rejected = target.rejected.load(std::memory_order_acquire) +
                        sender.refused.load(std::memory_order_acquire);
    delivery.lost = delivery.sent - delivery.handled - delivery.rejected;
    delivery.duplicated = target.duplicated.load(std::memory_order_acquire) +
                          sender.refused_after_end.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < kPriorityCount; ++i) {
        delivery.reordered[i] = target.reordered[i].load(std::memory_order_relaxed);
    }
    return delivery;
}

}  // namespace crucible::lab
