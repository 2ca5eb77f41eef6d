// echo [COUNT]: a program behind `exec:` that acknowledges each event, and ends at the end of its
// input or after COUNT of them.
#include <cstdio>
#include <cstdlib>
#include <cstring>

int main(int count, char** arguments) {
    long left = count > 1 ? std::strtol(arguments[1], nullptr, 10) : -1;
    static char line[1 << 20];
    while (left-- != 0 && std::fgets(line, sizeof line, stdin) != nullptr) {
        const char* const token = std::strstr(line, "\"token\":");
        if (token == nullptr) return 1;
        std::printf("{\"token\":%llu}\n", std::strtoull(token + 8, nullptr, 10));
        std::fflush(stdout);
    }
}
