#include "lab/http/http_options.h"

#include <gtest/gtest.h>

namespace crucible::lab {
namespace {

using Given = std::vector<std::pair<std::string, std::string>>;

HttpOptions parsed(std::string_view rest, const Given& given = {}, bool tls = false) {
    auto options = parse_http_options("URL", tls, rest, given);
    EXPECT_TRUE(options) << options.error().message;
    return options ? *options : HttpOptions{};
}

std::string options_error(std::string_view rest, const Given& given = {}) {
    const auto options = parse_http_options("URL", false, rest, given);
    return options ? "accepted" : options.error().message;
}

TEST(HttpOptions, ReadsHostPortAndPath) {
    const auto plain = parsed("//example.org/a/b?c=d&e=f");
    EXPECT_EQ(plain.host, "example.org");
    EXPECT_EQ(plain.port, 80);
    EXPECT_EQ(plain.path, "/a/b?c=d&e=f");
    EXPECT_EQ(plain.host_header(), "example.org");
    EXPECT_EQ(parsed("//h:8080").path, "/");
    EXPECT_EQ(parsed("//h:8080").host_header(), "h:8080");
    EXPECT_EQ(parsed("//h?x").path, "/?x");
    EXPECT_EQ(parsed("//h", {}, true).port, 443);
    EXPECT_EQ(parsed("//[::1]:81/").host, "::1");
    EXPECT_EQ(parsed("//[::1]:81/").host_header(), "[::1]:81");
}

TEST(HttpOptions, ReadsOptions) {
    const auto options = parsed("//h", {{"connections", "3"},
                                        {"pipeline", "4"},
                                        {"queue", "5"},
                                        {"method", "PUT"},
                                        {"expect", "200-204"},
                                        {"contains", "ok"},
                                        {"verify", "no"},
                                        {"ca", "/c.pem"},
                                        {"request", "/r"}});
    EXPECT_EQ(options.connections, 3u);
    EXPECT_EQ(options.pipeline, 4u);
    EXPECT_EQ(options.queue, 5u);
    EXPECT_EQ(options.method, "PUT");
    EXPECT_EQ(options.status_low, 200);
    EXPECT_EQ(options.status_high, 204);
    EXPECT_EQ(options.contains, "ok");
    EXPECT_FALSE(options.verify);
    EXPECT_EQ(options.ca_file, "/c.pem");
    EXPECT_EQ(options.request_file, "/r");
    EXPECT_EQ(parsed("//h", {{"expect", "4xx"}}).status_low, 400);
    EXPECT_EQ(parsed("//h", {{"expect", "4xx"}}).status_high, 499);
    EXPECT_EQ(parsed("//h", {{"expect", "202"}}).status_high, 202);
}

TEST(HttpOptions, MistakesSayWhatIsAllowed) {
    const std::string form = "URL: must be http://HOST[:PORT][/PATH][#OPTION=VALUE&...]";
    for (const auto* rest :
         {"h", "/h", "//", "//:80", "//h:0", "//h:99999", "//h:x", "//[::1", "//user@h", "//h/a b"})
        EXPECT_EQ(options_error(rest), form) << rest;
    EXPECT_EQ(options_error("//h", {{"connections", "0"}}),
              "URL: option connections: '0' must be a whole number from 1 to 10000");
    EXPECT_EQ(options_error("//h", {{"expect", "99"}}),
              "URL: option expect: '99' must be a status from 200 to 599, a range, or 2xx");
    EXPECT_EQ(options_error("//h", {{"verify", "maybe"}}),
              "URL: option verify: 'maybe' must be yes or no");
}

}  // namespace
}  // namespace crucible::lab
