#pragma once

#include "lab/profile/symbolized_profile.h"

namespace crucible::lab {

/// Two owners, an inlined function, a place without a symbol, and names that every format has to
/// quote in its own way.
inline SymbolizedProfile written_profile() {
    SymbolizedProfile profile;
    profile.modules = {{.path = "/opt/bin/daemon",
                        .build_id = "ab12",
                        .start = 0x400000,
                        .end = 0x500000,
                        .file_offset = 0x1000},
                       {.path = "/opt/lib/libstripped.so", .start = 0x7000000, .end = 0x7001000}};
    profile.symbols = {{.source = SymbolSource::debug, .debug_path = "/opt/bin/daemon"}, {}};
    profile.kinds = {{"alloc_objects", "count"}, {"alloc_space", "bytes"}};
    profile.capture.start = WallTime(std::chrono::nanoseconds(1'700'000'000'000'000'000));
    profile.capture.duration = std::chrono::seconds(2);
    profile.capture.period = 512;
    const Frame main{
        .function = "main", .symbol = "main", .file = "/src/main.cpp", .line = 7, .first_line = 5};
    profile.locations = {
        {.address = 0x400100,
         .module = 0,
         .frames = {{.function = "fold<a;b>(x&)",
                     .symbol = "_Z4fold",
                     .file = "/src/fold.h",
                     .line = 3,
                     .first_line = 2,
                     .inlined = true},
                    {.function = "work",
                     .symbol = "_Z4work",
                     .file = "/src/work.cpp",
                     .line = 41,
                     .first_line = 40}}},
        {.address = 0x400200, .module = 0, .frames = {main}},
        {.address = 0x7000300, .module = 1, .frames = {{.function = "libstripped.so+0x300"}}},
        {.address = 0x10, .frames = {{.function = "0x10"}}}};
    profile.samples = {
        {.stack = {0, 1}, .owner = "queue", .thread = "worker \"1\"", .values = {2, 3000}},
        {.stack = {2, 1}, .owner = "queue", .values = {1, 1000}},
        {.stack = {3, 1}, .values = {1, 0}},
        {.stack = {1}, .owner = "a;b\n", .values = {4, 96}}};
    profile.remarks = {"/opt/lib/libstripped.so: no symbols"};
    return profile;
}

}  // namespace crucible::lab
