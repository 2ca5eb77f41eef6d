#include "runtime/daemon/metrics_endpoint.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>

#include "ask_http.h"

namespace crucible::runtime {
namespace {

using testing::ask_http;

TEST(MetricsEndpoint, AnswersForMetricsAlone) {
    std::atomic<int> asked = 0;
    const auto endpoint = MetricsEndpoint::open(
        "127.0.0.1:0", [&] { return "asked " + std::to_string(++asked) + "\n"; });
    ASSERT_TRUE(endpoint) << endpoint.error().message;
    const auto port = (*endpoint)->port();

    const auto first = ask_http(port, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_TRUE(first.starts_with("HTTP/1.1 200 OK\r\n")) << first;
    EXPECT_NE(first.find("Content-Type: application/openmetrics-text; version=1.0.0; "
                         "charset=utf-8\r\n"),
              std::string::npos);
    EXPECT_TRUE(first.ends_with("\r\n\r\nasked 1\n")) << first;
    EXPECT_TRUE(ask_http(port, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").ends_with("asked 2\n"));
    EXPECT_TRUE(ask_http(port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").starts_with("HTTP/1.1 404 "));
    EXPECT_TRUE(ask_http(port, "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
                    .starts_with("HTTP/1.1 405 "));
    // What is no HTTP, or too much of it, is closed, and the next one is answered.
    (void)ask_http(port, "rubbish\r\n\r\n");
    EXPECT_TRUE(ask_http(port, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").ends_with("asked 3\n"));
}

TEST(MetricsEndpoint, SaysWhyItCannotListen) {
    const auto refusal = [](std::string_view address) {
        const auto endpoint = MetricsEndpoint::open(address, {});
        return endpoint ? "none" : endpoint.error().message;
    };
    for (const char* address : {"", "9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999",
                                "localhost:9464", "127.0.0.1:94x"}) {
        EXPECT_EQ(refusal(address), "'" + std::string(address) +
                                        "' must be an address and a port, e.g. 127.0.0.1:9464");
    }
    const auto taken = MetricsEndpoint::open("127.0.0.1:0", [] { return std::string(); });
    ASSERT_TRUE(taken);
    const auto address = "127.0.0.1:" + std::to_string((*taken)->port());
    EXPECT_EQ(refusal(address), "metrics on " + address + ": Address already in use");
    EXPECT_EQ(MetricsEndpoint::open(address, {}).error().code, Errc::already_exists);
}

}  // namespace
}  // namespace crucible::runtime
