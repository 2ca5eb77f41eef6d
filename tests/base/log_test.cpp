#include "base/log.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>
#include <utility>
#include <vector>

#include "base/rng.h"

namespace crucible::base::log {
namespace {

std::string as_text(Fields fields) {
    return render(Format::text, "it happened", fields);
}
std::string as_json(Fields fields) {
    return render(Format::json, "it happened", fields);
}
/// How a text is written in each of the formats.
std::string text_of(std::string_view value) {
    return as_text({{"why", value}}).substr(std::string_view("it happened why=").size());
}
std::string json_of(std::string_view value) {
    const auto line = as_json({{"why", value}});
    const std::string_view before = R"("message":"it happened","why":)";
    EXPECT_TRUE(line.starts_with(before)) << line;
    return line.substr(before.size());
}

void append_utf8(std::string& text, std::uint32_t point) {
    const auto add = [&](std::uint32_t byte) { text += static_cast<char>(byte); };
    const auto add_more = [&](unsigned shift) { add(0x80u | (point >> shift & 0x3fu)); };
    if (point < 0x80) {
        add(point);
    } else if (point < 0x800) {
        add(0xc0u | point >> 6u);
        add_more(0);
    } else if (point < 0x10000) {
        add(0xe0u | point >> 12u);
        add_more(6);
        add_more(0);
    } else {
        add(0xf0u | point >> 18u);
        add_more(12);
        add_more(6);
        add_more(0);
    }
}

/// Characters of each length and those that a format escapes, many of them next to each other.
std::string random_text(Rng& random) {
    constexpr std::array<std::uint32_t, 6> bounds{0x20, 0x80, 0xa0, 0x800, 0x10000, 0x110000};
    constexpr std::string_view special = "\"\\=\n\r\t \x7f";
    std::string text;
    for (auto left = random.below(24); left > 0; --left) {
        const auto kind = random.below(bounds.size() + 1);
        if (kind == bounds.size()) {
            text += special[random.below(special.size())];
            continue;
        }
        auto point = static_cast<std::uint32_t>(random.below(bounds[kind]));
        if (point >= 0xd800 && point < 0xe000) point = 0x2028 + point % 8;  // no characters
        append_utf8(text, point);
    }
    return text;
}

/// The fields behind "it happened" as a reader of logfmt takes them.
std::vector<std::pair<std::string, std::string>> read_logfmt(std::string_view line) {
    std::vector<std::pair<std::string, std::string>> fields;
    line.remove_prefix(std::string_view("it happened").size());
    while (!line.empty()) {
        EXPECT_EQ(line.front(), ' ');
        line.remove_prefix(1);
        const auto equals = line.find('=');
        auto& [key, value] = fields.emplace_back(line.substr(0, equals), "");
        line.remove_prefix(equals + 1);
        if (!line.starts_with('"')) {
            value = line.substr(0, line.find(' '));
            line.remove_prefix(value.size());
            continue;
        }
        std::size_t end = 1;
        while (line[end] != '"') end += line[end] == '\\' ? 2 : 1;
        value = nlohmann::json::parse(line.substr(0, end + 1)).get<std::string>();
        line.remove_prefix(end + 1);
    }
    return fields;
}

/// Whether everything in it is shown where it stands.
bool is_one_line(std::string_view line) {
    for (const char c : line)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
    for (const std::string_view hidden : {"\xc2\x85", "\xc2\x9b", "\u2028", "\u2029", "\u202e"})
        if (line.contains(hidden)) return false;
    return true;
}

constexpr auto kLargest = std::numeric_limits<std::uint64_t>::max();
constexpr auto kSmallest = std::numeric_limits<std::int64_t>::min();

// Each kind of value keeps its kind, to the last digit.
TEST(LogRender, WritesEachKindOfValue) {
    const std::string peer = "pid 71";
    const Fields fields{{"session", 3},       {"peer", peer},           {"bytes", kLargest},
                        {"delta", kSmallest}, {"limit_s", 0.25},        {"tls", true},
                        {"idle", false},      {"socket", "/run/a.sock"}};
    EXPECT_EQ(as_text(fields),
              "it happened session=3 peer=\"pid 71\" bytes=18446744073709551615 "
              "delta=-9223372036854775808 limit_s=0.25 tls=true idle=false socket=/run/a.sock");
    EXPECT_EQ(as_json(fields),
              R"("message":"it happened","session":3,"peer":"pid 71","bytes":18446744073709551615,)"
              R"("delta":-9223372036854775808,"limit_s":0.25,"tls":true,"idle":false,)"
              R"("socket":"/run/a.sock")");
    EXPECT_EQ(as_text({}), "it happened");
    EXPECT_EQ(as_json({}), R"("message":"it happened")");
}

// JSON has no name for what is no number.
TEST(LogRender, WritesNumbersThatAreNone) {
    const Fields fields{{"a", std::nan("")}, {"b", -std::numeric_limits<float>::infinity()}};
    EXPECT_EQ(as_text(fields), "it happened a=nan b=-inf");
    EXPECT_EQ(as_json(fields), R"("message":"it happened","a":null,"b":null)");
}

// What may stand there as it is does; everything else is in quotation marks.
TEST(LogRender, QuotesTextsWhereTheyNeedIt) {
    EXPECT_EQ(text_of("/run/a-b.sock:3,'x'"), "/run/a-b.sock:3,'x'");
    EXPECT_EQ(text_of(""), R"("")");
    EXPECT_EQ(text_of("a b"), R"("a b")");
    EXPECT_EQ(text_of("a=b"), R"("a=b")");
    EXPECT_EQ(text_of(R"(a"b\)"), R"("a\"b\\")");
    EXPECT_EQ(text_of("µs"), R"("µs")");
    EXPECT_EQ(json_of("/run/a.sock"), R"("/run/a.sock")");
    EXPECT_EQ(json_of(""), R"("")");
    EXPECT_EQ(json_of(R"(a"b\)"), R"("a\"b\\")");
    EXPECT_EQ(json_of("µs € 😀"), R"("µs € 😀")");
}

// What a terminal obeys, what ends a line for some, and what turns the direction of the rest.
TEST(LogRender, EscapesWhatIsNotShown) {
    const std::string text("\0\x1b[2J\n\r\t\x7f\xc2\x85\xc2\x9f\u2028\u202e\u2069", 22);
    const std::string_view escaped =
        R"("\u0000\u001b[2J\n\r\t\u007f\u0085\u009f\u2028\u202e\u2069")";
    EXPECT_EQ(text_of(text), escaped);
    EXPECT_EQ(json_of(text), escaped);
    // Beside them.
    EXPECT_EQ(json_of("\u00a0\u2027\u202f\u2065\u206a"), "\"\u00a0\u2027\u202f\u2065\u206a\"");
}

// Bytes that are no UTF-8: each a replacement character, and what stands beside them stays.
TEST(LogRender, ReplacesBytesThatAreNoText) {
    const std::string_view replaced = "\uFFFD";
    for (const std::string_view byte : {"\x80", "\xbf", "\xc0", "\xc1", "\xf5", "\xff"})
        EXPECT_EQ(json_of("a" + std::string(byte) + "b"), fmt::format("\"a{}b\"", replaced));
    // Cut off, with more bytes than it takes, a half of a pair, and beyond what there is.
    for (const auto& [bytes, count] :
         std::vector<std::pair<std::string_view, int>>{{"\xc3", 1},
                                                       {"\xe2\x82", 2},
                                                       {"\xf0\x9f\x98", 3},
                                                       {"\xe0\x9f\xbf", 3},
                                                       {"\xf0\x8f\xbf\xbf", 4},
                                                       {"\xed\xa0\x80", 3},
                                                       {"\xf4\x90\x80\x80", 4}}) {
        std::string all;
        for (int i = 0; i < count; ++i) all += replaced;
        EXPECT_EQ(json_of(std::string(bytes) + "b"), "\"" + all + "b\"");
        EXPECT_EQ(text_of(bytes), "\"" + all + "\"");
    }
    // The first and the last of each length.
    const std::string edges = "\xc2\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff";
    EXPECT_EQ(json_of(edges), "\"\\u0080" + edges.substr(2) + "\"");
}

// A peer that is called like a field, or like another line.
TEST(LogRender, IsOneLineWithItsOwnFieldsWhateverAPeerSays) {
    const std::string_view peer = "x\" session=9\n2025-01-01T00:00:00.000+00:00 info crucibled: ok";
    const auto text = as_text({{"session", 3}, {"peer", peer}});
    EXPECT_TRUE(is_one_line(text));
    const std::vector<std::pair<std::string, std::string>> fields{{"session", "3"},
                                                                  {"peer", std::string(peer)}};
    EXPECT_EQ(read_logfmt(text), fields);
    const auto json = "{" + as_json({{"peer", R"(x","session":9,"y":")"}, {"session", 3}}) + "}";
    EXPECT_EQ(nlohmann::json::parse(json).at("session"), 3);
    EXPECT_EQ(nlohmann::json::parse(json).at("peer"), R"(x","session":9,"y":")");
}

// Any text comes back from both formats as it was.
TEST(LogRender, GivesBackEveryText) {
    Rng random(7);
    for (int i = 0; i < 20'000; ++i) {
        const std::string first = random_text(random);
        const std::string second = random_text(random);
        const std::uint64_t number = random.next();
        const Fields fields{{"first", first}, {"number", number}, {"second", second}};

        const auto json = as_json(fields);
        ASSERT_TRUE(is_one_line(json)) << json;
        const auto parsed = nlohmann::json::parse("{" + json + "}", nullptr, false);
        ASSERT_EQ(parsed, (nlohmann::json{{"message", "it happened"},
                                          {"first", first},
                                          {"number", number},
                                          {"second", second}}))
            << json;

        const auto text = as_text(fields);
        ASSERT_TRUE(is_one_line(text)) << text;
        const std::vector<std::pair<std::string, std::string>> read{
            {"first", first}, {"number", std::to_string(number)}, {"second", second}};
        ASSERT_EQ(read_logfmt(text), read) << text;
    }
}

// Nor do bytes that are no text make a line that is no line.
TEST(LogRender, IsValidWhateverTheBytes) {
    Rng random(8);
    for (int i = 0; i < 20'000; ++i) {
        std::string bytes(random.below(12), 0);
        for (char& byte : bytes) {
            // Half of them such as characters of several bytes consist of.
            const auto any = random.below(256);
            byte = static_cast<char>(random.below(2) == 0 ? any : 0x80u | any);
        }
        const Fields fields{{"first", bytes}, {"second", 2}};
        const auto json = as_json(fields);
        ASSERT_TRUE(is_one_line(json)) << json;
        const auto parsed = nlohmann::json::parse("{" + json + "}", nullptr, false);
        ASSERT_TRUE(parsed.is_object()) << json;
        ASSERT_EQ(parsed.at("second"), 2);
        const auto text = as_text(fields);
        ASSERT_TRUE(is_one_line(text)) << text;
        const auto read = read_logfmt(text);
        ASSERT_EQ(read.size(), 2u) << text;
        ASSERT_EQ(read[0].second, parsed.at("first").get<std::string>()) << text;
    }
}

TEST(LogFormat, IsKnownByItsName) {
    EXPECT_EQ(parse_format("text"), Format::text);
    EXPECT_EQ(parse_format("json"), Format::json);
    for (const std::string_view name : {"", "JSON", "json ", "logfmt"})
        EXPECT_EQ(parse_format(name), std::nullopt) << name;
}

/// What is logged goes into a text, through spdlog.
class LogWriteTest : public ::testing::Test {
protected:
    LogWriteTest() {
        auto sink = std::make_shared<spdlog::sinks::ostream_sink_st>(lines_);
        spdlog::set_default_logger(std::make_shared<spdlog::logger>("crucibled", sink));
    }
    ~LogWriteTest() override {
        set_format(Format::text);
        spdlog::set_default_logger(before_);
    }
    void begin(Format format, spdlog::level::level_enum level = spdlog::level::info) {
        set_format(format);
        spdlog::set_pattern(line_pattern(format));
        spdlog::default_logger()->set_level(level);
    }

    const std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
    std::ostringstream lines_;
};

TEST_F(LogWriteTest, WritesLinesOfText) {
    begin(Format::text);
    warn("client closed", {{"session", 3}, {"error", "it was idle"}});
    const std::regex line(
        R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d warning crucibled: )"
        R"(client closed session=3 error="it was idle"\n)");
    EXPECT_TRUE(std::regex_match(lines_.str(), line)) << lines_.str();
}

// With everything that a reader of JSON lines needs of it, at the top level.
TEST_F(LogWriteTest, WritesLinesOfJson) {
    begin(Format::json, spdlog::level::debug);
    debug("a");
    info("b");
    warn("c");
    error("d");
    critical("client closed", {{"session", 3}, {"error", std::string(10'000, '"')}});
    std::istringstream lines(lines_.str());
    std::string line;
    const std::regex time(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d)");
    for (const std::string level : {"debug", "info", "warning", "error", "critical"}) {
        ASSERT_TRUE(std::getline(lines, line));
        const auto parsed = nlohmann::json::parse(line);
        EXPECT_EQ(parsed.at("level"), level);
        EXPECT_EQ(parsed.at("logger"), "crucibled");
        EXPECT_TRUE(std::regex_match(parsed.at("time").get<std::string>(), time)) << line;
    }
    const auto last = nlohmann::json::parse(line);
    EXPECT_EQ(last.size(), 6u);
    EXPECT_EQ(last.at("message"), "client closed");
    EXPECT_EQ(last.at("session"), 3);
    EXPECT_EQ(last.at("error"), std::string(10'000, '"'));
    EXPECT_FALSE(std::getline(lines, line));
}

TEST_F(LogWriteTest, WritesNothingBelowItsLevel) {
    begin(Format::text, spdlog::level::warn);
    EXPECT_FALSE(enabled(Level::debug));
    EXPECT_FALSE(enabled(Level::info));
    EXPECT_TRUE(enabled(Level::warning));
    EXPECT_TRUE(enabled(Level::critical));
    info("not this");
    EXPECT_EQ(lines_.str(), "");
    spdlog::default_logger()->set_level(spdlog::level::off);
    EXPECT_FALSE(enabled(Level::critical));
    critical("nor this");
    EXPECT_EQ(lines_.str(), "");
}

}  // namespace
}  // namespace crucible::base::log
