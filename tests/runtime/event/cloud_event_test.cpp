#include "runtime/event/cloud_event.h"

#include <gtest/gtest.h>

#include "runtime/event/base64.h"
#include "runtime/event/rfc3339.h"
#include "runtime/event/sample_events.h"

namespace crucible::runtime {
namespace {

using namespace std::chrono_literals;

// Signed bodies are checked byte by byte, so a payload must survive the journey through JSON
// exactly: white space, number spelling and broken UTF-8 included.
TEST(CloudEvent, EveryEventSurvivesTheRoundTrip) {
    base::Rng random(1);
    for (int i = 0; i < 5000; ++i) {
        const Event event = random_event(random);
        const std::string text = to_cloud_event(event);
        const auto back = from_cloud_event(text);
        ASSERT_TRUE(back) << back.error().message << "\n" << text;
        ASSERT_EQ(*back, event) << text;
    }
}

TEST(CloudEvent, IsWrittenAsDocumented) {
    Event event;
    event.id = *parse_uuid("017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    event.category = Category::database;
    event.priority = Priority::high;
    event.type = "record.created";
    event.source = "client-2";
    event.targets = {"database-1", "a,b"};
    event.payload = R"({"key": 1.50})";
    event.created = WallTime(1522949460000000001ns);
    event.correlation_id = event.id;
    event.deadline = WallTime(1522949460s);
    EXPECT_EQ(
        to_cloud_event(event),
        R"({"specversion":"1.0","id":"017f22e2-79b0-7cc3-98c4-dc0c0c07398f","source":"client-2",)"
        R"("type":"record.created","time":"2018-04-05T17:31:00.000000001Z","category":"database",)"
        R"("priority":"high","targets":"database-1,a%2Cb",)"
        R"("correlationid":"017f22e2-79b0-7cc3-98c4-dc0c0c07398f","attempt":1,)"
        R"("deadline":"2018-04-05T17:31:00.000000000Z","datacontenttype":"application/json",)"
        R"("data":{"key": 1.50}})");
}

TEST(CloudEvent, TextAndBytesTakeTheirOwnForms) {
    Event event;
    event.content_type = "text/plain";
    event.payload = "a \"b\"\n";
    EXPECT_NE(to_cloud_event(event).find(R"("data":"a \"b\"\n"})"), std::string::npos);
    event.content_type = "application/octet-stream";
    event.payload = std::string("\0\xff", 2);
    EXPECT_NE(to_cloud_event(event).find(R"("data_base64":"AP8="})"), std::string::npos);
}

// The examples of the CloudEvents JSON format, section 3.2, but for their ids: ours are UUIDs.
TEST(CloudEvent, ReadsTheStandardsExamples) {
    const auto text = from_cloud_event(R"({
        "specversion" : "1.0",
        "type" : "com.example.someevent",
        "source" : "/mycontext",
        "subject": null,
        "id" : "c2341234-1234-4234-9234-123412341234",
        "time" : "2018-04-05T17:31:00Z",
        "comexampleextension1" : "value",
        "comexampleothervalue" : 5,
        "datacontenttype" : "application/json",
        "data" : {
            "appinfoA" : "abc",
            "appinfoB" : 123,
            "appinfoC" : true
        }
    })");
    ASSERT_TRUE(text) << text.error().message;
    EXPECT_EQ(text->type, "com.example.someevent");
    EXPECT_EQ(text->source, "/mycontext");
    EXPECT_EQ(text->created, WallTime(1522949460s));
    EXPECT_EQ(text->category, Category::custom);
    EXPECT_EQ(text->attempt, 1u);
    EXPECT_TRUE(text->payload.starts_with("{\n") && text->payload.ends_with("true\n        }"));

    const auto bytes = from_cloud_event(
        R"({"specversion":"1.0","type":"com.example.someevent","source":"/mycontext",
            "id":"d2341234-1234-4234-9234-123412341234","datacontenttype":"application/vnd.apache.thrift.binary",
            "data_base64":"AAEC"})");
    ASSERT_TRUE(bytes) << bytes.error().message;
    EXPECT_EQ(bytes->payload, std::string("\0\1\2", 3));
    EXPECT_EQ(bytes->content_type, "application/vnd.apache.thrift.binary");
}

std::string with(std::string_view members) {
    return R"({"specversion":"1.0","id":"c2341234-1234-4234-9234-123412341234","source":"s","type":"t")" +
           std::string(members) + "}";
}

void expect_refused(std::string_view json, Errc code, std::string_view message) {
    const auto event = from_cloud_event(json);
    ASSERT_FALSE(event) << json;
    EXPECT_EQ(event.error().code, code) << json;
    EXPECT_EQ(event.error().message, message) << json;
}

// A person who sends a wrong event reads which attribute is wrong and what it must be.
TEST(CloudEvent, NamesTheWrongAttribute) {
    const auto bad = Errc::invalid_argument;
    expect_refused("[]", bad, "not a JSON object");
    expect_refused("{}", bad, "attribute 'specversion': is missing");
    expect_refused(R"({"specversion":"0.3"})", bad,
                   "attribute 'specversion': '0.3' is not supported; 1.0 is");
    expect_refused(R"({"specversion":1.0})", bad, "attribute 'specversion': must be a string");
    expect_refused(R"({"specversion":"1.0","id":"A234-1234-1234"})", bad,
                   "attribute 'id': 'A234-1234-1234' is not a UUID");
    expect_refused(with(R"(,"id":"x")"), bad, "'id' appears twice");
    expect_refused(with(R"(,"i\u0064":"x")"), bad, "'id' appears twice");
    expect_refused(
        with(R"(,"time":"yesterday")"), bad,
        "attribute 'time': 'yesterday' is not an RFC 3339 time between the years 1678 and 2261");
    expect_refused(with(R"(,"category":"files")"), bad,
                   "attribute 'category': 'files' is not a category");
    expect_refused(with(R"(,"priority":3)"), bad, "attribute 'priority': must be a string");
    expect_refused(with(R"(,"attempt":-1)"), bad,
                   "attribute 'attempt': must be an integer from 0 to 4294967295");
    expect_refused(with(R"(,"attempt":"2")"), bad,
                   "attribute 'attempt': must be an integer from 0 to 4294967295");
    expect_refused(with(R"(,"targets":"50%")"), bad,
                   "attribute 'targets': '%' must be written as %25");
    expect_refused(with(R"(,"data":1,"data_base64":"AAEC")"), bad,
                   "attribute 'data_base64': only one of it and 'data' may be present");
    expect_refused(with(R"(,"data_base64":"AAE")"), bad, "attribute 'data_base64': is not base64");
    expect_refused(with(R"(,"datacontenttype":"text/plain","data":{})"), bad,
                   "attribute 'data': must be a string where the type is text/plain");
}

// A message is one line of a log, whatever a stranger put into the value it is about.
TEST(CloudEvent, IsOneLineWhateverTheValueSays) {
    expect_refused(R"({"specversion":"1.0","id":"a\nb"})", Errc::invalid_argument,
                   "attribute 'id': 'a\\x0ab' is not a UUID");
    expect_refused(with(R"(,"a\nb":1,"a\nb":2)"), Errc::invalid_argument,
                   "'a\\x0ab' appears twice");
}

// Each name compared with each would take minutes here, and hours for the largest text allowed.
TEST(CloudEvent, ReadsAnyNumberOfAttributes) {
    std::string members;
    for (int i = 0; i < 400'000; ++i) members += ",\"a" + std::to_string(i) + "\":1";
    EXPECT_TRUE(from_cloud_event(with(members)));
    expect_refused(with(members + R"(,"a7":2)"), Errc::invalid_argument, "'a7' appears twice");
}

// What is not JSON at all is reported with its place; a NUL does not end the text early.
TEST(CloudEvent, SaysWhereTextIsNotJson) {
    expect_refused("", Errc::corrupt, "not JSON at byte 1");
    expect_refused(R"({"a":})", Errc::corrupt, "not JSON at byte 6");
    expect_refused(std::string_view("{}\0{", 4), Errc::corrupt, "not JSON at byte 3");
    expect_refused(with(R"(,"data":1e999)"), Errc::corrupt, "a number is too large");
}

TEST(CloudEvent, EveryPrefixIsRefused) {
    base::Rng random(2);
    for (int i = 0; i < 20; ++i) {
        const std::string text = to_cloud_event(random_event(random));
        for (std::size_t size = 0; size < text.size(); ++size) {
            const auto event = from_cloud_event(text.substr(0, size));
            ASSERT_FALSE(event);
            ASSERT_EQ(event.error().code, Errc::corrupt);
        }
    }
}

// Deep nesting must not exhaust the stack.
TEST(CloudEvent, DepthIsNoDanger) {
    const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
    const auto event = from_cloud_event(with(",\"data\":" + deep));
    ASSERT_TRUE(event) << event.error().message;
    EXPECT_EQ(event->payload, deep);
}

TEST(CloudEvent, PayloadsUpToTheLimitPass) {
    Event event;
    event.source = "s";
    event.type = "t";
    event.content_type = "application/octet-stream";
    event.payload.assign(kEventBytesMax, '\xff');
    const auto back = from_cloud_event(to_cloud_event(event));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, event);
    event.payload += '\xff';
    const auto larger = from_cloud_event(to_cloud_event(event));
    ASSERT_FALSE(larger);
    EXPECT_EQ(larger.error().code, Errc::invalid_argument);
    EXPECT_EQ(from_cloud_event(std::string(2 * kEventBytesMax + 1, ' ')).error().code,
              Errc::invalid_argument);
}

// The test vectors of RFC 4648, section 10.
TEST(Base64, AgreesWithTheStandard) {
    const std::pair<std::string_view, std::string_view> vectors[] = {{"", ""},
                                                                     {"f", "Zg=="},
                                                                     {"fo", "Zm8="},
                                                                     {"foo", "Zm9v"},
                                                                     {"foob", "Zm9vYg=="},
                                                                     {"fooba", "Zm9vYmE="},
                                                                     {"foobar", "Zm9vYmFy"}};
    for (const auto& [bytes, text] : vectors) {
        EXPECT_EQ(to_base64(bytes), text);
        EXPECT_EQ(from_base64(text), bytes);
    }
}

TEST(Base64, AcceptsOneSpellingOnly) {
    for (const std::string_view text : {"Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zm9v\n",
                                        "Zm 9v", "Zg==Zg==", "Zm9-", "=m9v"})
        EXPECT_FALSE(from_base64(text)) << text;
}

// The examples of RFC 3339, section 5.8.
TEST(Rfc3339, ReadsTheStandardsExamples) {
    EXPECT_EQ(parse_rfc3339("1985-04-12T23:20:50.52Z"), WallTime(482196050520ms));
    EXPECT_EQ(parse_rfc3339("1996-12-19T16:39:57-08:00"), WallTime(851042397s));
    EXPECT_EQ(parse_rfc3339("1990-12-31T23:59:60Z"), WallTime(662688000s));
    EXPECT_EQ(parse_rfc3339("1990-12-31T15:59:60-08:00"), WallTime(662688000s));
    EXPECT_EQ(parse_rfc3339("1937-01-01T12:00:27.87+00:20"), WallTime(-1041337172130ms));
    EXPECT_EQ(parse_rfc3339("1970-01-01t00:00:00.1234567899z"), WallTime(123456789ns));
}

TEST(Rfc3339, RefusesEverythingElse) {
    for (const std::string_view text :
         {"", "2018-04-05", "2018-04-05 17:31:00Z", "2018-04-05T17:31:00", "2018-04-05T17:31Z",
          "2018-02-29T00:00:00Z", "2018-13-01T00:00:00Z", "2018-00-01T00:00:00Z",
          "2018-04-05T24:00:00Z", "2018-04-05T17:60:00Z", "2018-04-05T17:31:61Z",
          "2018-04-05T17:31:00.Z", "2018-04-05T17:31:00+0100", "2018-04-05T17:31:00+24:00",
          "2018-04-05T17:31:00ZZ", "1677-12-31T00:00:00Z", "2262-01-01T00:00:00Z",
          "+018-04-05T17:31:00Z"})
        EXPECT_FALSE(parse_rfc3339(text)) << text;
}

// Also before 1970, where a remainder of a negative count would be negative.
TEST(Rfc3339, WritesAllNineDigits) {
    EXPECT_EQ(to_rfc3339(WallTime(0ns)), "1970-01-01T00:00:00.000000000Z");
    EXPECT_EQ(to_rfc3339(WallTime(-1ns)), "1969-12-31T23:59:59.999999999Z");
    EXPECT_EQ(to_rfc3339(WallTime::max()), "2261-12-31T23:59:59.999999999Z");
    EXPECT_EQ(to_rfc3339(WallTime::min()), "1678-01-01T00:00:00.000000000Z");
    EXPECT_EQ(parse_rfc3339(to_rfc3339(WallTime::max())), WallTime(9214646399999999999ns));
}

}  // namespace
}  // namespace crucible::runtime
