#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string_view>

namespace crucible::lab {

/// A process's sums of counters that the kernel keeps for each thread and forgets with it: a thread
/// that ended counts with what it was last seen with. Its memory goes with the threads alive, not
/// with all that there were. Not thread-safe.
class ThreadTotals {
public:
    using Counts = std::array<std::uint64_t, 2>;
    using Parse = std::optional<Counts> (*)(std::string_view content);

    /// `file` ("status") of each thread.
    ThreadTotals(const char* file, Parse parse) : file_(file), parse_(parse) {}

    /// Reads all threads of the process whose directory this is. errno on failure: ENOENT also when
    /// none of its threads has such a file.
    std::expected<Counts, int> update(int process_directory);

private:
    bool read_thread(int task, pid_t thread);
    void forget_ended(int task);

    struct Thread {
        Counts counts{};
        std::uint64_t round = 0;
    };

    const char* file_;
    Parse parse_;
    std::uint64_t round_ = 0;
    int failure_ = 0;
    std::map<pid_t, Thread> alive_;
    Counts ended_{};
};

}  // namespace crucible::lab
