#include "runtime/route/pattern.h"

#include <gtest/gtest.h>

#include "reference_match.h"

namespace crucible::runtime {
namespace {

bool matches(std::string_view pattern, std::string_view text) {
    const auto parsed = Pattern::parse(pattern);
    EXPECT_TRUE(parsed) << parsed.error().message;
    return parsed && parsed->matches(text);
}

std::string pattern_error(std::string_view pattern) {
    const auto parsed = Pattern::parse(pattern);
    return parsed ? "no error" : parsed.error().message;
}

// The table of docs/formats/rules.md.
TEST(Pattern, MatchesWhatItsDocumentSays) {
    EXPECT_TRUE(matches("file.*", "file.created"));
    EXPECT_FALSE(matches("file.*", "file"));
    EXPECT_FALSE(matches("file.*", "file.a.b"));
    EXPECT_TRUE(matches("file.cre*", "file.created"));
    EXPECT_TRUE(matches("file.cre*", "file.cre"));
    EXPECT_FALSE(matches("file.cre*", "file.cre.x"));
    EXPECT_FALSE(matches("file.cre*", "file.cr"));
    EXPECT_TRUE(matches("file.**", "file.created"));
    EXPECT_TRUE(matches("file.**", "file.a.b"));
    EXPECT_FALSE(matches("file.**", "file"));
}

// A text always has a segment, be it empty: so "**" is everything, and "*" is a text without dots.
TEST(Pattern, CountsAnEmptySegment) {
    EXPECT_TRUE(matches("**", ""));
    EXPECT_TRUE(matches("*", ""));
    EXPECT_FALSE(matches("*", "."));
    EXPECT_TRUE(matches("*.*", "."));
    EXPECT_TRUE(matches("a.**", "a."));
    EXPECT_TRUE(Pattern().matches("anything.at all"));
    EXPECT_TRUE(Pattern().matches_all());
}

// What a pattern cannot say is refused, instead of being taken as text that nothing matches.
TEST(Pattern, RefusesAnAsteriskElsewhere) {
    constexpr std::string_view rule = ": '*' must be a whole segment or end the pattern";
    for (const char* text : {"*a", "a*b", "a*.b", "***", "**.a", "a**", "a.**.b"})
        EXPECT_EQ(pattern_error(text), "'" + std::string(text) + "'" + std::string(rule));
}

// Bounds of what the index keeps of a pattern: a prefix length fits a byte, segments a 16-bit mask.
TEST(Pattern, HasBounds) {
    EXPECT_EQ(pattern_error(std::string(255, 'a')), "no error");
    EXPECT_EQ(pattern_error(std::string(256, 'a')),
              "'" + std::string(64, 'a') +
                  "...': a pattern has 1 to 255 bytes without control characters; leave it out to "
                  "match everything");
    EXPECT_NE(pattern_error(""), "no error");
    EXPECT_NE(pattern_error("a\nb"), "no error");
    EXPECT_EQ(pattern_error("a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.*"), "no error");
    EXPECT_EQ(pattern_error("a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.*"),
              "'a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.*': a pattern with wildcards has at most 16 "
              "segments");
    EXPECT_EQ(pattern_error("a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a"), "no error");
}

// Against the definition, written down once more without thrift.
TEST(Pattern, AgreesWithItsDefinition) {
    ASSERT_TRUE(rc::check("patterns", [] {
        const auto pattern = *testing::any_pattern();
        const auto text = *testing::any_text();
        RC_ASSERT(pattern.matches(text) == testing::matches_by_the_book(pattern.text(), text));
    }));
}

}  // namespace
}  // namespace crucible::runtime
