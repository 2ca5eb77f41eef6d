#include "lab/profile/symbolizer.h"

#include <fmt/format.h>

#include "base/text.h"

namespace crucible::lab {
namespace {

std::string addresses_text(std::size_t count) {
    return fmt::format("{} {}", count, count == 1 ? "address" : "addresses");
}

/// Nothing where all is well.
std::string shortcoming(const std::optional<SymbolFile>& file, const std::string& problem) {
    if (!file) return "no symbols: " + base::one_line(problem);
    switch (file->source()) {
        case SymbolSource::none:
            return "no symbols: it is stripped, and no debug file for it is installed";
        case SymbolSource::exported:
            return "only the names that it exports: no debug file for it is installed";
        case SymbolSource::table:
            return "no debug information: no lines, nothing inlined";
        case SymbolSource::debug:
            break;
    }
    return {};
}

}  // namespace

Symbolizer::Symbolizer(std::vector<MappedModule> modules, SymbolizerOptions options)
    : modules_(std::move(modules)), options_(std::move(options)) {}

std::optional<std::size_t> Symbolizer::module_of(std::uint64_t address) const noexcept {
    return find_module(modules_, address);
}

Symbolizer::Opened& Symbolizer::opened(const MappedModule& module) {
    const auto [entry, is_new] = files_.try_emplace({module.path, module.build_id});
    auto& opened = entry->second;
    if (!is_new) return opened;
    if (!module.path.starts_with('/')) {
        opened.problem = "it is no file";
        return opened;
    }
    if (module.deleted && module.build_id.empty()) {
        // Another file may be at the path by now, and nothing would tell.
        opened.problem = "the file was deleted or replaced while it was mapped";
        return opened;
    }
    auto file = SymbolFile::open(module.path, module.build_id, options_.debug_folders);
    if (file) {
        opened.file.emplace(std::move(*file));
    } else {
        opened.problem = file.error().message;
    }
    return opened;
}

const std::vector<Frame>& Symbolizer::frames(std::uint64_t address) {
    const auto [entry, is_new] = cache_.try_emplace(address);
    if (is_new) entry->second = find(address);
    return entry->second;
}

std::vector<Frame> Symbolizer::find(std::uint64_t address) {
    const auto index = module_of(address);
    if (!index) {
        ++outside_;
        return {{.function = fmt::format("{:#x}", address)}};
    }
    const auto& module = modules_[*index];
    auto& opened = this->opened(module);
    ++opened.addresses;
    const auto distance = address - module.start;
    auto place = module.file_offset + distance;
    if (opened.file) {
        if (const auto in_file = opened.file->address_of(module.file_offset, distance)) {
            auto frames = opened.file->frames(*in_file);
            if (!frames.empty()) return frames;
            place = *in_file;
        }
    }
    ++opened.unnamed;
    return {{.function = fmt::format("{}+{:#x}", module.name(), place)}};
}

ModuleSymbols Symbolizer::symbols_of(std::size_t module) {
    const auto& opened = this->opened(modules_[module]);
    if (!opened.file) return {.problem = opened.problem};
    return {.source = opened.file->source(), .debug_path = opened.file->debug_path()};
}

std::vector<std::string> Symbolizer::remarks() const {
    std::vector<std::string> remarks;
    for (const auto& [key, opened] : files_) {
        if (opened.addresses == 0) continue;
        auto text = shortcoming(opened.file, opened.problem);
        if (opened.unnamed > 0) {
            if (!text.empty()) text += "; ";
            text += addresses_text(opened.unnamed) + " shown as places in it";
        }
        if (text.empty()) continue;
        const auto path = key.first.empty() ? "memory without a file" : key.first;
        remarks.push_back(base::printable(path) + ": " + text);
    }
    if (outside_ > 0) remarks.push_back(addresses_text(outside_) + " in no module that was mapped");
    return remarks;
}

}  // namespace crucible::lab
