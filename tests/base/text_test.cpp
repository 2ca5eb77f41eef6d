#include "base/text.h"

#include <gtest/gtest.h>

namespace crucible::base {
namespace {

// Letters of any language stay; what a terminal would obey does not.
TEST(Printable, BlanksControlCharactersAlone) {
    EXPECT_EQ(printable("a\x1b]0;b\x07\n"), "a ]0;b  ");
    EXPECT_EQ(printable("\xc2\x9b[2J"), "  [2J");
    EXPECT_EQ(printable("µs ± 3 —"), "µs ± 3 —");
    EXPECT_EQ(printable("\xc2"), "\xc2");
}

// For messages of one line about texts of any kind and length.
TEST(InQuotes, ShowsControlCharactersAndTheBeginning) {
    EXPECT_EQ(in_quotes("a\nb\x7f"), "'a\\x0ab\\x7f'");
    EXPECT_EQ(in_quotes(std::string(64, 'x')), "'" + std::string(64, 'x') + "'");
    EXPECT_EQ(in_quotes(std::string(65, 'x')), "'" + std::string(64, 'x') + "...'");
    EXPECT_EQ(one_line("two\nlines"), "two\\x0alines");
    EXPECT_EQ(one_line(std::string(257, 'x')), std::string(256, 'x') + "...");
}

// What is shown to be pasted: the shell must take neither '?' nor a quote for itself.
TEST(ShellWord, QuotesWhatTheShellWouldTake) {
    EXPECT_EQ(shell_word("daemon:"), "daemon:");
    EXPECT_EQ(shell_word("daemon:?work=none&clients=8"), "'daemon:?work=none&clients=8'");
    EXPECT_EQ(shell_word("it's"), "'it'\\''s'");
    EXPECT_EQ(shell_word(""), "''");
}

}  // namespace
}  // namespace crucible::base
