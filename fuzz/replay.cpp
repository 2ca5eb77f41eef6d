// main() for every compiler: runs the seeds and the files given (of a folder all of them) once.
#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "base/file.h"
#include "fuzzer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv);

namespace {

/// From memory of exactly that size, so that AddressSanitizer sees every byte read beyond it.
void replay(std::string_view input) {
    const auto copy = std::make_unique<std::uint8_t[]>(input.size());
    input.copy(reinterpret_cast<char*>(copy.get()), input.size());
    LLVMFuzzerTestOneInput(copy.get(), input.size());
}

bool replay_file(const std::filesystem::path& file) {
    const auto input = crucible::base::read_file(file);
    if (!input) {
        fmt::print(stderr, "{}\n", input.error().message);
        return false;
    }
    // Said before: after a crash the last line names the file.
    fmt::print("{}\n", file.string());
    std::fflush(stdout);
    replay(*input);
    return true;
}

}  // namespace

int main(int argc, char** argv) {
    LLVMFuzzerInitialize(&argc, &argv);
    for (const auto& seed : crucible::fuzz::seeds()) replay(seed);
    std::size_t files = 0;
    for (int i = 1; i < argc; ++i) {
        std::error_code none;
        if (!std::filesystem::is_directory(argv[i], none)) {
            if (!replay_file(argv[i])) return 1;
            ++files;
            continue;
        }
        for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
            if (!replay_file(entry.path())) return 1;
            ++files;
        }
    }
    fmt::print("{} seeds and {} files\n", crucible::fuzz::seeds().size(), files);
    return crucible::fuzz::seeds().empty() && files == 0 ? 1 : 0;
}
