#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "alloc/preload/process_maps.h"

namespace crucible::alloc {
namespace {

using Words = std::vector<std::uintptr_t>;

CodeMap map_of(const std::vector<Mapping>& code) {
    CodeMap map;
    for (Mapping mapping : code) {
        mapping.executable = true;
        map.add(mapping);
    }
    return map;
}

Words found_in(const CodeMap& map, const Words& words, std::size_t from) {
    Words found;
    const auto begin = reinterpret_cast<std::uintptr_t>(words.data() + from);
    const auto end = reinterpret_cast<std::uintptr_t>(words.data() + words.size());
    map.each_in(begin, end, [&](std::uintptr_t word) { found.push_back(word); });
    return found;
}

/// Of each mapping its first and last byte and its middle, and what lies right outside; between
/// them numbers, and addresses on heap and stack.
struct Sought {
    Words words;
    Words code;
};
Sought words_around(const std::vector<Mapping>& code) {
    Sought sought;
    for (const auto& mapping : code) {
        for (const std::uintptr_t address :
             {mapping.begin, mapping.begin + (mapping.end - mapping.begin) / 2, mapping.end - 1}) {
            sought.words.insert(sought.words.end(), {mapping.begin - 1, 0, 7, address, mapping.end,
                                                     0x7ffc'1234'5678, ~std::uintptr_t{0}});
            sought.code.push_back(address);
        }
    }
    return sought;
}

// Four words at once are told from code by where it lies: none may be missed, whatever their place
// among the four, and none be taken for it.
TEST(CodeMap, FindsTheWordsThatAreCodeWhereverTheyStand) {
    const std::vector<Mapping> code{{.begin = 0x5555'5555'6000, .end = 0x5555'5559'0000},
                                    {.begin = 0x7f00'1000'0000, .end = 0x7f00'1020'3000},
                                    {.begin = 0x7f00'1040'0000, .end = 0x7f00'1041'0000}};
    const auto sought = words_around(code);
    const auto map = map_of(code);
    EXPECT_EQ(found_in(map, sought.words, 0), sought.code);
    EXPECT_EQ(found_in(map, sought.words, 1), sought.code);
    EXPECT_EQ(found_in(map, sought.words, 2), sought.code);
    EXPECT_EQ(found_in(map, sought.words, 3), sought.code);
}

// A program may have code in more than two parts of its memory: what it compiles itself, or 16 TiB
// and more apart. The parts are then looked at together.
TEST(CodeMap, FindsCodeInMorePartsThanTwo) {
    const std::vector<Mapping> code{{.begin = 0x40'0000, .end = 0x48'0000},
                                    {.begin = 0x1000'0800'0000, .end = 0x1000'0810'0000},
                                    {.begin = 0x3f00'2600'0000, .end = 0x3f00'2600'1000},
                                    {.begin = 0x3f80'2700'0000, .end = 0x3f80'2700'1000},
                                    {.begin = 0x7f00'1900'0000, .end = 0x7f00'1920'3000}};
    const auto sought = words_around(code);
    EXPECT_EQ(found_in(map_of(code), sought.words, 0), sought.code);
}

// The kernel's page at the top of the address space is everybody's: it would make one part of all
// that lies between.
TEST(CodeMap, LeavesOutTheKernels) {
    const std::vector<Mapping> code{{.begin = 0xffff'ffff'ff60'0000, .end = 0xffff'ffff'ff60'1000}};
    const auto map = map_of(code);
    EXPECT_FALSE(map.holds(0xffff'ffff'ff60'0400));
    EXPECT_EQ(found_in(map, {0xffff'ffff'ff60'0400, 0, 0, 0, 0xffff'ffff'ff60'0800}, 0), Words{});
}

}  // namespace
}  // namespace crucible::alloc
