#include "lab/profile/symbol_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gelf.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/file.h"
#include "lab/profile/demangle.h"
#include "lab/profile/mapped_module.h"

namespace crucible::lab {
namespace {

/// Pages of 4 KiB are the smallest there are: a mapping begins at most that much before its
/// segment.
constexpr std::uint64_t kPageMask = 4095;

bool has_symbol_table(Elf* elf) {
    Elf_Scn* section = nullptr;
    while ((section = elf_nextscn(elf, section)) != nullptr) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) != nullptr && header.sh_type == SHT_SYMTAB) return true;
    }
    return false;
}

std::string why_not(const std::string& path, const std::string& wanted) {
    const auto found = read_build_id(path);
    if (!found) {
        // The remark that this becomes part of names the path.
        const auto& message = found.error().message;
        return message.starts_with(path + ": ") ? message.substr(path.size() + 2) : message;
    }
    if (wanted.empty() || *found == wanted) return {};
    return fmt::format("the file has changed since (build id {}, then {})",
                       found->empty() ? "none" : found->substr(0, 12), wanted.substr(0, 12));
}

/// The separated debug file of a build id; empty: there is none.
std::string separated_file(const std::string& build_id, const std::string& debug_folders) {
    if (build_id.size() < 4) return {};
    std::size_t begin = 0;
    while (begin <= debug_folders.size()) {
        const auto end = std::min(debug_folders.find(':', begin), debug_folders.size());
        const auto folder = debug_folders.substr(begin, end - begin);
        begin = end + 1;
        if (!folder.starts_with('/')) continue;
        auto path = fmt::format("{}/.build-id/{}/{}.debug", folder, build_id.substr(0, 2),
                                build_id.substr(2));
        if (why_not(path, build_id).empty()) return path;
    }
    return {};
}

}  // namespace

Result<SymbolFile> SymbolFile::open(const std::string& path, const std::string& build_id,
                                    const std::string& debug_folders) {
    SymbolFile file;
    const auto obstacle = why_not(path, build_id);
    if (obstacle.empty()) {
        if (const auto begun = file.begin(path, debug_folders); !begun)
            return std::unexpected(begun.error());
        return file;
    }
    const auto separated = separated_file(build_id, debug_folders);
    if (!separated.empty() && file.begin(separated, debug_folders)) return file;
    return std::unexpected(Error{Errc::failed, obstacle});
}

Result<> SymbolFile::begin(const std::string& path, const std::string& debug_folders) {
    settings_ = std::make_unique<Settings>();
    settings_->debug_folders = debug_folders;
    settings_->debug_folders_text = settings_->debug_folders.data();
    settings_->callbacks = {.find_elf = dwfl_build_id_find_elf,
                            .find_debuginfo = dwfl_standard_find_debuginfo,
                            .section_address = dwfl_offline_section_address,
                            .debuginfo_path = &settings_->debug_folders_text};
    session_.reset(dwfl_begin(&settings_->callbacks));
    base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return std::unexpected(base::errno_error("it cannot be read", errno));
    // At address 0: addresses are then those that the linker wrote into the file.
    dwfl_report_begin(session_.get());
    module_ = dwfl_report_elf(session_.get(), path.c_str(), path.c_str(), fd.get(), 0, true);
    if (module_ != nullptr) fd.release();
    dwfl_report_end(session_.get(), nullptr, nullptr);
    if (module_ == nullptr) return std::unexpected(Error{Errc::corrupt, dwfl_errmsg(-1)});
    find_symbols();
    return {};
}

void SymbolFile::find_symbols() {
    bool has_table = false;
    GElf_Addr bias = 0;
    if (Elf* elf = dwfl_module_getelf(module_, &bias); elf != nullptr)
        has_table = has_symbol_table(elf);
    if (Dwarf* dwarf = dwfl_module_getdwarf(module_, &debug_bias_); dwarf != nullptr) {
        has_table = has_table || has_symbol_table(dwarf_getelf(dwarf));
        DwarfIndex index(dwarf);
        if (!index.empty()) debug_.emplace(std::move(index));
    }
    table_.emplace(module_);
    if (debug_) {
        const char* main = nullptr;
        const char* separated = nullptr;
        dwfl_module_info(module_, nullptr, nullptr, nullptr, nullptr, nullptr, &main, &separated);
        debug_path_ = separated != nullptr ? separated : main != nullptr ? main : "";
        source_ = SymbolSource::debug;
    } else if (!table_->empty()) {
        source_ = has_table ? SymbolSource::table : SymbolSource::exported;
    }
}

std::optional<std::uint64_t> SymbolFile::address_of(std::uint64_t file_offset,
                                                    std::uint64_t distance) const {
    GElf_Addr bias = 0;
    Elf* elf = dwfl_module_getelf(module_, &bias);
    std::size_t count = 0;
    if (elf == nullptr || elf_getphdrnum(elf, &count) != 0) return std::nullopt;
    const auto wanted = file_offset + distance;
    std::vector<std::uint64_t> without_content;
    for (std::size_t i = 0; i < count; ++i) {
        GElf_Phdr segment;
        if (gelf_getphdr(elf, static_cast<int>(i), &segment) == nullptr ||
            segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0)
            continue;
        if (segment.p_filesz == 0) {
            const auto address = (segment.p_vaddr & ~kPageMask) + distance;
            if (address < segment.p_vaddr + segment.p_memsz) without_content.push_back(address);
        } else if (wanted >= (segment.p_offset & ~kPageMask) &&
                   wanted < segment.p_offset + segment.p_filesz) {
            return wanted - segment.p_offset + segment.p_vaddr;
        }
    }
    // A separated debug file does not say where in the other file its segments were. Only with one
    // of them is it clear which of them was mapped.
    if (without_content.size() != 1) return std::nullopt;
    return without_content.front();
}

std::vector<Frame> SymbolFile::frames(std::uint64_t address) {
    std::vector<Frame> frames;
    if (debug_) frames = debug_->frames(address - debug_bias_);
    if (!frames.empty() && !frames.back().symbol.empty()) return frames;
    auto symbol = table_->find(address);
    if (frames.empty()) {
        if (symbol.empty()) return {};
        frames.push_back({.function = demangle(symbol), .symbol = std::move(symbol)});
    } else {
        // Debug information of level 1 names functions in anonymous namespaces without these, and
        // the linker's symbol does not. In C one function may have several symbols: its own name is
        // the clearest.
        auto& outermost = frames.back();
        if (symbol.starts_with("_Z")) outermost.function = demangle(symbol);
        outermost.symbol = std::move(symbol);
    }
    return frames;
}

}  // namespace crucible::lab
