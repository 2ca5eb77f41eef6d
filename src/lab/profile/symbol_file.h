#pragma once

#include <elfutils/libdwfl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crucible/error.h"
#include "lab/profile/dwarf_index.h"
#include "lab/profile/frame.h"
#include "lab/profile/symbol_table.h"

namespace crucible::lab {

/// Where the names of a module's functions come from.
enum class SymbolSource : std::uint8_t {
    none,      ///< no symbols, or no file that could be read
    exported,  ///< only what it exports to other modules (.dynsym)
    table,     ///< its symbol table: every function, no lines, nothing inlined
    debug,     ///< debug information
};

/// An ELF file and its debug information, which may be in another one. Not thread-safe.
class SymbolFile {
public:
    /// `debug_folders`: as libdwfl takes them, separated by colons: where separated debug files
    /// are. Reads the file for `build_id` among them where `path` is gone, or is another file by
    /// now; an empty id is not compared. - Errc::not_found, Errc::permission_denied, Errc::io,
    /// Errc::corrupt: it is no ELF file; Errc::failed: it is not the file of that build id. The
    /// message says what is wrong without the path.
    static Result<SymbolFile> open(const std::string& path, const std::string& build_id,
                                   const std::string& debug_folders);

    SymbolSource source() const noexcept { return source_; }
    /// The file whose debug information is used; empty: none.
    const std::string& debug_path() const noexcept { return debug_path_; }
    /// Where the linker put what is `distance` bytes behind the start of an executable mapping that
    /// begins at `file_offset`. Nothing where the file has no code there.
    std::optional<std::uint64_t> address_of(std::uint64_t file_offset,
                                            std::uint64_t distance) const;
    /// The functions at an address that address_of() gave, the innermost first; empty where none is
    /// known.
    std::vector<Frame> frames(std::uint64_t address);

private:
    struct SessionEnd {
        void operator()(Dwfl* session) const noexcept { dwfl_end(session); }
    };
    /// libdwfl keeps a pointer to it.
    struct Settings {
        std::string debug_folders;
        char* debug_folders_text = nullptr;
        Dwfl_Callbacks callbacks{};
    };
    SymbolFile() = default;
    Result<> begin(const std::string& path, const std::string& debug_folders);
    void find_symbols();

    std::unique_ptr<Settings> settings_;
    std::unique_ptr<Dwfl, SessionEnd> session_;
    Dwfl_Module* module_ = nullptr;
    std::optional<DwarfIndex> debug_;
    std::optional<SymbolTable> table_;
    Dwarf_Addr debug_bias_ = 0;
    std::string debug_path_;
    SymbolSource source_ = SymbolSource::none;
};

}  // namespace crucible::lab
