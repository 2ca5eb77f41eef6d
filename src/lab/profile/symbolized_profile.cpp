#include "lab/profile/symbolized_profile.h"

#include <algorithm>
#include <set>
#include <unordered_map>
#include <utility>

namespace crucible::lab {
namespace {

/// Gives each address of the stacks its place in the list of locations.
class LocationTable {
public:
    LocationTable(Symbolizer& symbolizer, std::vector<Location>& locations)
        : symbolizer_(symbolizer), locations_(locations) {}

    std::size_t index_of(std::uint64_t address) {
        const auto [entry, is_new] = indices_.try_emplace(address, locations_.size());
        if (is_new) {
            locations_.push_back({.address = address,
                                  .module = symbolizer_.module_of(address),
                                  .frames = symbolizer_.frames(address)});
        }
        return entry->second;
    }

private:
    Symbolizer& symbolizer_;
    std::vector<Location>& locations_;
    std::unordered_map<std::uint64_t, std::size_t> indices_;
};

}  // namespace

std::optional<std::size_t> SymbolizedProfile::find_kind(std::string_view name) const noexcept {
    const auto found = std::ranges::find(kinds, name, &ValueKind::name);
    if (found == kinds.end()) return std::nullopt;
    return static_cast<std::size_t>(found - kinds.begin());
}

SymbolizedProfile symbolize(const StackProfile& profile, SymbolizerOptions options) {
    Symbolizer symbolizer(profile.modules(), std::move(options));
    SymbolizedProfile named{.modules = profile.modules(),
                            .symbols = std::vector<ModuleSymbols>(profile.modules().size()),
                            .kinds = profile.kinds(),
                            .capture = profile.capture()};
    LocationTable table(symbolizer, named.locations);
    for (const auto& sample : profile.samples()) {
        auto& named_sample = named.samples.emplace_back(SymbolizedSample{
            .owner = sample.owner, .thread = sample.thread, .values = sample.values});
        named_sample.stack.reserve(sample.stack.size());
        for (std::size_t i = 0; i < sample.stack.size(); ++i) {
            const bool is_instruction =
                i == 0 && profile.capture().innermost == Innermost::instruction;
            const auto address = sample.stack[i];
            named_sample.stack.push_back(
                table.index_of(is_instruction || address == 0 ? address : address - 1));
        }
    }
    std::set<std::size_t> used;
    for (const auto& location : named.locations) {
        if (location.module) used.insert(*location.module);
    }
    for (const auto module : used) named.symbols[module] = symbolizer.symbols_of(module);
    named.remarks = symbolizer.remarks();
    return named;
}

}  // namespace crucible::lab
