#include "lab/profile/symbol_table.h"

#include <gelf.h>

#include <algorithm>
#include <iterator>
#include <tuple>

namespace crucible::lab {
namespace {

/// How many symbols before an address are asked whether they reach it: hand-written code has
/// symbols within functions.
constexpr int kEnclosingMax = 16;

/// Names that other modules see before those that only this one has.
int binding_rank(const GElf_Sym& symbol) {
    switch (GELF_ST_BIND(symbol.st_info)) {
        case STB_GLOBAL:
            return 0;
        case STB_WEAK:
            return 1;
        default:
            return 2;
    }
}

/// Hand-written code is often without a type. "$x" and the like mark kinds of bytes on ARM.
bool names_code(const GElf_Sym& symbol, std::string_view name) {
    const int type = GELF_ST_TYPE(symbol.st_info);
    const bool fits = type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE;
    return fits && symbol.st_shndx != SHN_UNDEF && symbol.st_shndx != SHN_ABS && !name.empty() &&
           !name.starts_with('$');
}

/// 0: not known.
std::uint64_t section_end(Elf* elf, GElf_Word section, GElf_Addr bias) {
    GElf_Shdr header;
    Elf_Scn* const found = elf == nullptr ? nullptr : elf_getscn(elf, section);
    if (found == nullptr || gelf_getshdr(found, &header) == nullptr) return 0;
    return header.sh_addr + header.sh_size + bias;
}

}  // namespace

SymbolTable::SymbolTable(Dwfl_Module* module) {
    const int count = dwfl_module_getsymtab(module);
    bool has_function = false;
    for (int i = 0; i < count; ++i) {
        GElf_Sym symbol;
        GElf_Addr address = 0;
        GElf_Word section = 0;
        Elf* elf = nullptr;
        GElf_Addr bias = 0;
        const char* name =
            dwfl_module_getsym_info(module, i, &symbol, &address, &section, &elf, &bias);
        if (name == nullptr || !names_code(symbol, name)) continue;
        has_function = has_function || GELF_ST_TYPE(symbol.st_info) == STT_FUNC;
        const auto end = symbol.st_size > 0 ? address + symbol.st_size
                                            : std::max(address, section_end(elf, section, bias));
        symbols_.push_back({.start = address,
                            .end = end,
                            .has_size = symbol.st_size > 0,
                            .rank = binding_rank(symbol) + (symbol.st_size == 0 ? 3 : 0),
                            .name = name});
    }
    // The linker's marks of sections alone name nothing.
    if (!has_function) symbols_.clear();
    std::ranges::sort(symbols_, {}, [](const Symbol& symbol) {
        return std::tuple(symbol.start, symbol.rank, symbol.name.size(), symbol.name);
    });
    const auto others = std::ranges::unique(symbols_, {}, &Symbol::start);
    symbols_.erase(others.begin(), others.end());
    // What has no size reaches to the next, and not into another section: behind _init stand the
    // jumps to other modules, which have no symbols.
    for (std::size_t i = 0; i + 1 < symbols_.size(); ++i) {
        auto& symbol = symbols_[i];
        if (!symbol.has_size) symbol.end = std::min(symbol.end, symbols_[i + 1].start);
    }
}

std::string SymbolTable::find(std::uint64_t address) const {
    auto at = std::ranges::upper_bound(symbols_, address, {}, &Symbol::start);
    for (int i = 0; i < kEnclosingMax && at != symbols_.begin(); ++i) {
        const auto& symbol = *--at;
        if (address < symbol.end) return std::string(symbol.name.substr(0, symbol.name.find('@')));
    }
    return {};
}

}  // namespace crucible::lab
