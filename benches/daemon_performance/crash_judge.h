#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "crucible/error.h"

namespace crucible::bench {

/// The numbers of the events that each publisher was told are handled.
using HandledEvents = std::unordered_map<std::uint32_t, std::unordered_set<std::uint64_t>>;

/// Name of a publisher as the source of its events.
std::string crash_source(std::uint32_t publisher);

/// Holds what one service has kept of the events it handled against what was acknowledged: nothing
/// of that may be missing, nothing be there twice, and each source's be in its order.
class CrashJudge {
public:
    /// `acknowledged` outlives it. `place`: where the service keeps them, for messages.
    CrashJudge(const HandledEvents& acknowledged, std::string_view place)
        : acknowledged_(acknowledged), place_(place) {}

    /// The next that the service has kept. - Errc::failed: it was there before, or one that came
    /// after it in its source.
    Result<> add(std::string_view source, std::uint64_t number);
    /// - Errc::failed: some of the acknowledged events that `counts` says yes to were not added.
    template <typename Counts>
    Result<> finish(Counts counts) const {
        std::uint64_t missing = 0;
        std::uint64_t expected = 0;
        for (const auto& [publisher, numbers] : acknowledged_) {
            for (const std::uint64_t number : numbers) {
                if (!counts(number)) continue;
                ++expected;
                missing += kept(publisher, number) ? 0 : 1;
            }
        }
        return missing == 0 ? Result<>() : lost(missing, expected);
    }
    std::uint64_t kept() const noexcept { return kept_; }

private:
    struct Source {
        std::uint64_t last = 0;
        std::unordered_set<std::uint64_t> numbers;
    };
    bool kept(std::uint32_t publisher, std::uint64_t number) const;
    std::unexpected<Error> lost(std::uint64_t missing, std::uint64_t expected) const;

    const HandledEvents& acknowledged_;
    const std::string place_;
    std::unordered_map<std::string, Source> sources_;
    std::uint64_t kept_ = 0;
};

/// Judges the rows of the daemon's database. - Errc::failed: with what is wrong.
Result<> judge_database(const std::filesystem::path& file, const HandledEvents& acknowledged);
/// Judges the ledger of the external service.
Result<> judge_ledger(const std::filesystem::path& file, const HandledEvents& acknowledged);

}  // namespace crucible::bench
