#pragma once

#include <cstddef>
#include <mutex>

#include "crucible/service.h"

namespace crucible::runtime {

/// One event on its way to several instances: it ends with the last of them, as the worst.
struct JointDelivery {
    std::mutex mutex;
    std::size_t left = 0;  ///< copies that have not ended
    HandleResult result;

    /// Takes the end of one copy in; true when it was the last, with the whole end in `result`.
    bool join(HandleResult& copy);
};

}  // namespace crucible::runtime
