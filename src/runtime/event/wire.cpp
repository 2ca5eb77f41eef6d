#include "runtime/event/wire.h"

#include <fmt/format.h>

#include <cstring>

#include "runtime/event/event_generated.h"

namespace crucible::runtime {
namespace {

wire::Uuid to_wire(const Uuid& id) {
    return wire::Uuid(flatbuffers::span<const std::uint8_t, 16>(id.bytes.data(), 16));
}

Uuid from_wire(const wire::Uuid& id) {
    Uuid result;
    for (std::size_t i = 0; i < result.bytes.size(); ++i)
        result.bytes[i] = id.bytes()->Get(static_cast<flatbuffers::uoffset_t>(i));
    return result;
}

std::int64_t nanoseconds(WallTime time) {
    return time.time_since_epoch().count();
}

void assign(const flatbuffers::String* text, std::string& out) {
    if (text != nullptr) {
        out.assign(text->data(), text->size());
    } else {
        out.clear();
    }
}

std::unexpected<Error> too_large(std::size_t bytes) {
    return std::unexpected(
        Error{Errc::invalid_argument,
              fmt::format("event of {} bytes: at most {} are allowed", bytes, kEventBytesMax)});
}

std::unexpected<Error> corrupt() {
    return std::unexpected(Error{Errc::corrupt, {}});
}

/// The root offset and the file identifier, which the verifier reads without looking at the size.
constexpr std::size_t kBytesMin = 8;

/// Memory a thread keeps for its next events; what a larger one needed is given back.
constexpr std::size_t kKeptBytesMax = 1024 * 1024;

/// Bytes of all variable parts. They are a lower bound of the encoded size, known before anything
/// is written.
std::size_t variable_bytes(const Event& event) {
    std::size_t bytes =
        event.type.size() + event.source.size() + event.payload.size() + event.content_type.size();
    for (const auto& target : event.targets) bytes += target.size();
    return bytes;
}

/// The same of a verified buffer. Nothing keeps a buffer from naming one string many times, so that
/// a small one could ask for terabytes: what it would unpack to is bounded like what encode_event()
/// accepts.
bool unpacks_within_limits(const wire::Event& stored) {
    const auto size = [](const auto* part) -> std::size_t { return part ? part->size() : 0; };
    if (size(stored.targets()) > kTargetsMax) return false;
    std::size_t bytes = size(stored.type()) + size(stored.source()) + size(stored.payload()) +
                        size(stored.content_type());
    for (std::size_t i = 0; i < size(stored.targets()); ++i)
        bytes += size(stored.targets()->Get(static_cast<flatbuffers::uoffset_t>(i)));
    return bytes <= kEventBytesMax;
}

/// FlatBuffers reads words where they lie: a buffer at an odd address is copied first.
const std::uint8_t* aligned(std::span<const std::byte> bytes) {
    if (reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(std::uint64_t) == 0)
        return reinterpret_cast<const std::uint8_t*>(bytes.data());
    thread_local std::vector<std::uint64_t> copy;
    if (copy.capacity() * sizeof(std::uint64_t) > kKeptBytesMax) copy = {};
    copy.resize((bytes.size() + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t));
    std::memcpy(copy.data(), bytes.data(), bytes.size());
    return reinterpret_cast<const std::uint8_t*>(copy.data());
}

using TargetNames = flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>;

flatbuffers::Offset<TargetNames> write_targets(flatbuffers::FlatBufferBuilder& builder,
                                               const std::vector<std::string>& targets) {
    if (targets.empty()) return {};
    thread_local std::vector<flatbuffers::Offset<flatbuffers::String>> names;
    names.clear();
    for (const auto& target : targets) names.push_back(builder.CreateString(target));
    return builder.CreateVector(names);
}

flatbuffers::Offset<wire::Event> write_event(flatbuffers::FlatBufferBuilder& builder,
                                             const Event& event) {
    const auto targets = write_targets(builder, event.targets);
    const auto type = builder.CreateString(event.type);
    const auto source = builder.CreateString(event.source);
    const auto payload = builder.CreateVector(
        reinterpret_cast<const std::uint8_t*>(event.payload.data()), event.payload.size());
    const auto content_type = builder.CreateString(event.content_type);
    const auto id = to_wire(event.id);
    wire::EventBuilder table(builder);
    table.add_id(&id);
    table.add_category(static_cast<std::uint8_t>(event.category));
    table.add_priority(static_cast<std::uint8_t>(event.priority));
    table.add_type(type);
    table.add_source(source);
    if (!targets.IsNull()) table.add_targets(targets);
    table.add_payload(payload);
    table.add_content_type(content_type);
    table.add_created_ns(nanoseconds(event.created));
    wire::Uuid correlation;
    wire::Uuid causation;
    if (event.correlation_id) {
        correlation = to_wire(*event.correlation_id);
        table.add_correlation_id(&correlation);
    }
    if (event.causation_id) {
        causation = to_wire(*event.causation_id);
        table.add_causation_id(&causation);
    }
    table.add_attempt(event.attempt);
    if (event.deadline) {
        table.add_has_deadline(true);
        table.add_deadline_ns(nanoseconds(*event.deadline));
    }
    return table.Finish();
}

}  // namespace

Result<> encode_event(const Event& event, std::vector<std::byte>& out) {
    // Before building: FlatBuffers asserts at 2 GiB.
    if (const auto bytes = variable_bytes(event); bytes > kEventBytesMax) return too_large(bytes);
    if (event.targets.size() > kTargetsMax) {
        return std::unexpected(Error{Errc::invalid_argument,
                                     fmt::format("event with {} targets: at most {} are allowed",
                                                 event.targets.size(), kTargetsMax)});
    }
    thread_local flatbuffers::FlatBufferBuilder builder(4096);
    builder.Clear();
    wire::FinishEventBuffer(builder, write_event(builder, event));
    const std::size_t size = builder.GetSize();
    if (size <= kEventBytesMax) {
        const auto* bytes = reinterpret_cast<const std::byte*>(builder.GetBufferPointer());
        out.insert(out.end(), bytes, bytes + size);
    }
    if (size > kKeptBytesMax) builder.Reset();
    if (size > kEventBytesMax) return too_large(size);
    return {};
}

Result<> decode_event(std::span<const std::byte> bytes, Event& event) {
    if (bytes.size() > kEventBytesMax) return too_large(bytes.size());
    // A buffer is padded to whole words: one that is not was cut, be it only by its padding.
    if (bytes.size() < kBytesMin || bytes.size() % sizeof(flatbuffers::uoffset_t) != 0)
        return corrupt();
    const auto* data = aligned(bytes);
    flatbuffers::Verifier verifier(data, bytes.size(), {.max_depth = 2, .max_tables = 1});
    if (!wire::VerifyEventBuffer(verifier)) return corrupt();
    const auto& stored = *wire::GetEvent(data);
    if (stored.category() >= kCategoryCount || stored.priority() >= kPriorityCount)
        return corrupt();
    if (!unpacks_within_limits(stored)) return corrupt();
    event.id = from_wire(*stored.id());
    event.category = static_cast<Category>(stored.category());
    event.priority = static_cast<Priority>(stored.priority());
    assign(stored.type(), event.type);
    assign(stored.source(), event.source);
    assign(stored.content_type(), event.content_type);
    if (const auto* payload = stored.payload()) {
        event.payload.assign(reinterpret_cast<const char*>(payload->data()), payload->size());
    } else {
        event.payload.clear();
    }
    event.targets.resize(stored.targets() != nullptr ? stored.targets()->size() : 0);
    for (std::size_t i = 0; i < event.targets.size(); ++i)
        assign(stored.targets()->Get(static_cast<flatbuffers::uoffset_t>(i)), event.targets[i]);
    event.created = WallTime(Duration(stored.created_ns()));
    event.correlation_id.reset();
    event.causation_id.reset();
    event.deadline.reset();
    if (const auto* id = stored.correlation_id()) event.correlation_id = from_wire(*id);
    if (const auto* id = stored.causation_id()) event.causation_id = from_wire(*id);
    if (stored.has_deadline()) event.deadline = WallTime(Duration(stored.deadline_ns()));
    event.attempt = stored.attempt();
    return {};
}

}  // namespace crucible::runtime
