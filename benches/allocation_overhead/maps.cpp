// Programs that keep strings in maps, on two threads: with queries, and with nothing but
// allocations.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "allocation_overhead/programs.h"
#include "base/clock.h"
#include "base/rng.h"

namespace crucible::bench {
namespace {

constexpr std::size_t kThreads = 2;
/// A key, a value and the map's node.
constexpr std::uint64_t kAllocationsOfRecord = 3;
constexpr std::string_view kKeyFront = "customer-";
constexpr std::size_t kKeyDigits = 16;
constexpr std::size_t kValueLeastBytes = 32;
constexpr std::size_t kValueMostBytes = 256;

struct MapWork {
    std::size_t records;       ///< that are kept
    std::size_t look_ups = 0;  ///< for each that is put in
};

/// Another for each number, and far from that of the one before. Longer than what a std::string
/// holds without an allocation, as the values are.
std::string scattered_key(std::uint64_t number) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string key(kKeyFront.size() + kKeyDigits, '\0');
    kKeyFront.copy(key.data(), kKeyFront.size());
    number *= 0x9e3779b97f4a7c15;
    for (std::size_t i = key.size(); i > kKeyFront.size(); --i, number >>= 4)
        key[i - 1] = kDigits[number & 0xf];
    return key;
}

std::string random_value(base::Rng& random) {
    const std::size_t bytes =
        kValueLeastBytes + random.below(kValueMostBytes - kValueLeastBytes + 1);
    return std::string(bytes, static_cast<char>('a' + random.below(26)));
}

/// The newest so many records, found by their keys.
class Records {
public:
    explicit Records(std::size_t most) : by_age_(most, by_key_.end()) {}

    void put(std::string value) {
        auto& place = by_age_[put_ % by_age_.size()];
        if (place != by_key_.end()) by_key_.erase(place);
        place = by_key_.emplace(scattered_key(put_), std::move(value)).first;
        ++put_;
    }

    /// Whether one of those that are there is found, by its key, with its value.
    bool finds_one(base::Rng& random) const {
        const auto wanted = by_age_[random.below(std::min<std::uint64_t>(put_, by_age_.size()))];
        const auto found = by_key_.find(std::string_view(wanted->first));
        return found != by_key_.end() && found->second.front() == wanted->second.back();
    }

private:
    using Map = std::map<std::string, std::string, std::less<>>;
    Map by_key_;
    std::vector<Map::iterator> by_age_;
    std::uint64_t put_ = 0;
};

/// How many were not found.
std::uint64_t work_on_maps(const MapWork& work, std::uint64_t records, std::uint64_t seed) {
    base::Rng random(seed);
    Records kept(work.records);
    std::uint64_t missed = 0;
    for (std::uint64_t i = 0; i < records; ++i) {
        kept.put(random_value(random));
        for (std::size_t j = 0; j < work.look_ups; ++j) missed += kept.finds_one(random) ? 0 : 1;
    }
    return missed;
}

Result<ProgramResult> timed_maps(const MapWork& work, std::uint64_t allocations) {
    const std::uint64_t records = allocations / kAllocationsOfRecord / kThreads + 1;
    std::atomic<std::uint64_t> missed = 0;
    const TimePoint begin = base::monotonic_now();
    {
        std::vector<std::jthread> threads;
        for (std::uint64_t i = 0; i < kThreads; ++i)
            threads.emplace_back([&, i] { missed += work_on_maps(work, records, i + 1); });
    }
    const std::chrono::duration<double> spent = base::monotonic_now() - begin;
    if (missed != 0) return std::unexpected(Error{Errc::failed, "a record was not found again"});
    return ProgramResult{spent.count(), records * kAllocationsOfRecord * kThreads};
}

}  // namespace

Result<ProgramResult> queried_maps(std::uint64_t allocations) {
    return timed_maps({.records = 16'384, .look_ups = 4}, allocations);
}

Result<ProgramResult> churned_maps(std::uint64_t allocations) {
    return timed_maps({.records = 1'024}, allocations);
}

}  // namespace crucible::bench
