#include "basic_performance/stage.h"

#include <fmt/format.h>

#include "base/clock.h"
#include "runtime/coordinator/data_coordinator.h"
#include "runtime/coordinator/simple_request_router.h"

namespace crucible::bench {
namespace {

constexpr std::uint32_t kServices = 12;
constexpr Duration kDrainLimit = std::chrono::minutes(1);

Result<std::unique_ptr<Coordinator>> make_coordinator(const StageOptions& options,
                                                      const base::TempDir& directory,
                                                      AcknowledgementHandler on_acknowledged) {
    const runtime::ServiceOptions services{.data_directory = directory.path(),
                                           .process_name = "bench",
                                           .services = kServices,
                                           .work = options.work};
    if (options.kind == Kind::router)
        return runtime::make_simple_request_router(services, std::move(on_acknowledged));
    return runtime::make_data_coordinator({.services = services, .workers = options.workers},
                                          std::move(on_acknowledged));
}

}  // namespace

std::string_view to_string(Kind kind) noexcept {
    return kind == Kind::router ? "router" : "coordinator";
}
std::string_view to_string(runtime::Work work) noexcept {
    return work == runtime::Work::none ? "none" : "real";
}

Result<std::unique_ptr<Stage>> Stage::open(const StageOptions& options) {
    auto directory = base::TempDir::make("bench");
    if (!directory) return std::unexpected(directory.error());
    lab::Workload workload({.payload = lab::PayloadSizes::fixed(options.payload_bytes)});
    std::unique_ptr<Stage> stage(new Stage(std::move(*directory), std::move(workload)));
    auto coordinator =
        make_coordinator(options, stage->directory_,
                         [stage = stage.get()](std::span<const Acknowledgement> acknowledgements) {
                             stage->count(acknowledgements);
                         });
    if (!coordinator) return std::unexpected(coordinator.error());
    stage->coordinator_ = std::move(*coordinator);
    return stage;
}

Stage::~Stage() = default;

void Stage::count(std::span<const Acknowledgement> acknowledgements) noexcept {
    std::uint64_t handled = 0;
    for (const auto& one : acknowledgements) handled += one.outcome == Outcome::handled ? 1 : 0;
    handled_.fetch_add(handled, std::memory_order_relaxed);
    if (handled != acknowledgements.size())
        not_handled_.fetch_add(acknowledgements.size() - handled, std::memory_order_relaxed);
}

std::span<const Event> Stage::next_events(std::size_t count) {
    if (events_.size() < count) events_.resize(count);
    const auto events = std::span(events_).first(count);
    for (auto& event : events) {
        workload_.fill(next_index_++, 0, 1, event);
        event.created = base::wall_now();
    }
    return events;
}

Result<> Stage::publish(std::span<const Event> events) {
    for (const auto& event : events) {
        if (auto accepted = coordinator_->publish(event, published_); !accepted) return accepted;
        ++published_;
    }
    return {};
}

Result<> Stage::finish() {
    if (auto drained = coordinator_->drain(kDrainLimit); !drained) return drained;
    const auto handled = handled_.load(std::memory_order_relaxed);
    const auto others = not_handled_.load(std::memory_order_relaxed);
    if (handled == published_ && others == 0) return {};
    return std::unexpected(
        Error{Errc::failed, fmt::format("of {} events {} were handled and {} refused or failed",
                                        published_, handled, others)});
}

}  // namespace crucible::bench
