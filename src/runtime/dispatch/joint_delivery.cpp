#include "runtime/dispatch/joint_delivery.h"

#include <utility>

namespace crucible::runtime {
namespace {

/// How bad an end is, among several of one event.
int severity(Outcome outcome) noexcept {
    switch (outcome) {
        case Outcome::handled:
            return 0;
        case Outcome::rejected:
            return 1;
        case Outcome::expired:
            return 2;
        case Outcome::failed:
            return 3;
    }
    return 3;
}

}  // namespace

void JointDelivery::note(const Failure& failed) {
    const std::lock_guard lock(mutex);
    if (!failure) failure = failed;
}

bool JointDelivery::join(HandleResult& copy) {
    const std::lock_guard lock(mutex);
    if (severity(copy.outcome) > severity(result.outcome)) {
        result.outcome = copy.outcome;
        result.reason = std::move(copy.reason);
    }
    if (result.response.empty()) result.response = std::move(copy.response);
    if (--left > 0) return false;
    copy = std::move(result);
    return true;
}

}  // namespace crucible::runtime
