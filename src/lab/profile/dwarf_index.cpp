#include "lab/profile/dwarf_index.h"

#include <dwarf.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <span>
#include <string_view>

#include "lab/profile/demangle.h"

namespace crucible::lab {
namespace {

/// No sensible program nests deeper; a damaged file must not exhaust our stack.
constexpr int kDepthMax = 100;

/// Calls `visit` with each child of `parent` until it returns false.
template <typename Visit>
void for_each_child(Dwarf_Die& parent, Visit visit) {
    Dwarf_Die child;
    if (dwarf_child(&parent, &child) != 0) return;
    do {
        if (!visit(child)) return;
    } while (dwarf_siblingof(&child, &child) == 0);
}

bool may_hold_functions(int tag) {
    return tag == DW_TAG_namespace || tag == DW_TAG_class_type || tag == DW_TAG_structure_type ||
           tag == DW_TAG_union_type || tag == DW_TAG_subprogram || tag == DW_TAG_lexical_block ||
           tag == DW_TAG_module;
}

std::string_view attribute_text(Dwarf_Die& die, unsigned int name) {
    Dwarf_Attribute attribute;
    const char* text = dwarf_formstring(dwarf_attr_integrate(&die, name, &attribute));
    return text == nullptr ? std::string_view() : std::string_view(text);
}

std::string_view linkage_name(Dwarf_Die& die) {
    const auto name = attribute_text(die, DW_AT_linkage_name);
    return name.empty() ? attribute_text(die, DW_AT_MIPS_linkage_name) : name;
}

/// Where the function's name stands: its declaration in a class or namespace, for a definition and
/// for an inlined or cloned instance.
Dwarf_Die declaration_of(const Dwarf_Die& instance) {
    Dwarf_Die die = instance;
    for (const unsigned int link : {DW_AT_abstract_origin, DW_AT_specification}) {
        Dwarf_Attribute attribute;
        Dwarf_Die origin;
        if (dwarf_formref_die(dwarf_attr(&die, link, &attribute), &origin) != nullptr) die = origin;
    }
    return die;
}

/// "ns::Class::name" from the entries around it; for functions without a linkage name: those in
/// anonymous namespaces, and those of other languages.
std::string qualified_name(const Dwarf_Die& instance) {
    Dwarf_Die declaration = declaration_of(instance);
    std::string name(attribute_text(declaration, DW_AT_name));
    if (name.empty()) return name;
    Dwarf_Die* scopes = nullptr;
    const int count = dwarf_getscopes_die(&declaration, &scopes);
    const std::unique_ptr<Dwarf_Die, decltype(&std::free)> owned(scopes, &std::free);
    if (count <= 1) return name;
    for (auto& scope : std::span(scopes, static_cast<std::size_t>(count)).subspan(1)) {
        const int tag = dwarf_tag(&scope);
        if (tag != DW_TAG_namespace && tag != DW_TAG_class_type && tag != DW_TAG_structure_type &&
            tag != DW_TAG_union_type)
            continue;
        const auto outer = attribute_text(scope, DW_AT_name);
        name.insert(0, "::").insert(0, outer.empty() ? "(anonymous)" : outer);
    }
    return name;
}

void place_at_call(Frame& frame, Dwarf_Die& call, Dwarf_Die& unit) {
    Dwarf_Attribute attribute;
    Dwarf_Word number = 0;
    if (dwarf_formudata(dwarf_attr(&call, DW_AT_call_line, &attribute), &number) == 0)
        frame.line = static_cast<int>(number);
    Dwarf_Files* files = nullptr;
    std::size_t count = 0;
    if (dwarf_formudata(dwarf_attr(&call, DW_AT_call_file, &attribute), &number) != 0 ||
        dwarf_getsrcfiles(&unit, &files, &count) != 0)
        return;
    const char* file = dwarf_filesrc(files, number, nullptr, nullptr);
    if (file != nullptr) frame.file = file;
}

void place_at_line(Frame& frame, Dwarf_Die& unit, std::uint64_t address) {
    Dwarf_Line* line = dwarf_getsrc_die(&unit, address);
    if (line == nullptr) return;
    dwarf_lineno(line, &frame.line);
    const char* file = dwarf_linesrc(line, nullptr, nullptr);
    if (file != nullptr) frame.file = file;
}

/// The calls inlined around `address`, from the outermost inwards; `scope` is their function.
std::vector<Dwarf_Die> inlined_calls(Dwarf_Die scope, std::uint64_t address) {
    std::vector<Dwarf_Die> calls;
    bool deeper = true;
    for (int depth = 0; deeper && depth < kDepthMax; ++depth) {
        deeper = false;
        for_each_child(scope, [&](Dwarf_Die& child) {
            const int tag = dwarf_tag(&child);
            if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_lexical_block &&
                tag != DW_TAG_try_block && tag != DW_TAG_catch_block)
                return true;
            if (dwarf_haspc(&child, address) != 1) return true;
            if (tag == DW_TAG_inlined_subroutine) calls.push_back(child);
            scope = child;
            deeper = true;
            return false;
        });
    }
    return calls;
}

}  // namespace

