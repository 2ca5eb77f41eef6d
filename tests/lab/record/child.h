#pragma once

#include <sys/types.h>

#include <functional>

#include "base/file.h"
#include "crucible/time.h"

namespace crucible::lab {

/// What the child of a test does between two words with its parent. Only async-signal-safe things:
/// the test process may have threads when it forks.
class ChildSide {
public:
    ChildSide(int in, int out) : in_(in), out_(out) {}

    void tell(std::int64_t value) const;  ///< the parent's Child::hear() returns it
    void wait() const;                    ///< for the parent's Child::go()
    void burn_cpu(Duration cpu) const;    ///< until this process has used that much more
    Duration cpu_used() const;            ///< by getrusage: another way than the one under test

private:
    int in_;
    int out_;
};

/// A forked process that runs `work` and exits 0; killed and reaped at the end if it still runs.
class Child {
public:
    explicit Child(const std::function<void(const ChildSide&)>& work);
    ~Child();
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    pid_t pid() const { return pid_; }
    std::int64_t hear();
    void go();
    void wait_for_end_without_reaping() const;
    void reap();

private:
    pid_t pid_ = -1;
    base::UniqueFd to_child_;
    base::UniqueFd from_child_;
};

}  // namespace crucible::lab
