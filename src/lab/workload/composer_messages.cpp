// External systems and MCP: what their events say.
#include <algorithm>
#include <array>

#include "lab/workload/composer.h"

namespace crucible::lab {
namespace {

constexpr std::array<std::string_view, 8> kMethods = {"GET",  "GET",  "GET", "GET",
                                                      "POST", "POST", "PUT", "DELETE"};
constexpr std::array<std::uint64_t, 10> kStatuses = {200, 200, 200, 200, 200,
                                                     201, 204, 304, 404, 503};
constexpr std::array<std::string_view, 4> kActions = {"created", "updated", "paid", "cancelled"};
constexpr std::array<std::string_view, 4> kChannels = {"email", "email", "push", "chat"};

// A context document is written at steps 0 and 5 and read by the steps that follow, all at one
// priority. So every read finds its file, which no file of another category could promise.
enum class McpAct : std::uint8_t { context, tool, resource };
constexpr std::array<McpAct, 10> kMcpSteps = {
    McpAct::context, McpAct::tool, McpAct::resource, McpAct::tool,     McpAct::tool,
    McpAct::context, McpAct::tool, McpAct::resource, McpAct::resource, McpAct::tool};
constexpr std::uint64_t kDocuments = 8;

void append_hex(std::string& out, std::uint64_t value) {
    for (int shift = 60; shift >= 0; shift -= 4) out += "0123456789abcdef"[(value >> shift) & 15];
}

}  // namespace

void Composer::compose_external(const Place& place, Event& event) {
    // Nothing here depends on order: priorities may differ.
    const auto draw = random_.below(100);
    if (draw < 50) {
        event.type = "api.called";
        event.priority = Priority::normal;
        compose_call(place, event.payload);
    } else if (draw < 80) {
        event.type = "webhook.received";
        event.priority = Priority::high;
        compose_webhook(place, event.payload);
    } else {
        event.type = "notification.requested";
        event.priority = Priority::low;
        compose_notification(place, event.payload);
    }
}

void Composer::compose_call(const Place& place, std::string& out) {
    out += '{';
    key_.clear();
    append_hex(key_, random_.next());
    text_field(out, "request_id", key_);
    text_field(out, "method", kMethods[random_.below(kMethods.size())]);
    key_.assign("/v1/").append(noun()).append("/").append(std::to_string(random_.below(100'000)));
    text_field(out, "path", key_);
    number_field(out, "status", kStatuses[random_.below(kStatuses.size())]);
    decimal_field(out, "duration_ms", 200 + random_.below(90'000), 3);
    time_field(out, "called", place);
    out += ",\"body\":{";
    text_field(out, "kind", noun());
    padding_field(out, "summary", "}}");
}

void Composer::compose_webhook(const Place& place, std::string& out) {
    constexpr std::size_t kSignatureBytes = sizeof R"(","signature":"sha256="})" - 1 + 64;
    std::string& body = scratch_;
    body.assign("{");
    text_field(body, "action", kActions[random_.below(kActions.size())]);
    key_.assign("orders/").append(std::to_string(random_.below(100'000)));
    text_field(body, "resource", key_);
    decimal_field(body, "amount", random_.below(1'000'000), 2);
    time_field(body, "sent", place);
    body += ",\"description\":\"";

    out += '{';
    key_.clear();
    append_hex(key_, random_.next());
    text_field(out, "delivery", key_);
    out += ",\"body\":\"";
    // In the payload the body is a string: each of its quotes takes two bytes there.
    const std::size_t quotes = 2 + static_cast<std::size_t>(std::ranges::count(body, '"')) - 1;
    const std::size_t fixed = out.size() + body.size() + 2 + quotes + kSignatureBytes;
    if (fixed < payload_bytes_) corpus_.append(body, payload_bytes_ - fixed, random_);
    body += "\"}";

    const auto signature = signer_.sign(body);
    for (std::size_t start = 0; start < body.size();) {
        const std::size_t quote = std::min(body.find('"', start), body.size());
        out.append(body, start, quote - start);
        if (quote < body.size()) out += "\\\"";
        start = quote + 1;
    }
    out.append(R"(","signature":"sha256=)").append(signature.data(), signature.size());
    out.append("\"}");
}

void Composer::compose_notification(const Place& place, std::string& out) {
    out += '{';
    text_field(out, "channel", kChannels[random_.below(kChannels.size())]);
    key_.assign(noun()).append(".").append(noun()).append(std::to_string(random_.below(1000)));
    key_.append("@example.com");
    text_field(out, "recipient", key_);
    key_.assign("The ").append(noun()).append(" of your ").append(noun());
    text_field(out, "subject", key_);
    text_field(out, "template", noun());
    time_field(out, "requested", place);
    padding_field(out, "body", "}");
}

void Composer::compose_mcp(const Place& place, Event& event) {
    const std::uint64_t cycle = place.turn / kMcpSteps.size();
    const std::uint64_t step = place.turn % kMcpSteps.size();
    const std::uint64_t document = (2 * cycle + (step >= 5 ? 1 : 0)) % kDocuments;
    const std::string name = "notes-" + std::to_string(document) + ".md";  // short: no allocation
    event.priority = Priority::normal;
    std::string& out = event.payload;
    out += "{\"jsonrpc\":\"2.0\"";
    number_field(out, "id", place.turn + 1);
    switch (kMcpSteps[step]) {
        case McpAct::context:
            event.type = "context.updated";
            out += ",\"method\":\"context/update\",\"params\":{";
            text_field(out, "name", name);
            time_field(out, "updated", place);
            return content_fields(out, "}}");
        case McpAct::resource:
            event.type = "resource.requested";
            out += ",\"method\":\"resources/read\",\"params\":{\"uri\":\"vault:///context/";
            out.append(name).append("\",\"_meta\":{");
            break;
        case McpAct::tool:
            event.type = "tool.called";
            compose_tool_call(place, name, out);
            break;
    }
    text_field(out, "agent", noun());
    time_field(out, "called", place);
    padding_field(out, "intent", "}}}");
}

void Composer::compose_tool_call(const Place& place, std::string_view document, std::string& out) {
    out += ",\"method\":\"tools/call\",\"params\":{";
    const auto draw = random_.below(10);
    if (draw < 4) {
        out.append(R"("name":"read_file","arguments":{"path":"context/)").append(document);
        out += '"';
    } else if (draw < 6) {
        out.append(R"("name":"search","arguments":{"directory":"context","text":")");
        out.append(noun()).append("\"");
    } else {
        // The third order of a cycle is never deleted. That of two cycles ago has most likely been
        // written; the database works in parallel, so an answer without a record is possible and
        // right.
        const std::uint64_t cycle = place.turn / 4;
        const std::uint64_t order = 3 * (cycle > 2 ? cycle - 2 : 0) + 2;
        out.append(R"("name":"query","arguments":{"key":"orders/)").append(std::to_string(order));
        out += '"';
    }
    out += "},\"_meta\":{";
}

}  // namespace crucible::lab
