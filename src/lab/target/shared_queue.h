#pragma once

#include <pthread.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/file.h"
#include "crucible/error.h"
#include "crucible/time.h"
#include "lab/target/queue_model.h"

namespace crucible::lab {

/// A QueueModel in memory that all clients share: the system behind `synthetic:`. Service takes its
/// time in a formula and no CPU. May be used from any thread of any process.
class SharedQueue {
public:
    /// A new, idle queue. - Errc::io.
    static Result<std::unique_ptr<SharedQueue>> make(const QueueOptions& options);
    /// The queue that another process made, by its path(). - Errc::not_found, Errc::io: it is gone.
    static Result<std::unique_ptr<SharedQueue>> open(const std::string& path);
    ~SharedQueue();
    SharedQueue(const SharedQueue&) = delete;
    SharedQueue& operator=(const SharedQueue&) = delete;

    /// Where another process of this user finds it, as long as this object lives.
    std::string path() const;

    /// An event arrives now: see QueueModel::arrive().
    std::optional<TimePoint> arrive();

    /// The same for an arrival at `at`, not before that of the last one.
    std::optional<TimePoint> arrive_at(TimePoint at);

private:
    struct Shared;
    SharedQueue(base::UniqueFd memory, Shared* shared, std::size_t bytes) noexcept
        : memory_(std::move(memory)), shared_(shared), bytes_(bytes) {}
    static Result<std::unique_ptr<SharedQueue>> map(base::UniqueFd memory, std::size_t bytes);
    void lock();
    std::optional<TimePoint> take_place(TimePoint at) noexcept;

    base::UniqueFd memory_;
    Shared* shared_;
    std::size_t bytes_;
};

}  // namespace crucible::lab
