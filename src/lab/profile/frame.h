#pragma once

#include <string>

namespace crucible::lab {

/// A function at a place. Several have one address where calls were inlined.
struct Frame {
    std::string function;  ///< demangled; "libc.so.6+0x1f2a" where no symbol is known. Never empty
    std::string symbol;    ///< as the linker knows it; empty where the function has no symbol
    std::string file;      ///< empty: not known
    int line = 0;          ///< 0: not known
    int first_line = 0;    ///< of the function; 0: not known
    bool inlined = false;  ///< into the next frame of the address
    bool operator==(const Frame&) const = default;
};

}  // namespace crucible::lab
