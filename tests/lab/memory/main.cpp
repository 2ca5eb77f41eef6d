#include <gtest/gtest.h>

#include <cstdlib>
#include <string_view>

#include "lab/run/trial.h"

/// This executable is also the client program of the trials it runs: `worker --control-fd N`, as
/// `crucible worker` is.
int main(int argc, char** argv) {
    if (argc == 4 && std::string_view(argv[1]) == "worker")
        return crucible::lab::worker_main(std::atoi(argv[3]));
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
