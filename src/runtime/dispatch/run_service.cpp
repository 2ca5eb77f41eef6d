#include "runtime/dispatch/run_service.h"

#include <exception>
#include <string>
#include <string_view>

#include "base/planted_fault.h"

namespace crucible::runtime {
namespace {

void fail_all(std::span<HandleResult> results, std::string_view service, std::string_view what) {
    for (auto& result : results) {
        result.outcome = Outcome::failed;
        result.not_now = false;
        result.for_good = false;
        result.response.clear();
        result.reason.assign(service).append(": ").append(what);
    }
}

}  // namespace

void run_service(Service& service, std::span<const Event* const> events,
                 std::span<HandleResult> results) noexcept {
    CRUCIBLE_FAULT_POINT("service", events.size());
    try {
        service.handle(events, results);
        return;
    } catch (const std::exception& error) {
        fail_all(results, service.name(), error.what());
    } catch (...) {
        fail_all(results, service.name(), "unknown exception");
    }
}

CheckResult check_service(Service& service) noexcept {
    try {
        return service.check();
    } catch (...) {
        return CheckResult::failed;
    }
}

}  // namespace crucible::runtime
