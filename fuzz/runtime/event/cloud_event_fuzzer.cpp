// CloudEvents JSON from strangers: what is read is written as a text that reads as the same event.
#include "runtime/event/cloud_event.h"

#include "base/assert.h"
#include "fuzzer.h"

namespace crucible::fuzz {

void run(std::string_view input) {
    const auto event = runtime::from_cloud_event(input);
    if (!event) return check_message(event.error());
    const auto text = runtime::to_cloud_event(*event);
    const auto back = runtime::from_cloud_event(text);
    CRUCIBLE_ASSERT(back.has_value());
    CRUCIBLE_ASSERT(*back == *event);
    CRUCIBLE_ASSERT(runtime::to_cloud_event(*back) == text);
}

std::vector<std::string> seeds() {
    Event event;
    event.id = {{1, 2, 3, 4, 5, 6, 0x70, 8, 0x90, 10, 11, 12, 13, 14, 15, 16}};
    event.category = Category::database;
    event.priority = Priority::high;
    event.type = "record.created";
    event.source = "client-2";
    event.payload = R"({"key": 1.50})";
    std::vector<std::string> texts{runtime::to_cloud_event(event)};
    event.targets = {"database-1", "a,b%"};
    event.correlation_id = event.causation_id = event.id;
    event.attempt = 3;
    event.created = WallTime(std::chrono::seconds(1'522'949'460));
    event.deadline = event.not_before = event.created;
    event.content_type = "text/plain; charset=utf-8";
    event.payload = "two \"lines\"\n\u00e9";
    texts.push_back(runtime::to_cloud_event(event));
    event.content_type = "application/octet-stream";
    event.payload = std::string("\0\xff\x01", 3);
    texts.push_back(runtime::to_cloud_event(event));
    return texts;
}

}  // namespace crucible::fuzz
