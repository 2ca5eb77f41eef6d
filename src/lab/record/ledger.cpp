#include "lab/record/ledger.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <numeric>
#include <vector>

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
// looking at. A chunk whose events have all ended says nothing more than that: its words are used
// again for later events, so that only events in flight, lost ones and their neighbours take
// memory.
constexpr std::uint64_t kTokensPerChunk = std::uint64_t{1} << 17;
constexpr std::size_t kWordsPerChunk = kTokensPerChunk / kTokensPerWord;
constexpr std::size_t kChunksMax = Ledger::kTokensMax / kTokensPerChunk;
constexpr std::uint64_t kPreparedMax = 4;
/// How often the target's side looks for chunks that have ended.
constexpr std::uint64_t kAcknowledgementsPerLook = 4096;

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
    /// One for every kTokensPerChunk tokens.
    struct Chunk {
        std::atomic<std::uint64_t*> words{nullptr};
        std::atomic<std::uint32_t> refused{0};  ///< of its events; the sender's
        std::uint32_t acknowledged = 0;         ///< the target's
    };
    struct FreeChunks {
        void operator()(Chunk* chunks) const noexcept { std::free(chunks); }
    };

    State() : chunks(static_cast<Chunk*>(std::calloc(kChunksMax, sizeof(Chunk)))) {
        // calloc, because a directory this large comes as pages that are made when first written.
        CRUCIBLE_ASSERT(chunks != nullptr);
    }

    std::uint64_t planned = 0;
    std::unique_ptr<Chunk[], FreeChunks> chunks;
    std::mutex spare_mutex;
    std::vector<std::unique_ptr<std::uint64_t[]>> spare;  ///< words without a chunk
    std::size_t words_made = 0;                           ///< blocks of them, in all

    // Each side writes its own cache lines only.
    struct alignas(64) SenderSide {
        std::atomic<std::uint64_t> sent{0};
        std::atomic<std::uint64_t> chunk{0};  ///< of the last event sent: older ones are left alone
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
        std::uint64_t until_look = kAcknowledgementsPerLook;
        std::uint64_t oldest_chunk = 0;  ///< all before it have ended
    } target;

    ~State() {
        for (std::size_t i = 0; i < kChunksMax && i <= sender.chunk.load(); ++i) {
            auto* words = chunks[i].words.load(std::memory_order_relaxed);
            if (words != all_ended()) delete[] words;
        }
    }

    /// Stands for the words of a chunk whose events have all ended.
    static std::uint64_t* all_ended() noexcept {
        static std::uint64_t nothing = 0;
        return &nothing;
    }

    /// From the sending thread, with the first token of a chunk.
    std::uint64_t* begin_chunk(std::uint64_t number) {
        std::uint64_t* words = nullptr;
        {
            const std::lock_guard lock(spare_mutex);
            if (spare.empty()) {
                spare.push_back(std::make_unique<std::uint64_t[]>(kWordsPerChunk));
                ++words_made;
            }
            words = spare.back().release();
            spare.pop_back();
        }
        sender.chunk.store(number, std::memory_order_release);
        chunks[number].words.store(words, std::memory_order_release);
        return words;
    }

    /// From the target's thread, as nobody else looks at older events: the sender refuses none but
    /// the last one it has sent.
    void give_back_ended() {
        const std::uint64_t current = sender.chunk.load(std::memory_order_acquire);
        for (std::uint64_t i = target.oldest_chunk; i < current; ++i) {
            Chunk& chunk = chunks[i];
            auto* words = chunk.words.load(std::memory_order_relaxed);
            if (words != all_ended()) {
                if (chunk.acknowledged + chunk.refused.load(std::memory_order_acquire) !=
                    kTokensPerChunk)
                    continue;
                chunk.words.store(all_ended(), std::memory_order_relaxed);
                std::memset(words, 0, kWordsPerChunk * sizeof(std::uint64_t));
                const std::lock_guard lock(spare_mutex);
                spare.emplace_back(words);
            }
            if (i == target.oldest_chunk) ++target.oldest_chunk;
        }
    }

    enum class End : std::uint8_t { first, again, never_sent };
    struct Ended {
        End end;
        std::size_t priority;
    };

    /// Marks `token` as ended, if it was sent and has not ended yet.
    Ended end(std::uint64_t token) noexcept {
        if (token >= kTokensMax) return {End::never_sent, 0};
        auto* words = chunks[token / kTokensPerChunk].words.load(std::memory_order_acquire);
        if (words == nullptr) return {End::never_sent, 0};
        if (words == all_ended()) return {End::again, 0};
        const std::atomic_ref word(words[token % kTokensPerChunk / kTokensPerWord]);
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
    // Made now, so that no send waits for the kernel to make pages.
    const std::uint64_t chunks = planned / kTokensPerChunk + 1;
    for (std::uint64_t i = 0; i < std::min(chunks, kPreparedMax); ++i) {
        state_->spare.push_back(std::make_unique<std::uint64_t[]>(kWordsPerChunk));
        ++state_->words_made;
    }
}

Ledger::~Ledger() = default;

void Ledger::sent(std::uint64_t token, Priority priority) noexcept {
    CRUCIBLE_ASSERT(token < kTokensMax);
    const std::uint64_t chunk = token / kTokensPerChunk;
    auto* words = state_->chunks[chunk].words.load(std::memory_order_relaxed);
    if (words == nullptr) [[unlikely]]
        words = state_->begin_chunk(chunk);
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
    if (first) {
        auto& refused = state_->chunks[token / kTokensPerChunk].refused;
        refused.store(refused.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }
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
    ++state_->chunks[token / kTokensPerChunk].acknowledged;
    if (--counts.until_look == 0) {
        counts.until_look = kAcknowledgementsPerLook;
        state_->give_back_ended();
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

std::size_t Ledger::memory_bytes() const {
    const std::lock_guard lock(state_->spare_mutex);
    return state_->words_made * kWordsPerChunk * sizeof(std::uint64_t);
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
