#include "lab/target/faulty_target.h"

#include <fmt/format.h>
#include <pthread.h>

#include <array>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace crucible::lab {
namespace {

class FaultyTarget final : public Target {
public:
    FaultyTarget(const FaultyOptions& options, CompletionHandler handler)
        : options_(options), handler_(std::move(handler)) {
        for (std::uint64_t number = 0; number < options_.workers; ++number)
            workers_.emplace_back([this, number] { work(number); });
    }

    ~FaultyTarget() override {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        arrived_.notify_all();
    }

    Result<> send(const Event&, std::uint64_t token) override {
        {
            const std::lock_guard lock(mutex_);
            if (options_.queue_max > 0 && waiting_.size() >= options_.queue_max)
                return std::unexpected(Error{Errc::overloaded, {}});
            waiting_.push_back(token);
            ++under_way_;
        }
        arrived_.notify_one();
        return {};
    }

    Result<> drain(Duration limit) override {
        std::unique_lock lock(mutex_);
        const bool done = ended_.wait_for(lock, limit, [this] { return under_way_ == 0; });
        if (done) return {};
        return std::unexpected(
            Error{Errc::timeout, fmt::format("synthetic: {} events did not end", under_way_)});
    }

private:
    void work(std::uint64_t number) {
        ::pthread_setname_np(::pthread_self(), fmt::format("worker-{}", number).c_str());
        base::PlantedFault fault(options_.fault);
        std::unique_lock lock(mutex_);
        for (;;) {
            arrived_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
            if (stopping_) return;
            const std::array<Completion, 1> completion{{{waiting_.front(), Outcome::handled}}};
            waiting_.pop_front();
            lock.unlock();
            fault.strike();
            {
                const std::lock_guard told(telling_);
                handler_(completion, base::monotonic_now());
            }
            lock.lock();
            if (--under_way_ == 0) ended_.notify_all();
        }
    }

    const FaultyOptions options_;
    CompletionHandler handler_;
    std::mutex telling_;  ///< completions come one at a time
    std::mutex mutex_;    ///< of what follows
    std::condition_variable arrived_;
    std::condition_variable ended_;
    std::deque<std::uint64_t> waiting_;
    std::uint64_t under_way_ = 0;
    bool stopping_ = false;
    std::vector<std::jthread> workers_;  // last: they use the above
};

}  // namespace

std::unique_ptr<Target> open_faulty(const FaultyOptions& options, CompletionHandler on_completion) {
    return std::make_unique<FaultyTarget>(options, std::move(on_completion));
}

}  // namespace crucible::lab
