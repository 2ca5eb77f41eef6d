#include <signal.h>

#include <algorithm>
#include <set>

#include "real_binary.h"

namespace crucible::app {
namespace {

const std::vector<std::string> kCommand{"compare",   "null:",    "synthetic:?service=20us",
                                        "--rate",    "2000/s",   "--duration",
                                        "100ms",     "--warmup", "20ms",
                                        "--clients", "1",        "--rounds",
                                        "8",         "--quiet"};

class Resume : public RealBinary {
protected:
    std::size_t rounds_kept() const {
        std::size_t count = 0;
        std::error_code status;
        for (const auto& entry : std::filesystem::directory_iterator(out() / "rounds", status)) {
            count += entry.path().extension() == ".json" ? 1 : 0;
        }
        return count;
    }

    /// Starts the comparison and kills it once so many rounds are there.
    void run_until_killed(std::size_t rounds) {
        auto process = start(kCommand);
        const auto deadline = base::monotonic_now() + 60s;
        base::SteadyClock clock;
        while (rounds_kept() < rounds && base::monotonic_now() < deadline) {
            clock.sleep_until(clock.now() + 5ms);
        }
        process.signal(SIGKILL);
        const auto status = process.wait(10s);
        ASSERT_TRUE(status);
        EXPECT_EQ(status->signal, SIGKILL);
    }

    /// `crucible compare --resume`, whose directory is its --out.
    int resume(std::vector<std::string> more = {"--quiet"}) {
        std::vector<std::string> words{CRUCIBLE, "compare", "--resume", out().string()};
        words.insert(words.end(), more.begin(), more.end());
        auto process = base::Process::start({.arguments = std::move(words),
                                             .inherit = {},
                                             .standard_output = out().parent_path() / "stdout",
                                             .standard_error = out().parent_path() / "stderr"});
        EXPECT_TRUE(process) << process.error().message;
        const auto status = process->wait(100s);
        return status ? status->exit_code : -1;
    }

    nlohmann::json result() const {
        return nlohmann::json::parse(base::read_file(out() / "result.json").value_or("null"));
    }
};

// Killed in mid-comparison, it goes on: all rounds are there, each once, and nothing is left of the
// journal when it is done.
TEST_F(Resume, AKilledComparisonGoesOnWhereItWas) {
    run_until_killed(3);
    const auto before = rounds_kept();
    ASSERT_GE(before, 3u);
    ASSERT_FALSE(std::filesystem::exists(out() / "result.json"));
    const int exit_code = resume();
    EXPECT_TRUE(exit_code == 0 || exit_code == 3) << errors();
    const auto found = result();
    ASSERT_TRUE(found.is_object());
    const auto& details = found["scenarios"][0]["round_details"];
    ASSERT_EQ(details.size(), 8u);
    std::set<int> numbers;
    for (const auto& round : details) {
        numbers.insert(round["round"].get<int>());
        EXPECT_EQ(round["order"].size(), 4u);
    }
    EXPECT_EQ(numbers.size(), 8u);
    EXPECT_EQ(*numbers.begin(), 1);
    EXPECT_EQ(*numbers.rbegin(), 8);
    EXPECT_EQ(found["command"][2], "null:");  // the command of the beginning
    EXPECT_FALSE(std::filesystem::exists(out() / "journal.json"));
    EXPECT_FALSE(std::filesystem::exists(out() / "rounds"));
    // It has ended; there is nothing to go on with.
    EXPECT_EQ(resume(), 2);
    EXPECT_NE(errors().find("no comparison to go on with"), std::string::npos) << errors();
}

// Rounds of another machine, seed or load are not this comparison's.
TEST_F(Resume, RefusesToMixWhatDiffers) {
    run_until_killed(1);
    auto journal = nlohmann::json::parse(base::read_file(out() / "journal.json").value_or("null"));
    const auto original = journal;
    journal["identity"]["machine"]["cpu"] = "Another CPU";
    ASSERT_TRUE(base::write_file(out() / "journal.json", journal.dump()));
    EXPECT_EQ(resume(), 2);
    EXPECT_NE(errors().find("rounds from then and now cannot be mixed: machine.cpu"),
              std::string::npos)
        << errors();
    journal = original;
    journal["identity"]["scenarios"][0]["load"]["clients"] = 7;
    ASSERT_TRUE(base::write_file(out() / "journal.json", journal.dump()));
    EXPECT_EQ(resume(), 2);
    EXPECT_NE(errors().find("scenarios.0.load.clients: 1, was 7"), std::string::npos) << errors();
    // A round that was damaged is named, not skipped.
    ASSERT_TRUE(base::write_file(out() / "journal.json", original.dump()));
    ASSERT_TRUE(base::write_file(out() / "rounds/scenario1-round0001.json", "{"));
    EXPECT_EQ(resume(), 2);
    EXPECT_NE(errors().find("scenario1-round0001.json: not a round"), std::string::npos)
        << errors();
    EXPECT_EQ(resume({"--rounds", "9"}), 2);
    EXPECT_NE(errors().find("--resume takes everything else from"), std::string::npos) << errors();
    EXPECT_EQ(resume({"--rounds=9"}), 2);
    EXPECT_NE(errors().find("--resume takes everything else from"), std::string::npos) << errors();
}

}  // namespace
}  // namespace crucible::app
