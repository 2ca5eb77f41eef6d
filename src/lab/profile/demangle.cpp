#include "lab/profile/demangle.h"

#include <cxxabi.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <utility>

namespace crucible::lab {
namespace {

/// What the library's names are in source code; the longer ones first.
constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kPlainNames = {{
    {"std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >",
     "std::string"},
    {"std::basic_string_view<char, std::char_traits<char> >", "std::string_view"},
    {"::__cxx11::", "::"},
    {"::_V2::", "::"},
    {"[abi:cxx11]", ""},
    {"(anonymous namespace)", "(anonymous)"},
    {" >", ">"},
}};

void replace_all(std::string& text, std::string_view from, std::string_view to) {
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
        text.replace(at, from.size(), to);
}

bool is_word(char letter) {
    return std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '_';
}

/// The longer ones first. Those of words ("operator new", "operator bool") begin with a blank.
constexpr std::array<std::string_view, 38> kOperators = {
    "<<=", ">>=", "<=>", "->*", "()", "[]", "->", "++", "--", "<<", ">>", "<=", ">=",
    "==",  "!=",  "&&",  "||",  "+=", "-=", "*=", "/=", "%=", "^=", "&=", "|=", "+",
    "-",   "*",   "/",   "%",   "^",  "&",  "|",  "~",  "!",  "=",  "<",  ">"};

/// The length of "operator<<", "operator new[]" or "operator bool" at the front; 0 where there is
/// none.
std::size_t operator_length(std::string_view text) {
    constexpr std::string_view kWord = "operator";
    if (!text.starts_with(kWord)) return 0;
    const auto sign = text.substr(kWord.size());
    if (sign.starts_with(' ')) return std::min(text.find('('), text.size());
    for (const auto known : kOperators) {
        if (sign.starts_with(known)) return kWord.size() + known.size();
    }
    return 0;
}

}  // namespace

std::string demangle(const std::string& symbol) {
    if (!symbol.starts_with("_Z")) return symbol;
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> plain(
        abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, &status), &std::free);
    if (!plain || status != 0) return symbol;
    std::string name(plain.get());
    // What the compiler split off or specialised is still that function to its readers.
    name.erase(std::min(name.find(" [clone "), name.size()));
    for (const auto& [from, to] : kPlainNames) replace_all(name, from, to);
    return name;
}

std::string short_name(std::string_view function) {
    constexpr std::string_view kAnonymous = "(anonymous)";
    std::string name;
    int depth = 0;  // of brackets around what is left out
    for (std::size_t at = 0; at < function.size(); ++at) {
        const auto rest = function.substr(at);
        const char letter = rest.front();
        const bool begins_word = at == 0 || !is_word(function[at - 1]);
        const auto as_it_is = depth > 0                      ? 0
                              : rest.starts_with(kAnonymous) ? kAnonymous.size()
                              : begins_word                  ? operator_length(rest)
                                                             : 0;
        if (as_it_is > 0) {
            name += rest.substr(0, as_it_is);
            at += as_it_is - 1;
        } else if (letter == '(' || letter == '<') {
            ++depth;
        } else if (letter == ')' || letter == '>') {
            --depth;
        } else if (depth == 0 && letter == ' ') {
            if (at > 0 && function[at - 1] == ')') break;  // "const" and the like
            if (!rest.starts_with(" <")) name.clear();     // that was the return type
        } else if (depth == 0) {
            name += letter;
        }
    }
    return name.empty() ? std::string(function) : name;
}

}  // namespace crucible::lab
