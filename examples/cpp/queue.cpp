// A system of your own under Crucible's load: ./queue compare mine: coordinator:
#include <crucible/measure.h>

#include <condition_variable>
#include <mutex>
#include <thread>

class Queue final : public crucible::Target {  // a queue and a thread that empties it
public:
    explicit Queue(crucible::CompletionHandler done) : done_(std::move(done)) {}
    crucible::Result<> send(const crucible::Event&, std::uint64_t token) override {
        const std::lock_guard lock(mutex_);
        queue_.push_back({token, crucible::Outcome::handled});
        changed_.notify_one();
        return {};
    }
    crucible::Result<> drain(crucible::Duration limit) override {
        std::unique_lock lock(mutex_);
        if (changed_.wait_for(lock, limit, [this] { return queue_.empty(); })) return {};
        return std::unexpected(crucible::Error{crucible::Errc::timeout, "the queue is not empty"});
    }

private:
    void work(std::stop_token stop) {
        std::unique_lock lock(mutex_);
        while (changed_.wait(lock, stop, [this] { return !queue_.empty(); })) {
            done_(std::exchange(queue_, {}), crucible::MonotonicClock::now());
            changed_.notify_all();
        }
    }
    crucible::CompletionHandler done_;
    std::mutex mutex_;
    std::condition_variable_any changed_;
    std::vector<crucible::Completion> queue_;
    std::jthread worker_{[this](std::stop_token stop) { work(stop); }};  // last: uses the above
};

int main(int argc, char** argv) {
    const auto open = [](const crucible::TargetOptions&, crucible::CompletionHandler done) {
        std::unique_ptr<crucible::Target> target = std::make_unique<Queue>(std::move(done));
        return crucible::Result<decltype(target)>(std::move(target));
    };
    return crucible::register_target("mine", open) ? crucible::measure(argc, argv) : 2;
}
