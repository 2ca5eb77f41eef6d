#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "base/realtime.h"
#include "crucible/allocation.h"
#include "lab/record/activity_monitor.h"
#include "lab/run/control.h"
#include "lab/run/phase_run.h"
#include "lab/run/trial.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

const AllocationOwner kHarnessOwner("harness", kApart);

constexpr Duration kWorkerProgressInterval = 200ms;

/// Exit codes: for people who look at the process; the suite hears of trouble by message.
constexpr int kEnded = 0;
constexpr int kFailed = 1;
constexpr int kSuiteGone = 2;

/// One client process. The main thread listens to the suite, samples and tells how far it is; a
/// thread of its own drives each phase, and those that it flows on into.
class Worker {
public:
    explicit Worker(Channel channel)
        : channel_(std::move(channel)), load_ended_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

    int run() {
        while (!exit_code_) {
            wait();
            const auto received = channel_.receive();
            while (const auto line = channel_.next_line()) {
                if (!exit_code_) obey(*line);
            }
            if (!received && !exit_code_) exit_code_ = kSuiteGone;
            watch_phases();
        }
        end_phases();
        return *exit_code_;
    }

private:
    /// Until the suite says something or the next sample is due.
    void wait() {
        std::array<pollfd, 2> readable{
            {{channel_.descriptor(), POLLIN, 0}, {load_ended_.get(), POLLIN, 0}}};
        timespec limit{};
        if (!runs_.empty()) {
            TimePoint next = next_progress_;
            for (const auto& run : runs_) next = std::min(next, run.next_sample().value_or(next));
            const Duration left = std::max(next - base::monotonic_now(), Duration::zero());
            limit = {.tv_sec = left / 1s, .tv_nsec = (left % 1s) / 1ns};
        }
        ::ppoll(readable.data(), readable.size(), runs_.empty() ? nullptr : &limit, nullptr);
        std::uint64_t count = 0;
        if (readable[1].revents != 0) [[maybe_unused]]
            const auto taken = ::read(load_ended_.get(), &count, sizeof count);
    }

    void say(const News& news) {
        if (!channel_.send(encode(news))) exit_code_ = kSuiteGone;
    }

    void give_up(Error error) {
        say(news::Failed{std::move(error)});
        exit_code_ = kFailed;
    }

    void obey(std::string_view line) {
        const auto order = decode_order(line);
        if (!order) return give_up(order.error());
        if (const auto* prepare = std::get_if<order::Prepare>(&*order))
            return this->prepare(*prepare);
        if (std::holds_alternative<order::End>(*order)) {
            exit_code_ = kEnded;
        } else if (!target_) {
            give_up({Errc::corrupt, "an order before the plan"});
        } else if (const auto* start = std::get_if<order::Start>(&*order)) {
            begin_phases(*start);
        } else if (std::holds_alternative<order::Stop>(*order)) {
            for (auto& run : runs_) run.stop();
        } else if (const auto* asked = std::get_if<order::Report>(&*order)) {
            report(asked->phase);
        }
    }

    void prepare(const order::Prepare& prepare) {
        client_ = prepare.client;
        plan_ = prepare.plan;
        judge_faults_ = !prepare.endpoint.starts_with("null:");
        if (const auto pinned = base::pin_thread(plan_.cpus); !pinned)
            return give_up(pinned.error());
        workload_.emplace(plan_.workload);
        if (const auto permitted = measure_margin(); !permitted) return give_up(permitted.error());
        // What the target keeps is not the harness's; inside, its parts have owners of their own.
        static const AllocationOwner kTargetOwner("target");
        const AllocationScope target_scope(kTargetOwner);
        auto target = open_target(prepare.endpoint, client_,
                                  [this](std::span<const Completion> batch, TimePoint at) {
                                      const AllocationScope scope(kHarnessOwner);
                                      const std::lock_guard lock(completions_);
                                      hand_out(batch, at);
                                  });
        if (!target) return give_up(target.error());
        target_ = *std::move(target);
        say(news::Ready{target_->processes()});
    }

    /// On a thread that ends with it: the timer slack it needs would pass on to every thread made
    /// from this one, those of an embedded system among them.
    Result<> measure_margin() {
        Result<> permitted;
        std::jthread([this, &permitted] {
            const AllocationScope scope(kHarnessOwner);
            base::set_precise_timers();
            if (plan_.realtime) permitted = base::set_realtime_priority();
            if (plan_.pacing == Pacing::precise) margin_ = wake_margin(clock_);
        }).join();
        return permitted;
    }

    /// To the phases that the events are of, under the lock.
    void hand_out(std::span<const Completion> batch, TimePoint at) {
        if (!receiving_) return;
        if (runs_.size() == 1) return runs_.front().completed(batch, at);
        while (!batch.empty()) {
            const auto phase = PhaseRun::phase_of(batch.front().token);
            const auto other = std::ranges::find_if(batch, [phase](const Completion& completion) {
                return PhaseRun::phase_of(completion.token) != phase;
            });
            const auto part = batch.first(static_cast<std::size_t>(other - batch.begin()));
            if (phase >= first_ && phase - first_ < runs_.size())
                runs_[phase - first_].completed(part, at);
            batch = batch.subspan(part.size());
        }
    }

