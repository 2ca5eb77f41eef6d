#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "crucible/coordinator.h"
#include "lab/workload/workload.h"
#include "runtime/service/service_set.h"

namespace crucible::bench {

enum class Kind : std::uint8_t { router, coordinator };
std::string_view to_string(Kind kind) noexcept;
std::string_view to_string(runtime::Work work) noexcept;

struct StageOptions {
    Kind kind = Kind::coordinator;
    runtime::Work work = runtime::Work::none;
    std::uint32_t workers = 2;
    std::uint64_t payload_bytes = 2048;
};

/// A real coordinator with real services on a directory of its own, and the events it is fed with.
class Stage {
public:
    static Result<std::unique_ptr<Stage>> open(const StageOptions& options);
    /// Events still in the queue are dropped.
    ~Stage();

    /// Makes the next `count` events of the stream. They have fresh ids, files and records, so that
    /// a service does for each what it did for the ones before. Memory is reused.
    std::span<const Event> next_events(std::size_t count);

    Coordinator& coordinator() noexcept { return *coordinator_; }

    /// Publishes all, until they are accepted. - the errors of Coordinator::publish().
    Result<> publish(std::span<const Event> events);

    /// Waits until all published events have ended. - Errc::timeout. - Errc::failed: they were not
    /// all handled, each once.
    Result<> finish();

private:
    Stage(base::TempDir directory, lab::Workload workload)
        : directory_(std::move(directory)), workload_(std::move(workload)) {}
    void count(std::span<const Acknowledgement> acknowledgements) noexcept;

    base::TempDir directory_;
    lab::Workload workload_;
    std::vector<Event> events_;
    std::uint64_t next_index_ = 0;
    std::uint64_t published_ = 0;
    std::atomic<std::uint64_t> handled_ = 0;
    std::atomic<std::uint64_t> not_handled_ = 0;
    std::unique_ptr<Coordinator> coordinator_;  // last: it acknowledges into the counters
};

}  // namespace crucible::bench
