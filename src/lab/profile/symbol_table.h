#pragma once

#include <elfutils/libdwfl.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace crucible::lab {

/// The functions of an ELF file's symbol table, by address: libdwfl's own search looks at every
/// symbol for every address.
class SymbolTable {
public:
    /// `module` lives as long: names stay in its file.
    explicit SymbolTable(Dwfl_Module* module);

    /// Whether it defines a function.
    bool empty() const noexcept { return symbols_.empty(); }
    /// The linker's name of the function at `address`, without the version that libraries put
    /// behind it ("memcpy@@GLIBC_2.14"); empty: none is there.
    std::string find(std::uint64_t address) const;

private:
    struct Symbol {
        std::uint64_t start = 0;
        std::uint64_t end = 0;
        bool has_size = false;
        int rank = 0;  ///< among names of one place the lowest is taken
        std::string_view name;
    };
    std::vector<Symbol> symbols_;  ///< sorted by start; one of each
};

}  // namespace crucible::lab
