#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lab/profile/frame.h"
#include "lab/profile/mapped_module.h"
#include "lab/profile/symbol_file.h"

namespace crucible::lab {

/// Where to look for debug information besides the modules themselves.
struct SymbolizerOptions {
    /// Separated by colons. An absolute one holds `.build-id/`, as Debian's debug packages install
    /// it, and files named by a .gnu_debuglink; an empty or relative one is that of the module.
    std::string debug_folders = ":.debug:/usr/lib/debug";
};

/// What was found of a module.
struct ModuleSymbols {
    SymbolSource source = SymbolSource::none;
    std::string debug_path;  ///< of the debug information that is used; empty: none
    std::string problem;     ///< why the module's file is not used; empty: it is
    bool operator==(const ModuleSymbols&) const = default;
};

/// Turns the addresses of one process into functions, files and lines, from the files that it had
/// mapped; it may have ended. Where nothing is known an address is named for its module and the
/// place in it, and remarks() say so: nothing fails. Reads a module's file when the first address
/// in it is asked for. With DEBUGINFOD_URLS set, libdwfl asks those servers for debug information
/// that is not installed. Not thread-safe.
class Symbolizer {
public:
    /// `modules` are sorted by start.
    explicit Symbolizer(std::vector<MappedModule> modules, SymbolizerOptions options = {});

    /// The functions at the instruction of which `address` is a byte, the innermost first; never
    /// empty. For a return address ask for the byte before it, as the call may be its function's
    /// last instruction. Valid as long as the Symbolizer.
    const std::vector<Frame>& frames(std::uint64_t address);
    /// The module's index; nothing where the address is in none.
    std::optional<std::size_t> module_of(std::uint64_t address) const noexcept;

    const std::vector<MappedModule>& modules() const noexcept { return modules_; }
    /// Of a module that was asked about; opens it where it was not.
    ModuleSymbols symbols_of(std::size_t module);
    /// What a reader of the names must know, a line each: modules without symbols or with few,
    /// files that have changed, addresses of no module.
    std::vector<std::string> remarks() const;

private:
    /// A file, for all of its mappings.
    struct Opened {
        std::optional<SymbolFile> file;
        std::string problem;
        std::size_t addresses = 0;  ///< that were asked for
        std::size_t unnamed = 0;    ///< of them
    };
    Opened& opened(const MappedModule& module);
    std::vector<Frame> find(std::uint64_t address);

    std::vector<MappedModule> modules_;
    SymbolizerOptions options_;
    std::map<std::pair<std::string, std::string>, Opened> files_;  ///< by path and build id
    std::unordered_map<std::uint64_t, std::vector<Frame>> cache_;
    std::size_t outside_ = 0;  ///< addresses in no module
};

}  // namespace crucible::lab
