#include "lab/workload/workload.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "base/assert.h"
#include "base/rng.h"
#include "lab/workload/composer.h"
#include "runtime/event/uuid.h"

namespace crucible::lab {
namespace {

// 2026-01-01T00:00:00Z. One event per millisecond makes the ids of a stream unique by their time
// alone, and sorted by index.
constexpr std::uint64_t kFirstMillisecond = 1'767'225'600'000;

Uuid make_id(std::uint64_t seed, Stream stream, std::uint64_t index) {
    auto random = base::Rng::at(seed, static_cast<std::uint64_t>(stream), index);
    return runtime::make_uuid_v7(WallTime(std::chrono::milliseconds(kFirstMillisecond + index)),
                                 random);
}

constexpr std::uint32_t kNothing = ~std::uint32_t{0};

/// One block of events: their categories in order, how many of the same category stand before each,
/// and which event of the block caused each.
struct Block {
    std::vector<Category> categories;
    std::vector<std::uint32_t> ranks;
    std::vector<std::uint32_t> causes;  ///< places in the block, or kNothing
    std::array<std::uint32_t, kCategoryCount> totals{};
};

/// What follows what: a file change is entered in the database, and somebody is told.
constexpr std::array kChain{Category::filesystem, Category::database, Category::external};

/// Puts the n-th file change, database event and external event of the block in this order, each on
/// one of the places that the three have, and notes who caused whom.
void chain_up(Block& block) {
    std::array<std::vector<std::uint32_t>, kChain.size()> places;
    for (std::size_t link = 0; link < kChain.size(); ++link) {
        for (std::uint32_t i = 0; i < block.categories.size(); ++i)
            if (block.categories[i] == kChain[link]) places[link].push_back(i);
    }
    for (std::size_t n = 0; n < places[1].size(); ++n) {
        std::vector<std::uint32_t> chain;
        for (std::size_t link = 0; link < kChain.size(); ++link)
            if (n < places[link].size()) chain.push_back(places[link][n]);
        std::ranges::sort(chain);
        std::size_t next = 0;
        for (std::size_t link = 0; link < kChain.size(); ++link) {
            if (n >= places[link].size()) continue;
            const auto place = chain[next];
            block.categories[place] = kChain[link];
            // A chain begins with what is there: without files with the database.
            if (next > 0) block.causes[place] = chain[next - 1];
            ++next;
        }
    }
}

void make_block(const std::vector<Category>& mix, base::Rng random, Block& block) {
    block.categories = mix;
    for (std::size_t i = mix.size(); i > 1; --i)
        std::swap(block.categories[i - 1], block.categories[random.below(i)]);
    block.causes.assign(mix.size(), kNothing);
    chain_up(block);
    block.ranks.resize(mix.size());
    block.totals.fill(0);
    for (std::size_t i = 0; i < mix.size(); ++i)
        block.ranks[i] = block.totals[static_cast<std::size_t>(block.categories[i])]++;
}

}  // namespace

struct Workload::State {
    explicit State(const WorkloadSpec& given)
        : seed(given.seed), faults(given.faults), mix(given.mix.block()), composer(given) {}

    const std::uint64_t seed;
    const Faults faults;
    const std::vector<Category> mix;
    Composer composer;
    Block block;
    std::uint64_t block_number = ~std::uint64_t{0};  ///< whose `block` is, over all clients

    void load_block(std::uint64_t number) {
        if (number == block_number) return;
        make_block(mix, base::Rng::at(seed, static_cast<std::uint64_t>(Stream::mix), number),
                   block);
        block_number = number;
    }
};

Workload::Workload(const WorkloadSpec& spec) : state_(std::make_unique<State>(spec)) {}
Workload::Workload(Workload&&) noexcept = default;
Workload& Workload::operator=(Workload&&) noexcept = default;
Workload::~Workload() = default;

Fault Workload::fault_of(std::uint64_t index, std::uint32_t clients) const noexcept {
    return state_->faults.at(state_->seed, index / clients, index);
}

const Faults& Workload::faults() const noexcept {
    return state_->faults;
}

void Workload::fill(std::uint64_t index, std::uint32_t client, std::uint32_t clients,
                    Event& event) {
    CRUCIBLE_ASSERT(client < clients && index % clients == client);
    State& state = *state_;
    const std::uint64_t ordinal = index / clients;  // of this client's events
    const Fault fault = state.faults.at(state.seed, ordinal, index);
    event.source.assign("client-").append(std::to_string(client));
    event.targets.clear();
    event.content_type.assign("application/json");
    event.created = {};
    event.attempt = 1;
    event.deadline.reset();
    event.causation_id.reset();
    const Place place{.index = index, .client = client, .clients = clients};
    if (fault == Fault::duplicate) {
        // Half of all events are sound at least, but two faulty ones may stand side by side.
        std::uint64_t before = ordinal - 1;
        while (fault_of(before * clients + client, clients) != Fault::none) --before;
        fill(before * clients + client, client, clients, event);
        event.attempt = 2;
        return;
    }
    event.id = make_id(state.seed, Stream::id, index);
    event.correlation_id = make_id(state.seed, Stream::conversation, index);
    if (fault == Fault::malformed) return state.composer.compose_malformed(place, event);
    if (fault == Fault::failing) return state.composer.compose_failing(place, event);
    fill_sound(ordinal - state.faults.before(ordinal), place, event);
}

void Workload::fill_sound(std::uint64_t sound, Place place, Event& event) {
    State& state = *state_;
    const std::uint64_t size = state.mix.size();
    const std::uint64_t block = sound / size;
    state.load_block(block * place.clients + place.client);
    const auto position = static_cast<std::size_t>(sound % size);
    const auto index_at = [&](std::uint32_t other) {
        return state.faults.ordinal_of(block * size + other) * place.clients + place.client;
    };
    if (const auto cause = state.block.causes[position]; cause != kNothing) {
        event.causation_id = make_id(state.seed, Stream::id, index_at(cause));
        auto root = cause;
        while (state.block.causes[root] != kNothing) root = state.block.causes[root];
        event.correlation_id = make_id(state.seed, Stream::conversation, index_at(root));
    }
    event.category = state.block.categories[position];
    const auto category = static_cast<std::size_t>(event.category);
    place.turn = block * state.block.totals[category] + state.block.ranks[position];
    state.composer.compose(place, event);
}

}  // namespace crucible::lab
