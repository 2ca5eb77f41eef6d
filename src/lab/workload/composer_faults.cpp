// Events that are wrong on purpose.
#include "lab/workload/composer.h"

namespace crucible::lab {

void Composer::compose_malformed(const Place& place, Event& event) {
    begin(place, event);
    switch (random_.below(3)) {
        case 0:  // cut off in mid-sentence
            event.category = Category::external;
            event.type = "notification.requested";
            event.priority = Priority::low;
            compose_notification(place, event.payload);
            event.payload.resize(event.payload.size() / 2);
            return;
        case 1: {  // signed by somebody else
            event.category = Category::external;
            event.type = "webhook.received";
            event.priority = Priority::high;
            compose_webhook(place, event.payload);
            char& digit = event.payload[event.payload.size() - 3];
            digit = digit == '0' ? '1' : '0';
            return;
        }
        default:  // of a version that does not exist yet
            event.category = Category::database;
            event.type = "record.renamed";
            event.priority = Priority::normal;
            event.payload = "{";
            text_field(event.payload, "key", noun());
            return padding_field(event.payload, "to", "}");
    }
}

void Composer::compose_failing(const Place& place, Event& event) {
    begin(place, event);
    std::string& out = event.payload;
    event.priority = Priority::normal;
    key_.assign("missing/").append(std::to_string(place.index));
    out += '{';
    if (random_.below(2) == 0) {
        event.category = Category::database;
        event.type = "record.updated";
        text_field(out, "key", key_);
        out += ",\"fields\":{";
        text_field(out, "state", noun());
        return padding_field(out, "note", "}}");
    }
    event.category = Category::filesystem;
    event.type = "file.deleted";
    text_field(out, "path", key_);
    padding_field(out, "reason", "}");
}

}  // namespace crucible::lab
