#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "app/crucible/command.h"
#include "real_binary.h"

namespace crucible::app {
namespace {

/// Where the runtime can be told to leak, and what a profile has to say of it.
struct PlantedPlace {
    const char* place;
    const char* owner;  ///< begins so
    const char* function;
};

/// How many runs of each leak of each place: the environment variable CRUCIBLE_PLANTED_LEAKS, which
/// has all of them run. Without it some are, once.
int asked_runs() {
    const char* const asked = std::getenv("CRUCIBLE_PLANTED_LEAKS");
    return asked == nullptr ? 0 : std::atoi(asked);
}

class PlantedLeaks : public RealBinary {
protected:
    void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
        GTEST_SKIP() << "a sanitizer has a malloc of its own, which has to come first";
#endif
    }
    void TearDown() override {
        ::unsetenv("CRUCIBLE_PLANTED_LEAK");
        RealBinary::TearDown();
    }

    nlohmann::json profiled(const std::string& leak, int seed) {
        ::setenv("CRUCIBLE_PLANTED_LEAK", leak.c_str(), 1);
        const int ended = run(
            {"profile",    "daemon:", "--scenario", "medium", "--clients",   "2",
             "--ladder",   "none",    "--stacks",   "none",   "--in-flight", "none",
             "--rounds",   "1",       "--leaks",    "20",     "--rate",      "2000",
             "--duration", "100ms",   "--warmup",   "0s",     "--seed",      std::to_string(seed),
             "--quiet"});
        auto found = result().at("targets").at(0).at("leak");
        EXPECT_EQ(ended, found.at("verdict") == "leak" ? kJudgedFailed : kDone) << errors();
        std::filesystem::remove_all(out());
        return found;
    }
};

/// Whether a leak was found there, by owner and call site.
bool names(const nlohmann::json& leak, const PlantedPlace& place) {
    for (const auto& site : leak.at("sites")) {
        const auto text = site.at("site").get<std::string>();
        if (site.at("verdict") == "leak" && text.starts_with(place.owner) &&
            text.find(place.function) != std::string::npos)
            return true;
    }
    return false;
}

TEST_F(PlantedLeaks, AreFoundWithOwnerAndCallSite) {
    const std::vector<PlantedPlace> places{
        {"database", "system: database-", ", DatabaseService::handle (database_service"},
        {"session", "system: session, ", "Server::accept_event (server.cpp"},
        {"filesystem", "system: filesystem-", ", FilesystemService::handle (filesystem_service"},
        {"mcp", "system: mcp-", ", McpService::handle (mcp_service"},
        {"external", "system: external-", ", ExternalService::handle (external_service"},
        {"component", "system: service-", ", ComponentService::handle (component_service"},
        {"system", "system: system-", ", SystemService::handle (system_service"}};
    const int runs = asked_runs();
    for (const auto& place : places) {
        for (const char* size : {"16B", "64B", "1KiB"}) {
            const std::string leak = std::string(place.place) + ":" + size;
            if (runs == 0 && leak != "database:16B" && leak != "session:64B") continue;
            int found = 0;
            for (int seed = 1; seed <= std::max(runs, 1); ++seed) {
                const auto judged = profiled(leak, seed);
                const bool is_named = names(judged, place);
                found += is_named ? 1 : 0;
                EXPECT_TRUE(is_named)
                    << leak << " seed " << seed << ": " << judged.dump(1).substr(0, 3000);
            }
            std::printf("%s: found in %d of %d runs\n", leak.c_str(), found, std::max(runs, 1));
        }
    }
}

}  // namespace
}  // namespace crucible::app
