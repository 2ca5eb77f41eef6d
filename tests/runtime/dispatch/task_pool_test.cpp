#include "runtime/dispatch/task_pool.h"

#include <gtest/gtest.h>

namespace crucible::runtime {
namespace {

// A steady stream allocates nothing: the memory of a used event serves the next one.
TEST(TaskPool, GivesTheSameMemoryAgain) {
    TaskPool pool;
    TaskPtr task = pool.acquire();
    task->event.payload.assign(1000, 'x');
    const auto* const event = task.get();
    const auto* const payload = task->event.payload.data();

    pool.recycle({&task, 1});
    const TaskPtr again = pool.acquire();

    EXPECT_EQ(again.get(), event);
    EXPECT_EQ(again->event.payload.data(), payload);
}

// One 10 MiB event may not hold 10 MiB for the rest of the process's life.
TEST(TaskPool, LetsLargePayloadsGo) {
    TaskPool pool;
    TaskPtr task = pool.acquire();
    task->event.payload.assign(TaskPool::kPayloadBytesMax + 1, 'x');

    pool.recycle({&task, 1});

    EXPECT_EQ(task, nullptr);
    EXPECT_EQ(pool.size(), 0u);
}

// A burst of many events is given back but for the part worth keeping.
TEST(TaskPool, KeepsAtMostItsLimits) {
    TaskPool pool;
    std::vector<TaskPtr> tasks;
    for (std::size_t i = 0; i < TaskPool::kTasksMax + 10; ++i)
        tasks.push_back(std::make_unique<Task>());
    pool.recycle(tasks);
    EXPECT_EQ(pool.size(), TaskPool::kTasksMax);

    TaskPool by_bytes;
    tasks.clear();
    for (std::size_t i = 0; i < 400; ++i) {
        tasks.push_back(std::make_unique<Task>());
        tasks.back()->event.payload.reserve(32u << 10);
    }
    by_bytes.recycle(tasks);
    EXPECT_EQ(by_bytes.size(), TaskPool::kBytesMax / (32u << 10));
}

}  // namespace
}  // namespace crucible::runtime
