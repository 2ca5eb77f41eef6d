#include "lab/record/proc_text.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "base/file.h"

namespace crucible::lab {

std::expected<std::string, int> read_at(int directory, const char* name) {
    const base::UniqueFd file(::openat(directory, name, O_RDONLY | O_CLOEXEC));
    if (!file) return std::unexpected(errno);
    std::string content;
    std::array<char, 4096> block;
    for (;;) {
        const ssize_t count = ::read(file.get(), block.data(), block.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return std::unexpected(errno);
        if (count == 0) return content;
        content.append(block.data(), static_cast<std::size_t>(count));
    }
}

std::optional<std::uint64_t> leading_number(std::string_view text) {
    std::uint64_t number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    if (parsed.ec != std::errc()) return std::nullopt;
    return number;
}

std::optional<std::uint64_t> labelled_number(std::string_view content, std::string_view label) {
    std::size_t at = content.find(label);
    while (at != std::string_view::npos && at != 0 && content[at - 1] != '\n') {
        at = content.find(label, at + 1);
    }
    if (at == std::string_view::npos) return std::nullopt;
    content.remove_prefix(at + label.size());
    content.remove_prefix(std::min(content.find_first_not_of(" \t"), content.size()));
    return leading_number(content);
}

std::vector<std::string_view> stat_fields(std::string_view line) {
    std::vector<std::string_view> fields;
    line.remove_prefix(std::min(line.rfind(')'), line.size()));
    while (!line.empty()) {
        line.remove_prefix(std::min(line.find(' '), line.size() - 1) + 1);
        const auto field = line.substr(0, line.find(' '));
        if (!field.empty()) fields.push_back(field);
    }
    return fields;
}

Duration from_ticks(std::uint64_t ticks) {
    static const auto kTicksPerSecond = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    return Duration(static_cast<std::int64_t>(ticks * (1'000'000'000 / kTicksPerSecond)));
}

}  // namespace crucible::lab
