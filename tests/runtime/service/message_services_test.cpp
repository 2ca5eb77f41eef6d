// External systems and MCP.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "fixture.h"

namespace crucible::runtime {
namespace {

using nlohmann::json;

class MessageServicesTest : public ServiceTest {
protected:
    Event webhook(const std::string& body, const std::string& key) {
        const auto signature = Signer(key).sign(body);
        const json payload = {{"body", body},
                              {"signature", "sha256=" + std::string(signature.data(), 64)}};
        return event(Category::external, "webhook.received", payload.dump());
    }
    Event call(std::string type, const std::string& method, const json& params) {
        const json payload = {
            {"jsonrpc", "2.0"}, {"id", 7}, {"method", method}, {"params", params}};
        return event(Category::mcp, std::move(type), payload.dump());
    }
    Event tool(const std::string& name, const json& arguments) {
        return call("tool.called", "tools/call", {{"name", name}, {"arguments", arguments}});
    }
    Event context(const std::string& name, const std::string& text) {
        return call("context.updated", "context/update",
                    {{"name", name}, {"content", text}, {"content_hash", hash(text)}});
    }
    static std::string text_of(const HandleResult& result) {
        return json::parse(result.response).at("result").at("content").at(0).at("text");
    }
    static int error_of(const HandleResult& result) {
        return json::parse(result.response).at("error").at("code");
    }
};

// RFC 4231, test case 2: our signatures are HMAC-SHA256 and not merely consistent with themselves.
TEST_F(MessageServicesTest, SignsAsTheStandardSays) {
    const auto signature = Signer("Jefe").sign("what do ya want for nothing?");
    EXPECT_EQ(std::string(signature.data(), signature.size()),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

// Only who knows the secret gets something into the outbox; one line each, whatever the body's
// white space.
TEST_F(MessageServicesTest, EnqueuesSignedWebhooksOnly) {
    const auto set = open({.process_name = "p", .webhook_secret = "s3cret"});
    const std::string body = "{\n \"action\": \"paid\", \"resource\": \"orders/1\" }";
    auto altered = webhook(body, "s3cret");
    altered.payload.replace(altered.payload.find("paid"), 4, "open");
    auto cut = webhook(body, "s3cret");
    cut.payload.replace(cut.payload.find("sha256=") + 7, 1, "");
    const auto results =
        handle(*set, {webhook(body, "s3cret"), webhook(body, "guess"), altered, cut,
                      webhook("not JSON", "s3cret"), webhook(R"({"action":"paid"})", "s3cret")});
    EXPECT_EQ(results[0].outcome, Outcome::handled) << results[0].reason;
    for (std::size_t i = 1; i < results.size(); ++i) {
        EXPECT_EQ(results[i].outcome, Outcome::rejected) << i;
    }
    const auto outbox = content(data() / "outbox/p.jsonl");
    EXPECT_EQ(std::ranges::count(outbox, '\n'), 1);
    EXPECT_EQ(json::parse(outbox).at("data").at("action"), "paid");
}

TEST_F(MessageServicesTest, ValidatesCallsAndNotifications) {
    const auto set = open({.process_name = "p"});
    const json good_call = {
        {"method", "GET"}, {"path", "/v1"}, {"status", 200}, {"duration_ms", 1.5}};
    const json good_note = {
        {"channel", "email"}, {"recipient", "a@b"}, {"subject", "s"}, {"body", "b"}};
    const auto with = [](json fields, const char* name, const json& value) {
        fields[name] = value;
        return fields.dump();
    };
    const auto outcome = [&](const char* type, const std::string& payload) {
        return handle(*set, event(Category::external, type, payload)).outcome;
    };
    EXPECT_EQ(outcome("api.called", good_call.dump()), Outcome::handled);
    EXPECT_EQ(outcome("api.called", with(good_call, "method", "FETCH")), Outcome::rejected);
    EXPECT_EQ(outcome("api.called", with(good_call, "path", "v1")), Outcome::rejected);
    EXPECT_EQ(outcome("api.called", with(good_call, "status", 600)), Outcome::rejected);
    EXPECT_EQ(outcome("api.called", with(good_call, "duration_ms", -1)), Outcome::rejected);
    EXPECT_EQ(outcome("notification.requested", good_note.dump()), Outcome::handled);
    EXPECT_EQ(outcome("notification.requested", with(good_note, "channel", "owl")),
              Outcome::rejected);
    EXPECT_EQ(outcome("notification.requested", with(good_note, "recipient", "")),
              Outcome::rejected);
    EXPECT_EQ(outcome("letter.sent", good_note.dump()), Outcome::rejected);
    EXPECT_EQ(std::ranges::count(content(data() / "outbox/p.jsonl"), '\n'), 2);
}

// Context written by one call is what the next one reads, through real files.
TEST_F(MessageServicesTest, RunsTools) {
    const auto set = open();
    ASSERT_EQ(handle(*set, context("a.md", "alpha \"beta\" alpha")).outcome, Outcome::handled);
    ASSERT_EQ(handle(*set, context("b.md", "gamma")).outcome, Outcome::handled);
    EXPECT_EQ(content(data() / "vault/client-0/context/b.md"), "gamma");
    EXPECT_EQ(text_of(handle(*set, tool("read_file", {{"path", "context/a.md"}}))),
              "alpha \"beta\" alpha");
    EXPECT_EQ(text_of(handle(*set, call("resource.requested", "resources/read",
                                        {{"uri", "vault:///context/b.md"}}))),
              "gamma");
    EXPECT_EQ(text_of(handle(*set, tool("search", {{"directory", "context"}, {"text", "alpha"}}))),
              "context/a.md: 2\n");

    EXPECT_EQ(text_of(handle(*set, tool("query", {{"key", "k"}}))), "");
    const std::string record = R"({"key":"k","fields":{"n":1}})";
    ASSERT_EQ(handle(*set, event(Category::database, "record.created", record)).outcome,
              Outcome::handled);
    EXPECT_EQ(text_of(handle(*set, tool("query", {{"key", "k"}}))), record);
}

// A caller gets JSON-RPC's own answer to a wrong call, and another source's files are out of reach.
TEST_F(MessageServicesTest, AnswersWrongCallsWithErrors) {
    const auto set = open();
    ASSERT_EQ(handle(*set, context("a.md", "alpha")).outcome, Outcome::handled);
    auto stranger = tool("read_file", {{"path", "context/a.md"}});
    stranger.source = "client-1";
    const std::vector<std::pair<Event, int>> failing = {
        {tool("shell", {{"command", "ls"}}), -32602},
        {tool("read_file", {{"path", "../../crucible.db"}}), -32602},
        {tool("read_file", {{"path", "context/none.md"}}), -32602},
        {tool("read_file", json::object()), -32602},
        {stranger, -32602},
        {call("tool.called", "tools/list", json::object()), -32601},
    };
    for (const auto& [wrong, code] : failing) {
        const auto result = handle(*set, wrong);
        EXPECT_EQ(result.outcome, Outcome::failed) << wrong.payload;
        EXPECT_EQ(error_of(result), code) << wrong.payload;
        EXPECT_TRUE(result.for_good) << wrong.payload;
        EXPECT_EQ(json::parse(result.response).at("id"), 7);
    }
    ASSERT_EQ(handle(*set, context("folder/a.md", "kept")).outcome, Outcome::handled);
    const auto folder = handle(*set, context("folder", "in its place"));
    EXPECT_EQ(error_of(folder), -32602);
    EXPECT_EQ(content(data() / "vault/client-0/context/folder/a.md"), "kept");
    const auto broken = handle(*set, event(Category::mcp, "tool.called", "{"));
    EXPECT_EQ(broken.outcome, Outcome::rejected);
    EXPECT_EQ(error_of(broken), -32700);
    const auto other = handle(*set, event(Category::mcp, "tool.called", R"({"jsonrpc":"1.0"})"));
    EXPECT_EQ(other.outcome, Outcome::rejected);
    EXPECT_EQ(error_of(other), -32600);
}

}  // namespace
}  // namespace crucible::runtime
