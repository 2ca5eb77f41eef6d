#include "lab/target/shared_queue.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/assert.h"
#include "base/clock.h"

namespace crucible::lab {

struct SharedQueue::Shared {
    pthread_mutex_t mutex;
    QueueOptions options;
    QueueState state;

    /// Behind this: [workers] ends, then [queue_max] begins; ns on CLOCK_MONOTONIC.
    std::int64_t* times() noexcept { return reinterpret_cast<std::int64_t*>(this + 1); }
};

Result<std::unique_ptr<SharedQueue>> SharedQueue::map(base::UniqueFd memory, std::size_t bytes) {
    void* const address =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
    if (address == MAP_FAILED)
        return std::unexpected(base::errno_error("mapping the synthetic queue", errno));
    return std::unique_ptr<SharedQueue>(
        new SharedQueue(std::move(memory), static_cast<Shared*>(address), bytes));
}

Result<std::unique_ptr<SharedQueue>> SharedQueue::make(const QueueOptions& options) {
    CRUCIBLE_ASSERT(options.workers >= 1);
    const std::size_t bytes =
        sizeof(Shared) + (options.workers + options.queue_max) * sizeof(std::int64_t);
    base::UniqueFd memory(::memfd_create("crucible-synthetic", MFD_CLOEXEC));
    if (!memory || ::ftruncate(memory.get(), static_cast<off_t>(bytes)) != 0)
        return std::unexpected(base::errno_error("making the synthetic queue", errno));
    auto queue = map(std::move(memory), bytes);
    if (!queue) return queue;
    Shared& shared = *(*queue)->shared_;
    shared.options = options;
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    // A client may be killed inside: the next one goes on.
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    const int failed = pthread_mutex_init(&shared.mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
    if (failed != 0)
        return std::unexpected(base::errno_error("making the synthetic queue", failed));
    return queue;
}

Result<std::unique_ptr<SharedQueue>> SharedQueue::open(const std::string& path) {
    base::UniqueFd memory(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    struct stat status {};
    if (!memory || ::fstat(memory.get(), &status) != 0) {
        return std::unexpected(
            base::errno_error(fmt::format("opening the synthetic queue {}", path), errno));
    }
    if (static_cast<std::size_t>(status.st_size) <= sizeof(Shared)) {
        return std::unexpected(
            Error{Errc::corrupt, fmt::format("{}: not a synthetic queue", path)});
    }
    return map(std::move(memory), static_cast<std::size_t>(status.st_size));
}

SharedQueue::~SharedQueue() {
    ::munmap(shared_, bytes_);
}

std::string SharedQueue::path() const {
    return fmt::format("/proc/{}/fd/{}", ::getpid(), memory_.get());
}

void SharedQueue::lock() {
    const int result = pthread_mutex_lock(&shared_->mutex);
    if (result == 0) return;
    CRUCIBLE_ASSERT(result == EOWNERDEAD);
    pthread_mutex_consistent(&shared_->mutex);
}

std::optional<TimePoint> SharedQueue::take_place(TimePoint at) noexcept {
    Shared& shared = *shared_;
    QueueModel model(shared.options, shared.state, {shared.times(), shared.options.workers},
                     {shared.times() + shared.options.workers, shared.options.queue_max});
    return model.arrive(at);
}

std::optional<TimePoint> SharedQueue::arrive() {
    lock();
    // Read inside: arrivals of different clients are then in the order of their times.
    const auto end = take_place(base::monotonic_now());
    pthread_mutex_unlock(&shared_->mutex);
    return end;
}

std::optional<TimePoint> SharedQueue::arrive_at(TimePoint at) {
    lock();
    const auto end = take_place(at);
    pthread_mutex_unlock(&shared_->mutex);
    return end;
}

}  // namespace crucible::lab
