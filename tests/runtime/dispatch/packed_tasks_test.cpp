#include "runtime/dispatch/packed_tasks.h"

#include <gtest/gtest.h>

#include <deque>
#include <limits>
#include <string>

#include "base/rng.h"
#include "runtime/dispatch/joint_delivery.h"

namespace crucible::runtime {
namespace {

class RandomTasks {
public:
    explicit RandomTasks(std::uint64_t seed) : random_(seed) {}

    Task next() {
        Task task;
        Event& event = task.event;
        for (auto& byte : event.id.bytes) byte = static_cast<std::uint8_t>(random_.next());
        event.category = static_cast<Category>(below(kCategoryCount));
        event.priority = static_cast<Priority>(below(kPriorityCount));
        event.type = text(40);
        event.source = text(300);
        event.payload = text(below(8) == 0 ? 20'000 : 600);
        if (flip()) event.content_type = text(kContentTypeBytesMax);
        for (std::size_t i = flip() ? below(5) : 0; i > 0; --i) event.targets.push_back(text(30));
        event.created = time();
        if (flip()) event.correlation_id = event.id;
        if (flip()) event.causation_id = Uuid{};
        if (flip()) event.attempt = static_cast<std::uint32_t>(number());
        if (flip()) event.deadline = time();
        if (flip()) event.not_before = time();
        task.owner = number();
        task.token = number();
        task.bytes = number();
        task.instance = number();
        if (flip()) task.attempts = static_cast<std::uint32_t>(number());
        if (flip()) task.first_failed = time();
        task.permit.period = number();
        task.scheduled = flip();
        task.being_retried = flip();
        if (below(8) == 0) task.joint = std::make_shared<JointDelivery>();
        return task;
    }
    bool flip() { return below(2) == 0; }

private:
    std::size_t below(std::size_t count) {
        return static_cast<std::size_t>(random_.next() % count);
    }
    /// Of every length, the longest included.
    std::uint64_t number() {
        return below(8) == 0 ? std::numeric_limits<std::uint64_t>::max()
                             : random_.next() >> below(64);
    }
    WallTime time() { return WallTime(Duration(static_cast<std::int64_t>(random_.next()))); }
    std::string text(std::size_t most) {
        std::string text(below(most + 1), '\0');
        for (auto& byte : text) byte = static_cast<char>(random_.next());
        return text;
    }

    base::Rng random_;
};

void expect_same(const Task& task, const Task& other) {
    EXPECT_EQ(task.event, other.event);
    EXPECT_EQ(task.owner, other.owner);
    EXPECT_EQ(task.token, other.token);
    EXPECT_EQ(task.bytes, other.bytes);
    EXPECT_EQ(task.instance, other.instance);
    EXPECT_EQ(task.attempts, other.attempts);
    EXPECT_EQ(task.first_failed, other.first_failed);
    EXPECT_EQ(task.permit.period, other.permit.period);
    EXPECT_EQ(task.scheduled, other.scheduled);
    EXPECT_EQ(task.being_retried, other.being_retried);
    EXPECT_EQ(task.joint, other.joint);
}

// Whatever a task says comes back as it was and in its order, across chunks, large ones and parts
// of joint deliveries between the others.
TEST(PackedTasks, GivesBackWhatWasPutIn) {
    RandomTasks random(7);
    PackedTasks packed;
    std::deque<Task> expected;
    for (int i = 0; i < 5'000; ++i) {
        expected.push_back(random.next());
        packed.push_back(std::make_unique<Task>(expected.back()));
        if (!random.flip()) continue;
        const TaskPtr task = packed.pop_front();
        ASSERT_NE(task, nullptr);
        expect_same(*task, expected.front());
        expected.pop_front();
        ASSERT_FALSE(HasFailure()) << i;
    }
    while (!expected.empty()) {
        const TaskPtr task = packed.pop_front();
        ASSERT_NE(task, nullptr);
        expect_same(*task, expected.front());
        expected.pop_front();
        ASSERT_FALSE(HasFailure());
    }
    EXPECT_EQ(packed.pop_front(), nullptr);
    EXPECT_TRUE(packed.empty());
}

// An event without anything is one too.
TEST(PackedTasks, PacksAnEmptyEvent) {
    Task empty;
    empty.event.content_type.clear();
    PackedTasks packed;
    packed.push_back(std::make_unique<Task>(empty));

    expect_same(*packed.pop_front(), empty);
    EXPECT_TRUE(packed.empty());
}

// What it is for: 512 bytes take little more, and nothing once they are gone.
TEST(PackedTasks, TakesLittleMoreThanThePayload) {
    constexpr std::size_t count = 10'000;
    PackedTasks packed;
    for (std::size_t i = 0; i < count; ++i) {
        auto task = std::make_unique<Task>();
        task->event.type = "record.created";
        task->event.source = "publisher-1";
        task->event.payload.assign(512, 'x');
        task->owner = 34;
        task->token = i;
        task->bytes = 800;
        packed.push_back(std::move(task));
    }
    EXPECT_LT(packed.chunk_bytes(), count * 600);
    for (std::size_t i = 0; i < count; ++i) ASSERT_NE(packed.pop_front(), nullptr);
    EXPECT_EQ(packed.chunk_bytes(), 0u);
}

// When a process stops with a queue, what was not packed goes with the rest; AddressSanitizer sees
// to that.
TEST(PackedTasks, OwnsWhatItKeepsWhole) {
    const auto joint = std::make_shared<JointDelivery>();
    {
        PackedTasks packed;
        for (int i = 0; i < 3; ++i) {
            auto task = std::make_unique<Task>();
            task->joint = joint;
            packed.push_back(std::move(task));
        }
        EXPECT_EQ(joint.use_count(), 4);
    }
    EXPECT_EQ(joint.use_count(), 1);
}

}  // namespace
}  // namespace crucible::runtime
