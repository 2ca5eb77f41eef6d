// What `crucible profile` refuses.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "in_process.h"

namespace crucible::app {
namespace {

TEST(ProfileInput, IsRefusedInOneLine) {
    const auto refused = [](std::vector<std::string> words, const std::string& line) {
        const auto ended = crucible(words);
        EXPECT_EQ(ended.exit_code, kBadUsage);
        EXPECT_EQ(ended.err, "crucible: " + line + "\n");
    };
    refused({"profile", "null:", "--ladder", "1,x"},
            "--ladder '1,x': 'none', or whole numbers from 1 to 1000 with commas between them");
    refused({"profile", "daemon:?clients=3"},
            "daemon:?clients=3: clients: a profile changes the number of clients; give it with "
            "--clients and --ladder");
    refused({"profile", "null:", "--soak", ""},
            "--soak '': must not be empty; see crucible profile --help");
    for (const std::string sizes : {"512", "512,", "512,1000", "512,512", "0,512", "512,65536"}) {
        refused({"profile", "null:", "--in-flight", sizes},
                "--in-flight '" + sizes +
                    "': 'none', or two numbers of events from 1 to 32768 with a comma between "
                    "them, the second a multiple of the first, e.g. 512,2048");
    }
    refused({"profile", "null:", "--in-flight", "4,16", "--clients", "8"},
            "--in-flight '4,16': 8 clients need as many events at least");
    for (const std::string categories : {"mcp", "database,", "tables"}) {
        refused({"profile", "null:", "--mix", "database=1", "--categories", categories},
                "--categories '" + categories +
                    "': 'all', 'none', or categories of the mix database=1 with commas between "
                    "them");
    }
    refused({"profile", "null:", "--leaks", "5"},
            "--leaks '5': a whole number from 20 to 1000; fewer iterations say nothing");
    refused({"profile", "null:", "--stacks", "0B"},
            "--stacks '0B': 'all', 'none', or the mean distance of samples from 1B to 1TiB, e.g. "
            "512KiB");
    refused({"profile", "null:", "--soak", "5s"},
            "--soak '5s': a duration from 10s to 696h, e.g. 2h");
    refused({"profile", "null:", "--soak", "1h", "--leaks", "20"},
            "--leaks and --soak: one of them; a soak is as long as it says, --leaks has so many "
            "iterations");
    refused({"profile", "null:", "--soak", "1h", "--events", "100"},
            "--soak: says how long the load is; --events and --pattern do so too");
    refused({"profile", "null:", "--scenario", "light", "--scenario", "medium"},
            "--scenario: a profile has one scenario");
}

}  // namespace
}  // namespace crucible::app
