#include "lab/http/request_template.h"

#include <gtest/gtest.h>

#include "runtime/event/cloud_event.h"
#include "runtime/event/uuid.h"

namespace crucible::lab {
namespace {

HttpOptions options() {
    HttpOptions options;
    options.host = "h";
    options.port = 81;
    options.path = "/in?x=1";
    return options;
}

Event event() {
    Event event;
    event.id = *runtime::parse_uuid("0190163d-8694-739b-aea5-966c26f8ad91");
    event.category = Category::database;
    event.priority = Priority::high;
    event.type = "record.created";
    event.source = "client-2";
    event.payload = R"({"a":1})";
    return event;
}

std::string written(RequestTemplate& request) {
    std::string out = "|";
    request.write(event(), out);
    return out;
}

std::string from(std::string_view text, const HttpOptions& given = options()) {
    auto request = RequestTemplate::parse(text, "r.http", given);
    EXPECT_TRUE(request) << request.error().message;
    return request ? written(*request) : "";
}

std::string template_error(std::string_view text) {
    const auto request = RequestTemplate::parse(text, "r.http", options());
    return request ? "accepted" : request.error().message;
}

TEST(RequestTemplate, PutsTheEventIntoPathHeadersAndBody) {
    EXPECT_EQ(from("PUT /orders/${id}\nX-Type: ${type}; ${priority}\n\n"
                   "{\"s\": \"${source}\", \"d\": ${payload}}\n"),
              "|PUT /orders/0190163d-8694-739b-aea5-966c26f8ad91 HTTP/1.1\r\nHost: h:81\r\n"
              "X-Type: record.created; high\r\nContent-Length: 31\r\n\r\n"
              "{\"s\": \"client-2\", \"d\": {\"a\":1}}");
}

// Without an event in it a request is the same bytes each time; nothing is added to a GET.
TEST(RequestTemplate, ConstantRequests) {
    EXPECT_EQ(from("GET /health\r\nAccept: */*\r\n\r\n"),
              "|GET /health HTTP/1.1\r\nHost: h:81\r\nAccept: */*\r\n\r\n");
    auto constant = *RequestTemplate::parse("GET /", "r.http", options());
    EXPECT_TRUE(constant.is_constant());
    EXPECT_FALSE(RequestTemplate::cloud_events(options()).is_constant());
    EXPECT_EQ(from("GET /"), "|GET / HTTP/1.1\r\nHost: h:81\r\n\r\n");
    EXPECT_EQ(from("POST /x\n\nbody"),
              "|POST /x HTTP/1.1\r\nHost: h:81\r\nContent-Length: 4\r\n\r\nbody");
}

TEST(RequestTemplate, EventsAreCloudEventsWithoutATemplate) {
    auto request = RequestTemplate::cloud_events(options());
    const std::string body = runtime::to_cloud_event(event());
    EXPECT_EQ(written(request),
              "|POST /in?x=1 HTTP/1.1\r\nHost: h:81\r\n"
              "Content-Type: application/cloudevents+json\r\nContent-Length: " +
                  std::to_string(body.size()) + "\r\n\r\n" + body);
    auto get = options();
    get.method = "GET";
    auto reading = RequestTemplate::cloud_events(get);
    EXPECT_EQ(written(reading), "|GET /in?x=1 HTTP/1.1\r\nHost: h:81\r\n\r\n");
}

TEST(RequestTemplate, MistakesNameTheirLine) {
    EXPECT_EQ(template_error(""), "r.http:1: the first line must be METHOD /PATH");
    EXPECT_EQ(template_error("GET x"), "r.http:1: the first line must be METHOD /PATH");
    EXPECT_EQ(template_error("GET / HTTP/1.1"), "r.http:1: the first line must be METHOD /PATH");
    EXPECT_EQ(template_error("GET /\nnonsense\n"), "r.http:2: a header must be NAME: VALUE");
    EXPECT_EQ(template_error("GET /\nHOST: x\n"), "r.http:2: 'host' is set by the sender");
    EXPECT_EQ(template_error("POST /\n\n${payloads}"),
              "r.http:3: unknown '${payloads}'; known: id, type, category, source, priority, time, "
              "content_type, payload");
    EXPECT_EQ(template_error("POST /\n\n${id").substr(0, 22), "r.http:3: unknown '${i");
}

}  // namespace
}  // namespace crucible::lab
