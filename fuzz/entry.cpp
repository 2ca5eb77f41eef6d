// What libFuzzer and replay.cpp call.
#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/assert.h"
#include "base/file.h"
#include "fuzzer.h"

namespace crucible::fuzz {

void check_message(const Error& error) {
    CRUCIBLE_ASSERT(!error.message.empty());
    for (const char c : error.message) {
        const auto byte = static_cast<unsigned char>(c);
        CRUCIBLE_ASSERT(byte >= 0x20 && byte != 0x7f);
    }
}

}  // namespace crucible::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    crucible::fuzz::run({reinterpret_cast<const char*>(data), size});
    return 0;
}

/// `--write-seeds FOLDER` as the only arguments: writes them there and ends the process.
extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
    if (*argc != 3 || std::string_view((*argv)[1]) != "--write-seeds") return 0;
    std::size_t number = 0;
    for (const auto& seed : crucible::fuzz::seeds()) {
        const auto file = std::filesystem::path((*argv)[2]) / fmt::format("seed-{}", number++);
        if (const auto written = crucible::base::write_file(file, seed); !written) {
            fmt::print(stderr, "{}\n", written.error().message);
            std::exit(1);
        }
    }
    std::exit(0);
}
