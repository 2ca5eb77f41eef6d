#include "runtime/dispatch/packed_tasks.h"

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace crucible::runtime {
namespace {

constexpr std::string_view kUsualContentType = "application/json";

/// What a record has beside the fields of all records. Most events have little of it.
enum Has : std::uint16_t {
    kTargets = 1u << 0,
    kContentType = 1u << 1,  ///< other than the usual
    kCorrelation = 1u << 2,
    kCausation = 1u << 3,
    kAttempt = 1u << 4,  ///< other than the first
    kDeadline = 1u << 5,
    kNotBefore = 1u << 6,
    kFailures = 1u << 7,
    kScheduled = 1u << 8,
    kBeingRetried = 1u << 9,
    kWholeTask = 1u << 10,  ///< the record is a pointer to the task, and nothing else
};

/// Bytes of a number written by put_number(), at most.
constexpr std::size_t kNumberBytesMax = 10;
/// Of all but texts: the flags, category and priority, three ids, four times, twelve numbers.
constexpr std::size_t kFixedBytesMax = 2 + 2 + 3 * 16 + 4 * 8 + 12 * kNumberBytesMax;

std::uint16_t flags_of(const Task& task) noexcept {
    const Event& event = task.event;
    unsigned flags = 0;
    if (!event.targets.empty()) flags |= kTargets;
    if (event.content_type != kUsualContentType) flags |= kContentType;
    if (event.correlation_id) flags |= kCorrelation;
    if (event.causation_id) flags |= kCausation;
    if (event.attempt != 1) flags |= kAttempt;
    if (event.deadline) flags |= kDeadline;
    if (event.not_before) flags |= kNotBefore;
    if (task.attempts != 0 || task.first_failed != WallTime{}) flags |= kFailures;
    if (task.scheduled) flags |= kScheduled;
    if (task.being_retried) flags |= kBeingRetried;
    return static_cast<std::uint16_t>(flags);
}

/// Of its record, at most.
std::size_t record_bytes_max(const Event& event) noexcept {
    std::size_t bytes = kFixedBytesMax + event.type.size() + event.source.size() +
                        event.payload.size() + event.content_type.size();
    for (const auto& target : event.targets) bytes += kNumberBytesMax + target.size();
    return bytes;
}

class Writer {
public:
    explicit Writer(std::byte* at) noexcept : at_(at) {}
    std::byte* at() const noexcept { return at_; }

    template <typename Value>
    void put(const Value& value) noexcept {
        std::memcpy(at_, &value, sizeof value);
        at_ += sizeof value;
    }
    /// Seven bits a byte, the lowest first: most are small.
    void put_number(std::uint64_t number) noexcept {
        for (; number >= 0x80; number >>= 7) put(static_cast<std::uint8_t>(number | 0x80));
        put(static_cast<std::uint8_t>(number));
    }
    void put_text(std::string_view text) noexcept {
        put_number(text.size());
        if (!text.empty()) std::memcpy(at_, text.data(), text.size());
        at_ += text.size();
    }

private:
    std::byte* at_;
};

class Reader {
public:
    explicit Reader(const std::byte* at) noexcept : at_(at) {}
    const std::byte* at() const noexcept { return at_; }

    template <typename Value>
    Value get() noexcept {
        Value value;
        std::memcpy(&value, at_, sizeof value);
        at_ += sizeof value;
        return value;
    }
    std::uint64_t get_number() noexcept {
        std::uint64_t number = 0;
        for (unsigned shift = 0;; shift += 7) {
            const auto byte = get<std::uint8_t>();
            number |= std::uint64_t{byte & 0x7fu} << shift;
            if (byte < 0x80) return number;
        }
    }
    void get_text(std::string& text) {
        const auto size = static_cast<std::size_t>(get_number());
        text.assign(reinterpret_cast<const char*>(at_), size);
        at_ += size;
    }

private:
    const std::byte* at_;
};

std::byte* pack(const Task& task, std::byte* at) noexcept {
    const Event& event = task.event;
    const std::uint16_t flags = flags_of(task);
    Writer out(at);
    out.put(flags);
    out.put(event.id);
    out.put(event.category);
    out.put(event.priority);
    out.put(event.created);
    out.put_number(task.owner);
    out.put_number(task.token);
    out.put_number(task.bytes);
    out.put_number(task.instance);
    out.put_number(task.permit.period);
    out.put_text(event.type);
    out.put_text(event.source);
    out.put_text(event.payload);
    if ((flags & kContentType) != 0) out.put_text(event.content_type);
    if ((flags & kTargets) != 0) {
        out.put_number(event.targets.size());
        for (const auto& target : event.targets) out.put_text(target);
    }
    if (event.correlation_id) out.put(*event.correlation_id);
    if (event.causation_id) out.put(*event.causation_id);
    if ((flags & kAttempt) != 0) out.put_number(event.attempt);
    if (event.deadline) out.put(*event.deadline);
    if (event.not_before) out.put(*event.not_before);
    if ((flags & kFailures) != 0) {
        out.put_number(task.attempts);
        out.put(task.first_failed);
    }
    return out.at();
}

/// Into a fresh task; `in` stands behind the flags.
TaskPtr unpack(Reader& in, std::uint16_t flags) {
    auto task = std::make_unique<Task>();
    Event& event = task->event;
    event.id = in.get<Uuid>();
    event.category = in.get<Category>();
    event.priority = in.get<Priority>();
    event.created = in.get<WallTime>();
    task->owner = in.get_number();
    task->token = in.get_number();
    task->bytes = static_cast<std::size_t>(in.get_number());
    task->instance = static_cast<std::size_t>(in.get_number());
    task->permit.period = in.get_number();
    in.get_text(event.type);
    in.get_text(event.source);
    in.get_text(event.payload);
    if ((flags & kContentType) != 0) in.get_text(event.content_type);
    if ((flags & kTargets) != 0) {
        event.targets.resize(static_cast<std::size_t>(in.get_number()));
        for (auto& target : event.targets) in.get_text(target);
    }
    if ((flags & kCorrelation) != 0) event.correlation_id = in.get<Uuid>();
    if ((flags & kCausation) != 0) event.causation_id = in.get<Uuid>();
    if ((flags & kAttempt) != 0) event.attempt = static_cast<std::uint32_t>(in.get_number());
    if ((flags & kDeadline) != 0) event.deadline = in.get<WallTime>();
    if ((flags & kNotBefore) != 0) event.not_before = in.get<WallTime>();
    if ((flags & kFailures) != 0) {
        task->attempts = static_cast<std::uint32_t>(in.get_number());
        task->first_failed = in.get<WallTime>();
    }
    task->scheduled = (flags & kScheduled) != 0;
    task->being_retried = (flags & kBeingRetried) != 0;
    return task;
}

}  // namespace

PackedTasks::~PackedTasks() {
    // Those that were not packed are owned by their records.
    while (pop_front()) {
    }
}

/// So much in one piece, at the end.
std::byte* PackedTasks::room_for(std::size_t bytes) {
    if (chunks_.empty() || used_.back() + bytes > kChunkBytes) {
        chunks_.push_back(std::make_unique_for_overwrite<std::byte[]>(kChunkBytes));
        used_.push_back(0);
    }
    return chunks_.back().get() + used_.back();
}

void PackedTasks::push_back(TaskPtr task) {
    const std::size_t bytes_max = record_bytes_max(task->event);
    const bool whole = task->joint != nullptr || bytes_max > kRecordBytesMax;
    std::byte* const at = room_for(whole ? sizeof(std::uint16_t) + sizeof(Task*) : bytes_max);
    std::byte* end = nullptr;
    if (whole) {
        Writer out(at);
        out.put(std::uint16_t{kWholeTask});
        out.put(task.release());
        end = out.at();
    } else {
        end = pack(*task, at);
    }
    used_.back() += static_cast<std::size_t>(end - at);
}

TaskPtr PackedTasks::pop_front() {
    if (chunks_.empty()) return nullptr;
    const std::byte* const chunk = chunks_.front().get();
    Reader in(chunk + read_);
    const auto flags = in.get<std::uint16_t>();
    TaskPtr task((flags & kWholeTask) != 0 ? in.get<Task*>() : unpack(in, flags).release());
    read_ = static_cast<std::size_t>(in.at() - chunk);
    if (read_ == used_.front()) {
        chunks_.pop_front();
        used_.pop_front();
        read_ = 0;
    }
    return task;
}

}  // namespace crucible::runtime
