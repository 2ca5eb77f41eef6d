#include "support/publisher_events.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string>

namespace crucible::bench {
namespace {

/// Ids of a publisher's own: its number, then a count.
class Ids {
public:
    explicit Ids(std::uint32_t publisher) : publisher_(publisher) {}

    std::uint64_t put(Event& event) {
        ++count_;
        std::memcpy(event.id.bytes.data(), &publisher_, sizeof publisher_);
        std::memcpy(event.id.bytes.data() + 8, &count_, sizeof count_);
        return count_;
    }

private:
    std::uint32_t publisher_;
    std::uint64_t count_ = 0;
};

Event metric(std::uint32_t publisher, std::size_t payload_bytes) {
    Event event;
    event.category = Category::system;
    event.type = "metric.recorded";
    event.source = fmt::format("publisher-{}", publisher);
    event.payload.assign(payload_bytes, 'x');
    return event;
}

constexpr std::string_view kRecordFront = R"({"key":"000000000000","fields":{"text":")";
constexpr std::string_view kRecordBack = R"("}})";
constexpr std::size_t kKeyAt = 8;
constexpr std::size_t kKeyDigits = 12;

Event record(std::uint32_t publisher, std::size_t payload_bytes) {
    Event event;
    event.category = Category::database;
    event.type = "record.created";
    event.source = fmt::format("publisher-{}", publisher);
    const auto around = kRecordFront.size() + kRecordBack.size();
    event.payload = kRecordFront;
    event.payload.append(payload_bytes - std::min(payload_bytes, around), 'x');
    event.payload += kRecordBack;
    return event;
}

}  // namespace

NextEvent metrics(std::uint32_t publisher, std::size_t payload_bytes) {
    return [event = metric(publisher, payload_bytes)]() -> const Event& { return event; };
}

NextEvent metrics_with_ids(std::uint32_t publisher, std::size_t payload_bytes) {
    return
        [event = metric(publisher, payload_bytes), ids = Ids(publisher)]() mutable -> const Event& {
            ids.put(event);
            return event;
        };
}

NextEvent records(std::uint32_t publisher, std::size_t payload_bytes) {
    return
        [event = record(publisher, payload_bytes), ids = Ids(publisher)]() mutable -> const Event& {
            fmt::format_to_n(event.payload.data() + kKeyAt, kKeyDigits, "{:012}", ids.put(event));
            return event;
        };
}

}  // namespace crucible::bench
