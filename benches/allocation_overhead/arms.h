#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/process.h"
#include "crucible/error.h"

namespace crucible::bench {

/// What a program's allocations go through.
enum class Watch { glibc, counters, sampled, all, dhat, heaptrack };

/// Mean distance of the sampled stacks.
inline constexpr std::uint64_t kSampleBytes = 512u << 10;

std::string_view name_of(Watch watch) noexcept;
std::string_view description_of(Watch watch) noexcept;
/// Programs of others: that one is missing or fails is an answer, not a failure of the bench.
bool is_tool(Watch watch) noexcept;

struct ProgramCall {
    std::string program;  ///< as in programs()
    std::uint64_t amount = 0;
};

/// Runs programs of the bench, each time in a process of its own.
class Arms {
public:
    /// - Errc::not_found: the tracker's library is nowhere.
    static Result<Arms> make();

    /// What the program found out. Where the tracker was in it, also that it did there what the arm
    /// says: counted what the program allocated, and took stacks where it was enough for any.
    /// - Errc::unsupported: the tool is not installed. - Errc::failed: the message has why.
    Result<double> run(const ProgramCall& call, Watch watch) const;

private:
    explicit Arms(std::filesystem::path tracker) : tracker_(std::move(tracker)) {}
    Result<base::Process::Options> command(const ProgramCall& call, Watch watch,
                                           const std::filesystem::path& directory) const;

    std::filesystem::path tracker_;
};

}  // namespace crucible::bench
