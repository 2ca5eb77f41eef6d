#include "allocation_overhead/programs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "base/file.h"

namespace crucible::bench {
namespace {

constexpr std::array kPrograms{
    Program{"small_pairs", "pairs", small_pairs},
    Program{"ring_pairs", "pairs", ring_pairs},
    Program{"counter_scopes", "scopes", counter_scopes},
    Program{"owner_scopes", "scopes", owner_scopes},
    Program{"queried_maps", "allocations", queried_maps},
    Program{"churned_maps", "allocations", churned_maps},
    Program{"event_loop", "events", event_loop},
};

int complain_as_program(std::string_view what) {
    fmt::print(stderr, "bench_allocation_overhead program: {}\n", what);
    return 1;
}

}  // namespace

std::span<const Program> programs() noexcept {
    return kPrograms;
}

int program_main(std::span<char* const> words) {
    if (words.size() != 3) return complain_as_program("started by the bench itself");
    const std::string_view name = words[0];
    const std::string_view amount = words[1];
    const auto program = std::ranges::find(kPrograms, name, &Program::name);
    if (program == kPrograms.end()) return complain_as_program("there is none of that name");
    std::uint64_t number = 0;
    std::from_chars(amount.data(), amount.data() + amount.size(), number);
    const auto result = program->run(number);
    if (!result) return complain_as_program(result.error().message);
    const auto written = base::write_file(
        words[2], fmt::format("{:.17g} {}\n", result->seconds, result->allocations));
    return written ? 0 : complain_as_program(written.error().message);
}

}  // namespace crucible::bench