    /// The phase that starts, and those that follow it without a rest.
    void begin_phases(const order::Start& start) {
        if (!runs_.empty() || start.phase >= plan_.phases.size())
            return give_up({Errc::corrupt, "a phase is started out of turn"});
        first_ = start.phase;
        pacer_.emplace(clock_, plan_.pacing, margin_, plan_.clients);
        TimePoint at = start.at;
        const PhaseRun* before = nullptr;
        for (std::uint32_t number = first_;; ++number) {
            const PhaseShare share{.phase = number,
                                   .client = client_,
                                   .clients = plan_.clients,
                                   .seed = plan_.workload.seed,
                                   .events_before = events_sent_,
                                   .drain_limit = plan_.drain_limit,
                                   .judge_faults = judge_faults_};
            const Phase& phase = plan_.phases[number];
            before = &runs_.emplace_back(phase, share, at, *workload_, clock_, *pacer_, before);
            if (!phase.flows_on || number + 1 == plan_.phases.size()) break;
            at = before->load_end();
        }
        {
            const std::lock_guard lock(completions_);
            receiving_ = true;
        }
        ended_ = told_ended_ = reported_ = 0;
        next_progress_ = base::monotonic_now() + kWorkerProgressInterval;
        load_ = std::jthread([this] {
            ::pthread_setname_np(::pthread_self(), kLoadThread);
            const AllocationScope scope(kHarnessOwner);
            base::set_precise_timers();
            // In closed loop it may never wait: nothing else would run any more.
            if (plan_.realtime && plan_.phases[first_].open_loop()) [[maybe_unused]]
                const auto permitted = base::set_realtime_priority();
            drive();
        });
    }

    /// One after the other, on the load's thread.
    void drive() {
        for (std::size_t i = 0; i < runs_.size(); ++i) {
            runs_[i].run(*target_);
            if (runs_[i].target_gone())
                for (std::size_t later = i + 1; later < runs_.size(); ++later) runs_[later].stop();
            ended_.store(i + 1);
            const std::uint64_t one = 1;
            [[maybe_unused]] const auto written = ::write(load_ended_.get(), &one, sizeof one);
        }
    }

    void watch_phases() {
        if (runs_.empty() || exit_code_) return;
        const TimePoint now = base::monotonic_now();
        for (auto& run : runs_) run.sample_backlog(now);
        const std::size_t ended = ended_.load();
        if (told_ended_ == ended && now >= next_progress_) {
            next_progress_ = now + kWorkerProgressInterval;
            tell_progress(std::min(ended, runs_.size() - 1));
        }
        for (; told_ended_ < ended; ++told_ended_) {
            tell_progress(told_ended_);
            say(news::Drained{number_of(told_ended_)});
        }
    }

    void tell_progress(std::size_t run) {
        say(news::Progress{number_of(run), runs_[run].sent(), runs_[run].handled()});
    }

    /// Of all that were begun together; each is asked for in turn.
    void report(std::uint32_t phase) {
        if (runs_.empty() || ended_.load() < runs_.size())
            return give_up({Errc::corrupt, "a report is asked for before the phase has ended"});
        if (phase != number_of(reported_))
            return give_up({Errc::corrupt, "a report is asked for out of turn"});
        end_phases();
        auto& run = runs_[reported_];
        events_sent_ += run.sent();
        say(news::PhaseReport{phase, run.finish()});
        if (++reported_ == runs_.size()) runs_.clear();
    }

    /// Ends the load, when it still runs, and takes no more completions.
    void end_phases() {
        for (auto& run : runs_) run.stop();
        if (load_.joinable()) load_.join();
        const std::lock_guard lock(completions_);
        receiving_ = false;
    }

    std::uint32_t number_of(std::size_t run) const noexcept {
        return first_ + static_cast<std::uint32_t>(run);
    }

    Channel channel_;
    base::UniqueFd load_ended_;  ///< wakes the main thread
    base::SteadyClock clock_;
    std::uint32_t client_ = 0;
    Plan plan_;
    bool judge_faults_ = true;
    Duration margin_{};
    std::optional<Workload> workload_;
    std::optional<Pacer> pacer_;
    std::optional<int> exit_code_;

    std::uint64_t events_sent_ = 0;  ///< in the phases before
    std::uint32_t first_ = 0;        ///< the number of the first run
    std::deque<PhaseRun> runs_;      ///< that one, and what it flows on into
    TimePoint next_progress_;
    std::atomic<std::size_t> ended_ = 0;  ///< runs
    std::size_t told_ended_ = 0;
    std::size_t reported_ = 0;

    std::mutex completions_;
    bool receiving_ = false;
    std::unique_ptr<Target> target_;  // its threads use the above
    std::jthread load_;               // uses everything
};

}  // namespace

int worker_main(int control_fd) {
    const AllocationScope scope(kHarnessOwner);
    return Worker(Channel(base::UniqueFd(control_fd))).run();
}

}  // namespace crucible::lab
