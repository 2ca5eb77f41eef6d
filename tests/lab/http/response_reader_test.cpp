#include "lab/http/response_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace crucible::lab {
namespace {

struct Response {
    std::uint16_t status;
    std::string body;
    bool keep_alive;
    friend bool operator==(const Response&, const Response&) = default;
};

/// All responses of `stream`, arriving in pieces of `piece` bytes.
std::vector<Response> read_all(const std::string& stream, std::size_t piece) {
    ResponseReader reader(true);
    std::vector<Response> responses;
    std::string received;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
        received += stream.substr(at, piece);
        std::string_view input = received;
        while (!input.empty()) {
            const auto progress = reader.read(input);
            EXPECT_FALSE(progress.broken) << reader.error();
            input.remove_prefix(progress.taken);
            if (!progress.complete) break;
            responses.push_back({reader.status(), reader.body(), reader.keep_alive()});
            reader.restart();
        }
        received = std::string(input);
    }
    EXPECT_EQ(received, "");
    return responses;
}

// The cuts between packets fall anywhere.
TEST(ResponseReader, ReadsPipelinedResponsesCutAnywhere) {
    const std::string stream =
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
        "HTTP/1.1 204 No Content\r\n\r\n"
        "HTTP/1.1 100 Continue\r\n\r\n"
        "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    const std::vector<Response> expected{
        {200, "hello", true}, {204, "", true}, {503, "abcdefg", true}, {200, "", false}};
    for (const std::size_t piece : {1u, 2u, 7u, 16u, 1000u})
        EXPECT_EQ(read_all(stream, piece), expected) << piece;
}

// Without a length a body ends where the connection does.
TEST(ResponseReader, ABodyWithoutLengthEndsWithTheConnection) {
    ResponseReader reader(true);
    const std::string text = "HTTP/1.1 200 OK\r\n\r\nall of it";
    EXPECT_EQ(reader.read(text).taken, text.size());
    EXPECT_TRUE(reader.end().complete);
    EXPECT_EQ(reader.body(), "all of it");
    ResponseReader cut(true);
    EXPECT_FALSE(cut.read("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").complete);
    EXPECT_TRUE(cut.end().broken);
    ResponseReader idle(true);
    EXPECT_FALSE(idle.end().broken);
}

TEST(ResponseReader, OtherProtocolsAreBroken) {
    ResponseReader reader(false);
    const auto progress = reader.read("220 smtp.example.org ESMTP\r\n\r\n");
    EXPECT_TRUE(progress.broken);
    EXPECT_NE(reader.error(), "");
}

}  // namespace
}  // namespace crucible::lab
