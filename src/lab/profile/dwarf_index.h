#pragma once

#include <elfutils/libdw.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "lab/profile/frame.h"

namespace crucible::lab {

/// Finds functions and lines by address in a file's debug information. What it needs of a
/// compilation unit is read once, when the first address falls into it: libdw's own search reads a
/// whole unit for every address. Not thread-safe.
class DwarfIndex {
public:
    /// `dwarf` lives as long.
    explicit DwarfIndex(Dwarf* dwarf);

    /// Whether there is any code that it tells about.
    bool empty() const noexcept { return units_by_address_.empty(); }
    /// The functions at `address`, the innermost first; empty where it knows none. The last has no
    /// symbol where the debug information does not name it.
    std::vector<Frame> frames(std::uint64_t address);

private:
    struct Range {
        std::uint64_t low = 0;
        std::uint64_t high = 0;  ///< the first address behind it
        std::size_t index = 0;
    };
    struct Unit {
        Dwarf_Die lines{};  ///< the unit that has the line table
        Dwarf_Die tree{};   ///< the unit that has the functions: another one in split files
        bool read = false;
        std::vector<Dwarf_Die> functions;
        std::vector<Range> functions_by_address;
    };
    struct Name {
        std::string function;
        std::string symbol;
        int first_line = 0;
    };
    static std::vector<Range> ranges_of(Dwarf_Die& die, std::size_t index);
    static const Range* find(const std::vector<Range>& ranges, std::uint64_t address);
    static void sort(std::vector<Range>& ranges);
    static void read_functions(Unit& unit, Dwarf_Die& parent, int depth);
    const Name& name_of(Dwarf_Die& die);

    std::vector<Unit> units_;
    std::vector<Range> units_by_address_;
    std::unordered_map<const void*, Name> names_;  ///< by the address of the function's entry
};

}  // namespace crucible::lab
