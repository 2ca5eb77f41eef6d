#include "runtime/event/wire.h"

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "runtime/event/event_generated.h"

namespace crucible::runtime {
namespace {

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

/// FlatBuffers reads words where they lie: a buffer at an odd address is copied first.
const std::uint8_t* aligned(std::span<const std::byte> bytes) {
    if (reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(std::uint64_t) == 0)
        return reinterpret_cast<const std::uint8_t*>(bytes.data());
    thread_local std::vector<std::uint64_t> copy;
    if (copy.capacity() * sizeof(std::uint64_t) > kKeptBytesMax)
        std::vector<std::uint64_t>().swap(copy);
    copy.resize((bytes.size() + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t));
    std::memcpy(copy.data(), bytes.data(), bytes.size());
    return reinterpret_cast<const std::uint8_t*>(copy.data());
}

// encode_event() writes the table itself: a builder would write each event twice and look up what
// every event has alike. The layout is one that FlatBuffers allows, its parts in this order: the
// root's offset and the file identifier, the vtable, the table, and what the table refers to.

constexpr std::size_t kFields = 15;
constexpr std::size_t kVtableAt = 8;
constexpr std::size_t kVtableBytes = 2 * sizeof(std::uint16_t) + kFields * sizeof(std::uint16_t);
/// Behind the vtable, at a multiple of eight.
constexpr std::size_t kTableAt = (kVtableAt + kVtableBytes + 7) & ~std::size_t{7};
static_assert(kTableAt % alignof(std::int64_t) == 0);

/// Places of the fields in the table.
enum Place : std::uint16_t {
    kType = 4,
    kCreated = 8,
    kDeadline = 16,
    kSource = 24,
    kTargets = 28,
    kPayload = 32,
    kContentType = 36,
    kAttempt = 40,
    kCategory = 44,
    kPriority = 45,
    kHasDeadline = 46,
    kId = 48,
    kCorrelation = 64,
    kCausation = 80,
    kNotBefore = 96,
    kTableBytes = 104,
};

constexpr std::size_t word_aligned(std::size_t bytes) {
    return (bytes + 3) & ~std::size_t{3};
}
/// Length, text, and the zero behind it that FlatBuffers asks of strings.
constexpr std::size_t string_bytes(std::size_t text_bytes) {
    return word_aligned(sizeof(std::uint32_t) + text_bytes + 1);
}
constexpr std::size_t payload_bytes(std::size_t bytes) {
    return word_aligned(sizeof(std::uint32_t) + bytes);
}
/// All but the names.
constexpr std::size_t targets_bytes(std::size_t targets) {
    return targets == 0 ? 0 : sizeof(std::uint32_t) * (1 + targets);
}

/// Whether encode_event() would write what is in a verified buffer. Nothing keeps a buffer from
/// naming one string many times, so that a small one could ask for terabytes.
bool within_limits(const wire::Event& stored) {
    const auto size = [](const auto* part) -> std::size_t { return part ? part->size() : 0; };
    const std::size_t targets = size(stored.targets());
    if (targets > kTargetsMax) return false;
    std::size_t bytes = kTableAt + kTableBytes + string_bytes(size(stored.type())) +
                        string_bytes(size(stored.source())) +
                        string_bytes(size(stored.content_type())) + targets_bytes(targets) +
                        payload_bytes(size(stored.payload()));
    for (std::size_t i = 0; i < targets; ++i)
        bytes += string_bytes(size(stored.targets()->Get(static_cast<flatbuffers::uoffset_t>(i))));
    return bytes <= kEventBytesMax;
}

/// Writes the parts behind the front, every byte, those that mean nothing as zeros.
class Writer {
public:
    explicit Writer(std::byte* at) : at_(at), next_(kTableAt + kTableBytes) {}

