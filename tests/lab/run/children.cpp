#include "children.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

namespace crucible::lab {

std::vector<pid_t> children() {
    std::vector<pid_t> result;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        std::ifstream file(entry.path() / "status");
        const std::string name = entry.path().filename();
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        for (std::string line; std::getline(file, line);) {
            if (line == "PPid:\t" + std::to_string(::getpid())) result.push_back(std::stoi(name));
        }
    }
    std::ranges::sort(result);
    return result;
}

pid_t child_called(const char* name) {
    for (const pid_t pid : children()) {
        std::ifstream file("/proc/" + std::to_string(pid) + "/comm");
        std::string comm;
        if (std::getline(file, comm) && comm == name) return pid;
    }
    return 0;
}

}  // namespace crucible::lab
