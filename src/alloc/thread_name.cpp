#include "alloc/thread_name.h"

#include <fmt/format.h>

#include <utility>

#include "base/file.h"

namespace crucible::alloc {

std::string thread_name(pid_t pid, pid_t tid) {
    auto name = base::read_file(fmt::format("/proc/{}/task/{}/comm", pid, tid)).value_or("");
    if (name.ends_with('\n')) name.pop_back();
    return name;
}

void name_threads(Snapshot& snapshot, pid_t pid) {
    for (auto& thread : snapshot.threads) {
        if (thread.tid == 0) continue;
        if (auto name = thread_name(pid, thread.tid); !name.empty()) thread.name = std::move(name);
    }
}

}  // namespace crucible::alloc
