#include "runtime/event/wire.h"

#include <fmt/format.h>

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

}  // namespace

Result<> encode_event(const Event& event, std::vector<std::byte>& out) {
    if (event.payload.size() > kEventBytesMax) return too_large(event.payload.size());
    thread_local flatbuffers::FlatBufferBuilder builder(4096);
    builder.Clear();
    std::vector<flatbuffers::Offset<flatbuffers::String>> target_names;
    for (const auto& target : event.targets) target_names.push_back(builder.CreateString(target));
    const auto targets =
        target_names.empty()
            ? flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>>()
            : builder.CreateVector(target_names);
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
    wire::FinishEventBuffer(builder, table.Finish());
    if (builder.GetSize() > kEventBytesMax) return too_large(builder.GetSize());
    const auto* bytes = reinterpret_cast<const std::byte*>(builder.GetBufferPointer());
    out.insert(out.end(), bytes, bytes + builder.GetSize());
    return {};
}

Result<> decode_event(std::span<const std::byte> bytes, Event& event) {
    if (bytes.size() > kEventBytesMax) return too_large(bytes.size());
    const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
    flatbuffers::Verifier verifier(data, bytes.size());
    if (bytes.size() < 8 || !wire::VerifyEventBuffer(verifier))
        return std::unexpected(Error{Errc::corrupt, {}});
    const auto& stored = *wire::GetEvent(data);
    if (stored.category() >= kCategoryCount || stored.priority() >= kPriorityCount)
        return std::unexpected(Error{Errc::corrupt, {}});
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
