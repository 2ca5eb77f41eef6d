#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lab/profile/stack_profile.h"
#include "lab/profile/symbolizer.h"

namespace crucible::lab {

/// An address of a profile with the functions at it.
struct Location {
    std::uint64_t address = 0;          ///< of the instruction, or a byte in it
    std::optional<std::size_t> module;  ///< its index in SymbolizedProfile::modules
    std::vector<Frame> frames;          ///< the innermost first; never empty
};

/// A sample whose stack is in locations.
struct SymbolizedSample {
    std::vector<std::size_t> stack;  ///< indices in SymbolizedProfile::locations, innermost first
    std::string owner;
    std::string thread;
    std::vector<std::int64_t> values;
};

/// A StackProfile with names: what the writers read, here or on another machine.
struct SymbolizedProfile {
    std::vector<MappedModule> modules;
    std::vector<ModuleSymbols> symbols;  ///< of each module
    std::vector<ValueKind> kinds;
    Capture capture;
    std::vector<Location> locations;
    std::vector<SymbolizedSample> samples;
    std::vector<std::string> remarks;  ///< what a reader of the names must know, a line each

    /// The index of the kind of that name.
    std::optional<std::size_t> find_kind(std::string_view name) const noexcept;
};

/// Looks every address up: those of callers at the byte before, which is part of the call.
SymbolizedProfile symbolize(const StackProfile& profile, SymbolizerOptions options = {});

}  // namespace crucible::lab