DwarfIndex::DwarfIndex(Dwarf* dwarf) {
    Dwarf_CU* unit = nullptr;
    Dwarf_Die lines;
    Dwarf_Die split;
    while (dwarf_get_units(dwarf, unit, &unit, nullptr, nullptr, &lines, &split) == 0) {
        const auto ranges = ranges_of(lines, units_.size());
        if (ranges.empty()) continue;
        units_by_address_.insert(units_by_address_.end(), ranges.begin(), ranges.end());
        units_.push_back({.lines = lines, .tree = split.addr != nullptr ? split : lines});
    }
    sort(units_by_address_);
}

std::vector<DwarfIndex::Range> DwarfIndex::ranges_of(Dwarf_Die& die, std::size_t index) {
    std::vector<Range> ranges;
    Dwarf_Addr base = 0;
    Dwarf_Addr low = 0;
    Dwarf_Addr high = 0;
    for (std::ptrdiff_t at = 0; (at = dwarf_ranges(&die, at, &base, &low, &high)) > 0;) {
        // The linker leaves 0 where it has dropped a function that other files have too.
        if (low != 0 && low < high) ranges.push_back({low, high, index});
    }
    return ranges;
}

void DwarfIndex::sort(std::vector<Range>& ranges) {
    std::ranges::stable_sort(ranges, {}, &Range::low);
}

const DwarfIndex::Range* DwarfIndex::find(const std::vector<Range>& ranges, std::uint64_t address) {
    const auto behind = std::ranges::upper_bound(ranges, address, {}, &Range::low);
    if (behind == ranges.begin() || address >= std::prev(behind)->high) return nullptr;
    return &*std::prev(behind);
}

void DwarfIndex::read_functions(Unit& unit, Dwarf_Die& parent, int depth) {
    for_each_child(parent, [&unit, depth](Dwarf_Die& child) {
        const int tag = dwarf_tag(&child);
        if (tag == DW_TAG_subprogram) {
            const auto ranges = ranges_of(child, unit.functions.size());
            if (!ranges.empty()) {
                auto& all = unit.functions_by_address;
                all.insert(all.end(), ranges.begin(), ranges.end());
                unit.functions.push_back(child);
            }
        }
        if (may_hold_functions(tag) && depth < kDepthMax) read_functions(unit, child, depth + 1);
        return true;
    });
}

const DwarfIndex::Name& DwarfIndex::name_of(Dwarf_Die& die) {
    const auto [entry, is_new] = names_.try_emplace(die.addr);
    auto& name = entry->second;
    if (!is_new) return name;
    name.symbol = linkage_name(die);
    name.function = name.symbol.empty() ? qualified_name(die) : demangle(name.symbol);
    dwarf_decl_line(&die, &name.first_line);
    return name;
}

std::vector<Frame> DwarfIndex::frames(std::uint64_t address) {
    const auto* const place = find(units_by_address_, address);
    if (place == nullptr) return {};
    auto& unit = units_[place->index];
    if (!unit.read) {
        read_functions(unit, unit.tree, 0);
        sort(unit.functions_by_address);
        unit.read = true;
    }
    const auto* const function = find(unit.functions_by_address, address);
    if (function == nullptr) return {};
    auto dies = inlined_calls(unit.functions[function->index], address);
    dies.insert(dies.begin(), unit.functions[function->index]);

    std::vector<Frame> frames(dies.size());
    for (std::size_t i = 0; i < dies.size(); ++i) {
        // From the outermost inwards, while frames go outwards.
        auto& frame = frames[dies.size() - 1 - i];
        const auto& name = name_of(dies[i]);
        frame.function = name.function.empty() ? "(unnamed)" : name.function;
        frame.symbol = name.symbol;
        frame.first_line = name.first_line;
        frame.inlined = i > 0;
        if (i + 1 < dies.size()) {
            place_at_call(frame, dies[i + 1], unit.tree);
        } else {
            place_at_line(frame, unit.lines, address);
        }
    }
    return frames;
}

}  // namespace crucible::lab
