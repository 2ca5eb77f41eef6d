#include "lab/workload/workload.h"

#include <array>
#include <string>

#include "base/assert.h"
#include "base/rng.h"
#include "lab/workload/composer.h"
#include "runtime/event/uuid.h"
#include "runtime/service/deal.h"

namespace crucible::lab {
namespace {

// Shares are whole multiples of 5 %: 20 events can have exactly the mix.
constexpr std::uint64_t kBlock = 20;
constexpr std::uint64_t kPercentPerEvent = 100 / kBlock;

// Events of one client that belong together: the first causes the second and so on.
constexpr std::uint64_t kConversation = 5;

// 2026-01-01T00:00:00Z. One event per millisecond makes the ids of a stream unique by their time
// alone, and sorted by index.
constexpr std::uint64_t kFirstMillisecond = 1'767'225'600'000;

Uuid make_id(std::uint64_t seed, Stream stream, std::uint64_t index) {
    auto random = base::Rng::at(seed, static_cast<std::uint64_t>(stream), index);
    return runtime::make_uuid_v7(WallTime(std::chrono::milliseconds(kFirstMillisecond + index)),
                                 random);
}

/// The categories of one block in order, and how many of the same category stand before each.
struct Block {
    std::array<Category, kBlock> categories;
    std::array<std::uint8_t, kBlock> ranks;
    std::array<std::uint8_t, kCategoryCount> totals;
};

Block make_block(base::Rng random) {
    Block block{};
    std::size_t next = 0;
    for (const auto& [category, percent] : runtime::kProductionMix) {
        for (std::uint32_t i = 0; i < percent / kPercentPerEvent; ++i) {
            block.categories[next++] = category;
        }
    }
    CRUCIBLE_ASSERT(next == kBlock);
    for (std::size_t i = kBlock; i > 1; --i) {
        std::swap(block.categories[i - 1], block.categories[random.below(i)]);
    }
    for (std::size_t i = 0; i < kBlock; ++i) {
        block.ranks[i] = block.totals[static_cast<std::size_t>(block.categories[i])]++;
    }
    return block;
}

}  // namespace

struct Workload::State {
    explicit State(const WorkloadSpec& spec) : seed(spec.seed), composer(spec) {}

    const std::uint64_t seed;
    Composer composer;
    Block block{};
    std::uint64_t block_number = ~std::uint64_t{0};  ///< whose `block` is, over all clients
};

Workload::Workload(std::unique_ptr<State> state) : state_(std::move(state)) {}
Workload::Workload(Workload&&) noexcept = default;
Workload& Workload::operator=(Workload&&) noexcept = default;
Workload::~Workload() = default;

Result<Workload> Workload::make(const WorkloadSpec& spec) {
    if (spec.payload_bytes > kEventBytesMax) {
        return std::unexpected(
            Error{Errc::invalid_argument, "payload of " + std::to_string(spec.payload_bytes) +
                                              " bytes: an event has 10 MiB at most"});
    }
    return Workload(std::make_unique<State>(spec));
}

void Workload::fill(std::uint64_t index, std::uint32_t client, std::uint32_t clients,
                    Event& event) {
    CRUCIBLE_ASSERT(client < clients && index % clients == client);
    State& state = *state_;
    const std::uint64_t ordinal = index / clients;  // of this client's events
    const std::uint64_t block_number = ordinal / kBlock * clients + client;
    if (block_number != state.block_number) {
        state.block = make_block(
            base::Rng::at(state.seed, static_cast<std::uint64_t>(Stream::mix), block_number));
        state.block_number = block_number;
    }
    const std::size_t position = ordinal % kBlock;
    event.category = state.block.categories[position];
    const std::uint64_t turns = state.block.totals[static_cast<std::size_t>(event.category)];

    event.id = make_id(state.seed, Stream::id, index);
    const std::uint64_t first = (ordinal - ordinal % kConversation) * clients + client;
    event.correlation_id = make_id(state.seed, Stream::conversation, first);
    event.causation_id.reset();
    if (index != first) event.causation_id = make_id(state.seed, Stream::id, index - clients);
    event.source.assign("client-").append(std::to_string(client));
    event.targets.clear();
    event.content_type.assign("application/json");
    event.created = {};
    event.attempt = 1;
    event.deadline.reset();
    state.composer.compose({.index = index,
                            .client = client,
                            .clients = clients,
                            .turn = ordinal / kBlock * turns + state.block.ranks[position]},
                           event);
}

}  // namespace crucible::lab
