#pragma once

#include <sys/types.h>

#include <vector>

namespace crucible::lab::scale {

/// Programs that compute all the time and that nobody here has started, as far as their parent
/// tells: ended with this.
class Neighbours {
public:
    explicit Neighbours(int count);
    ~Neighbours();
    Neighbours(const Neighbours&) = delete;
    Neighbours& operator=(const Neighbours&) = delete;

private:
    std::vector<pid_t> pids_;
};

}  // namespace crucible::lab::scale
