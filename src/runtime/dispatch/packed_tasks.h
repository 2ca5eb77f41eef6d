#pragma once

#include <cstddef>
#include <deque>
#include <memory>

#include "runtime/dispatch/task.h"

namespace crucible::runtime {

/// A first-in first-out list of tasks as bytes, for those that wait long: a Task costs some 400
/// bytes besides its payload, a packed one about 60. What cannot be packed (a part of a joint
/// delivery) or gains nothing by it (a large payload) is kept as it is, in its place. Owns its
/// tasks. Not thread-safe.
class PackedTasks {
public:
    /// Records lie in chunks of this size, each given back when its last record is taken.
    static constexpr std::size_t kChunkBytes = 64u << 10;
    /// A larger record is not packed: it would leave much of a chunk empty, and gain little.
    static constexpr std::size_t kRecordBytesMax = kChunkBytes / 8;

    PackedTasks() = default;
    PackedTasks(const PackedTasks&) = delete;
    PackedTasks& operator=(const PackedTasks&) = delete;
    ~PackedTasks();

    bool empty() const noexcept { return chunks_.empty(); }
    void push_back(TaskPtr task);
    /// The oldest, or null when empty.
    TaskPtr pop_front();
    /// Memory held by chunks.
    std::size_t chunk_bytes() const noexcept { return chunks_.size() * kChunkBytes; }

private:
    std::byte* room_for(std::size_t bytes);

    std::deque<std::unique_ptr<std::byte[]>> chunks_;
    std::deque<std::size_t> used_;  ///< of each chunk, in bytes
    std::size_t read_ = 0;          ///< of the first chunk
};

}  // namespace crucible::runtime
