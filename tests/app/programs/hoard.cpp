// hoard BYTES: a program behind `exec:` whose memory is known. For each event it holds BYTES until
// none has come for a while, three times as many for one of the database, as the owner "queue"; and
// allocates 100 bytes for a moment, as "database-1". Then it acknowledges them all.
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "crucible/allocation.h"

namespace {

constexpr int kQuietMs = 50;
constexpr std::size_t kHeldMax = 1 << 16;
constexpr std::size_t kMomentBytes = 100;

char input[1 << 20];
void* blocks[kHeldMax];
unsigned long long tokens[kHeldMax];
std::size_t held = 0;

void hold(const char* line, std::size_t bytes) {
    static const crucible::AllocationOwner kQueue("queue");
    static const crucible::AllocationOwner kService("database-1");
    const char* const token = std::strstr(line, "\"token\":");
    if (token == nullptr || held == kHeldMax) std::exit(1);
    tokens[held] = std::strtoull(token + 8, nullptr, 10);
    if (std::strstr(line, "\"category\":\"database\"") != nullptr) bytes *= 3;
    {
        const crucible::AllocationScope scope(kQueue);
        blocks[held++] = std::malloc(bytes);
    }
    const crucible::AllocationScope scope(kService);
    void* volatile moment = std::malloc(kMomentBytes);
    std::free(moment);
}

void let_go() {
    for (std::size_t i = 0; i < held; ++i) {
        std::printf("{\"token\":%llu}\n", tokens[i]);
        std::free(blocks[i]);
    }
    std::fflush(stdout);
    held = 0;
}

}  // namespace

int main(int count, char** arguments) {
    const std::size_t bytes = count > 1 ? std::strtoul(arguments[1], nullptr, 10) : 1000;
    for (std::size_t begun = 0;;) {
        pollfd ready{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
        if (::poll(&ready, 1, held > 0 ? kQuietMs : -1) == 0) {
            let_go();
            continue;
        }
        const auto got = ::read(STDIN_FILENO, input + begun, sizeof input - 1 - begun);
        if (got <= 0) break;
        input[begun + static_cast<std::size_t>(got)] = '\0';
        char* line = input;
        for (char* end; (end = std::strchr(line, '\n')) != nullptr; line = end + 1) {
            *end = '\0';
            hold(line, bytes);
        }
        begun = std::strlen(line);
        std::memmove(input, line, begun + 1);
    }
    let_go();
}
