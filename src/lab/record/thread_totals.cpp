#include "lab/record/thread_totals.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "lab/record/proc_text.h"

namespace crucible::lab {
namespace {

void add(ThreadTotals::Counts& to, const ThreadTotals::Counts& counts) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] += counts[i];
}

}  // namespace

/// Whether the thread was there and its file says what it should.
bool ThreadTotals::read_thread(int task, pid_t thread) {
    const auto content = read_at(task, fmt::format("{}/{}", thread, file_).c_str());
    if (!content) {
        failure_ = content.error();
        return false;
    }
    const auto now = parse_(*content);
    if (!now) {
        failure_ = EINVAL;
        return false;
    }
    Thread& last = alive_[thread];
    // Counters do not go back: this is another thread under the number of one that ended.
    if ((*now)[0] < last.counts[0] || (*now)[1] < last.counts[1]) add(ended_, last.counts);
    last = {*now, round_};
    return true;
}

/// Asks for each that the list of threads did not name: the kernel's list may leave out a thread
/// while others end, and counting such a one as ended would count it twice.
void ThreadTotals::forget_ended(int task) {
    for (auto at = alive_.begin(); at != alive_.end();) {
        if (at->second.round == round_ || read_thread(task, at->first)) {
            ++at;
            continue;
        }
        add(ended_, at->second.counts);
        at = alive_.erase(at);
    }
}

std::expected<ThreadTotals::Counts, int> ThreadTotals::update(int process_directory) {
    const int task = ::openat(process_directory, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (task < 0) return std::unexpected(errno);
    const auto close = [](DIR* directory) { ::closedir(directory); };
    const std::unique_ptr<DIR, decltype(close)> directory(::fdopendir(task), close);
    ++round_;
    failure_ = ENOENT;
    bool any = false;
    while (const dirent* entry = ::readdir(directory.get())) {
        if (const auto thread = leading_number(entry->d_name))
            any |= read_thread(task, static_cast<pid_t>(*thread));
    }
    // None could be read: the process is going, or the file is not for us. Nothing has ended yet.
    if (!any) return std::unexpected(failure_);
    forget_ended(task);
    Counts total = ended_;
    for (const auto& [number, thread] : alive_) add(total, thread.counts);
    return total;
}

}  // namespace crucible::lab
