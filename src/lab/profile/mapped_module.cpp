#include "lab/profile/mapped_module.h"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <libelf.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <iterator>
#include <map>
#include <memory>

#include "base/file.h"
#include "base/text.h"

namespace crucible::lab {
namespace {

constexpr std::string_view kDeleted = " (deleted)";

/// Takes from the front of a line of /proc/<pid>/maps:
/// "7f12a4000000-7f12a4021000 r-xp 00002000 fe:01 131 /usr/lib/libc.so.6".
class MapsLine {
public:
    explicit MapsLine(std::string_view line) : rest_(line) {}

    /// A hexadecimal number that ends with `end`, which is taken too.
    std::optional<std::uint64_t> hexadecimal(char end) {
        std::uint64_t value = 0;
        const auto* const last = rest_.data() + rest_.size();
        const auto [stop, error] = std::from_chars(rest_.data(), last, value, 16);
        if (error != std::errc() || stop == last || *stop != end) return std::nullopt;
        rest_.remove_prefix(static_cast<std::size_t>(stop - rest_.data()) + 1);
        return value;
    }
    /// Up to the next blank, and the blank.
    std::optional<std::string_view> word() {
        const auto blank = rest_.find(' ');
        const auto word = rest_.substr(0, blank);
        rest_.remove_prefix(blank == std::string_view::npos ? rest_.size() : blank + 1);
        if (word.empty()) return std::nullopt;
        return word;
    }
    /// What is left, without the blanks that align it. Blanks inside are the path's own.
    std::string_view path() const {
        const auto begin = rest_.find_first_not_of(' ');
        return begin == std::string_view::npos ? std::string_view() : rest_.substr(begin);
    }

private:
    std::string_view rest_;
};

/// The kernel writes a line break in a path as \012, and no other letter differently.
std::string unescaped_path(std::string_view path) {
    constexpr std::string_view kLineBreak = "\\012";
    std::string plain;
    for (auto at = path.find(kLineBreak); at != std::string_view::npos;
         at = path.find(kLineBreak)) {
        plain.append(path.substr(0, at)).push_back('\n');
        path.remove_prefix(at + kLineBreak.size());
    }
    return plain.append(path);
}

/// Nothing where it is no line of that file.
std::optional<std::pair<MappedModule, bool>> parse_maps_line(std::string_view text) {
    MapsLine line(text);
    const auto start = line.hexadecimal('-');
    const auto end = start ? line.hexadecimal(' ') : std::nullopt;
    const auto permissions = end ? line.word() : std::nullopt;
    const auto offset = permissions ? line.hexadecimal(' ') : std::nullopt;
    const auto device = offset ? line.word() : std::nullopt;
    const auto inode = device ? line.word() : std::nullopt;
    if (!inode || *start >= *end || permissions->size() != 4) return std::nullopt;
    MappedModule module{.start = *start, .end = *end, .file_offset = *offset};
    auto path = line.path();
    if (path.ends_with(kDeleted)) {
        path.remove_suffix(kDeleted.size());
        module.deleted = true;
    }
    module.path = unescaped_path(path);
    return std::pair(std::move(module), (*permissions)[2] == 'x');
}

struct ElfEnd {
    void operator()(Elf* elf) const noexcept { elf_end(elf); }
};

}  // namespace

std::string_view MappedModule::name() const noexcept {
    if (path.empty()) return "[anonymous]";
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? std::string_view(path)
                                      : std::string_view(path).substr(slash + 1);
}

Result<std::vector<MappedModule>> parse_maps(std::string_view text) {
    std::vector<MappedModule> modules;
    for (int number = 1; !text.empty(); ++number) {
        const auto length = std::min(text.find('\n'), text.size());
        const auto line = text.substr(0, length);
        text.remove_prefix(std::min(length + 1, text.size()));
        auto parsed = parse_maps_line(line);
        if (!parsed) {
            return std::unexpected(
                Error{Errc::corrupt, fmt::format("line {} is none of /proc/<pid>/maps: {}", number,
                                                 base::in_quotes(line))});
        }
        if (parsed->second) modules.push_back(std::move(parsed->first));
    }
    std::ranges::stable_sort(modules, {}, &MappedModule::start);
    return modules;
}

std::optional<std::size_t> find_module(std::span<const MappedModule> modules,
                                       std::uint64_t address) noexcept {
    const auto behind = std::ranges::upper_bound(modules, address, {}, &MappedModule::start);
    if (behind == modules.begin() || address >= std::prev(behind)->end) return std::nullopt;
    return static_cast<std::size_t>(behind - modules.begin()) - 1;
}

Result<std::string> read_build_id(const std::string& path) {
    const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd) return std::unexpected(base::errno_error(path, errno));
    elf_version(EV_CURRENT);
    const std::unique_ptr<Elf, ElfEnd> elf(elf_begin(fd.get(), ELF_C_READ, nullptr));
    if (!elf || elf_kind(elf.get()) != ELF_K_ELF)
        return std::unexpected(Error{Errc::corrupt, path + ": not an ELF file"});
    const void* bytes = nullptr;
    const auto length = dwelf_elf_gnu_build_id(elf.get(), &bytes);
    std::string id;
    for (const auto byte : std::span(static_cast<const unsigned char*>(bytes),
                                     static_cast<std::size_t>(std::max<ssize_t>(length, 0))))
        fmt::format_to(std::back_inserter(id), "{:02x}", byte);
    return id;
}

Result<std::vector<MappedModule>> read_modules(pid_t pid) {
    const auto folder = fmt::format("/proc/{}", pid);
    const auto text = base::read_file(folder + "/maps");
    if (!text) return std::unexpected(text.error());
    auto modules = parse_maps(*text);
    if (!modules) return modules;
    std::map<std::string, std::string> known;  // a file is often mapped in several parts
    for (auto& module : *modules) {
        if (!module.path.starts_with('/')) continue;
        const auto [entry, is_new] = known.try_emplace(module.path);
        if (is_new) {
            // What is mapped, even where the path has another file by now or means one in the
            // process's own container; but that takes privileges.
            auto id = read_build_id(
                fmt::format("{}/map_files/{:x}-{:x}", folder, module.start, module.end));
            if (!id && !module.deleted) id = read_build_id(folder + "/root" + module.path);
            if (!id && !module.deleted) id = read_build_id(module.path);
            entry->second = std::move(id).value_or("");
        }
        module.build_id = entry->second;
    }
    return modules;
}

}  // namespace crucible::lab