    template <typename T>
    void put(std::size_t place, T value) noexcept {
        std::memcpy(at_ + place, &value, sizeof value);
    }
    template <typename T>
    void field(Place place, T value) noexcept {
        put(kTableAt + place, value);
    }
    /// A string or a vector of bytes, whose offset goes to `from`.
    void refer(std::size_t from, std::string_view text, bool is_string = true) noexcept {
        put(from, static_cast<std::uint32_t>(next_ - from));
        const std::size_t end =
            next_ + word_aligned(sizeof(std::uint32_t) + text.size() + (is_string ? 1 : 0));
        put(end - sizeof(std::uint32_t), std::uint32_t{0});
        put(next_, static_cast<std::uint32_t>(text.size()));
        std::memcpy(at_ + next_ + sizeof(std::uint32_t), text.data(), text.size());
        next_ = end;
    }
    void refer(std::size_t from, const std::vector<std::string>& names) noexcept {
        put(from, static_cast<std::uint32_t>(next_ - from));
        put(next_, static_cast<std::uint32_t>(names.size()));
        std::size_t entry = next_ + sizeof(std::uint32_t);
        next_ = entry + sizeof(std::uint32_t) * names.size();
        for (const auto& name : names) {
            refer(entry, name);
            entry += sizeof(std::uint32_t);
        }
    }

private:
    std::byte* const at_;
    std::size_t next_;  ///< where the next part goes
};

/// Place of each field in the table, in the order of event.fbs.
constexpr std::array<std::uint16_t, kFields> kPlaces = {
    kId,      kCategory,    kPriority,  kType,    kSource,      kTargets,  kPayload,  kContentType,
    kCreated, kCorrelation, kCausation, kAttempt, kHasDeadline, kDeadline, kNotBefore};

constexpr std::size_t field_number(Place place) {
    for (std::size_t i = 0; i < kFields; ++i)
        if (kPlaces[i] == place) return i;
    return kFields;
}
/// Where the vtable has the place of a field.
template <Place place>
constexpr std::size_t kEntryOf = kVtableAt + 2 * sizeof(std::uint16_t) +
                                 field_number(place) * sizeof(std::uint16_t);

/// What every event has alike: all in front of the variable parts, with every field in the vtable
/// and zeros in the table. Copying it costs less than writing it.
using Front = std::array<std::byte, kTableAt + kTableBytes>;
Front make_front() {
    Front front{};
    const auto put = [&front](std::size_t place, auto value) {
        std::memcpy(front.data() + place, &value, sizeof value);
    };
    put(0, static_cast<std::uint32_t>(kTableAt));
    std::memcpy(front.data() + sizeof(std::uint32_t), wire::EventIdentifier(), 4);
    put(kVtableAt, static_cast<std::uint16_t>(kVtableBytes));
    put(kVtableAt + sizeof(std::uint16_t), static_cast<std::uint16_t>(kTableBytes));
    put(kVtableAt + 2 * sizeof(std::uint16_t), kPlaces);
    put(kTableAt, static_cast<std::int32_t>(kTableAt - kVtableAt));
    return front;
}
const Front kFront = make_front();

}  // namespace

Result<std::size_t> encoded_bytes(const Event& event) {
    if (const auto bytes = variable_bytes(event); bytes > kEventBytesMax) return too_large(bytes);
    if (event.targets.size() > kTargetsMax) {
        return std::unexpected(Error{Errc::invalid_argument,
                                     fmt::format("event with {} targets: at most {} are allowed",
                                                 event.targets.size(), kTargetsMax)});
    }
    std::size_t bytes = kTableAt + kTableBytes + string_bytes(event.type.size()) +
                        string_bytes(event.source.size()) +
                        string_bytes(event.content_type.size()) +
                        targets_bytes(event.targets.size()) + payload_bytes(event.payload.size());
    for (const auto& target : event.targets) bytes += string_bytes(target.size());
    if (bytes > kEventBytesMax) return too_large(bytes);
    return bytes;
}

void encode_event(const Event& event, std::byte* at) noexcept {
    std::memcpy(at, kFront.data(), kFront.size());
    Writer writer(at);
    writer.field(kId, event.id);
    writer.field(kCategory, event.category);
    writer.field(kPriority, event.priority);
    writer.field(kCreated, nanoseconds(event.created));
    writer.field(kAttempt, event.attempt);
    const auto leave_out = [&writer](std::size_t entry) { writer.put(entry, std::uint16_t{0}); };
    if (event.correlation_id) {
        writer.field(kCorrelation, *event.correlation_id);
    } else {
        leave_out(kEntryOf<kCorrelation>);
    }
    if (event.causation_id) {
        writer.field(kCausation, *event.causation_id);
    } else {
        leave_out(kEntryOf<kCausation>);
    }
    if (event.deadline) {
        writer.field(kHasDeadline, std::uint8_t{1});
        writer.field(kDeadline, nanoseconds(*event.deadline));
    } else {
        leave_out(kEntryOf<kHasDeadline>);
        leave_out(kEntryOf<kDeadline>);
    }
    if (event.not_before) {
        writer.field(kNotBefore, nanoseconds(*event.not_before));
    } else {
        leave_out(kEntryOf<kNotBefore>);
    }
    writer.refer(kTableAt + kType, event.type);
    writer.refer(kTableAt + kSource, event.source);
    writer.refer(kTableAt + kContentType, event.content_type);
    if (!event.targets.empty()) {
        writer.refer(kTableAt + kTargets, event.targets);
    } else {
        leave_out(kEntryOf<kTargets>);
    }
    writer.refer(kTableAt + kPayload, event.payload, false);
}

Result<> encode_event(const Event& event, std::vector<std::byte>& out) {
    const auto bytes = encoded_bytes(event);
    if (!bytes) return std::unexpected(bytes.error());
    const std::size_t start = out.size();
    out.resize(start + *bytes);
    encode_event(event, out.data() + start);
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
    if (!within_limits(stored)) return corrupt();
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
    event.not_before.reset();
    if (const auto* id = stored.correlation_id()) event.correlation_id = from_wire(*id);
    if (const auto* id = stored.causation_id()) event.causation_id = from_wire(*id);
    if (stored.has_deadline()) event.deadline = WallTime(Duration(stored.deadline_ns()));
    if (const auto time = stored.not_before_ns()) event.not_before = WallTime(Duration(*time));
    event.attempt = stored.attempt();
    return {};
}

}  // namespace crucible::runtime
