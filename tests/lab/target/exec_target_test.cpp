#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <string>

#include "base/clock.h"
#include "base/file.h"
#include "lab/target/target_client.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

/// A client of a program written in Python.
struct ProgramClient : TargetClient {
    explicit ProgramClient(const std::string& program) {
        event.payload = R"({"text":"a\nb"})";
        const auto file = directory.path() / "program.py";
        EXPECT_TRUE(base::write_file(file, program));
        open("exec:python3 " + file.string());
        EXPECT_TRUE(target) << error.message;
    }
    base::TempDir directory = *base::TempDir::make("exec-test");
};

// The documented protocol, out of order, with every outcome.
TEST(ExecTarget, EveryEventIsAcknowledged) {
    ProgramClient client(R"(
import json, sys
held = []
for line in sys.stdin:
    message = json.loads(line)
    assert message["event"]["type"] == "record.created"
    assert message["event"]["data"] == {"text": "a\nb"}
    held.append(message["token"])
    if len(held) == 4:
        for token, more in zip(reversed(held), [{}, {"outcome": "handled"}, {"outcome": "failed"},
                                                {"outcome": "rejected", "why": "no"}]):
            print(json.dumps({"token": token, **more}), flush=True)
        held = []
)");
    ASSERT_TRUE(client.send(200));
    const auto drained = client.target->drain(60s);
    ASSERT_TRUE(drained) << drained.error().message;
    EXPECT_EQ(client.outcomes[Outcome::handled], 100);
    EXPECT_EQ(client.outcomes[Outcome::failed], 50);
    EXPECT_EQ(client.outcomes[Outcome::rejected], 50);
    EXPECT_EQ(client.answers.size(), 200u);
    EXPECT_EQ(client.target->remarks(), "");
    ASSERT_EQ(client.target->processes().size(), 1u);
}

// More than the pipes hold, both ways: neither waits for the other for good.
TEST(ExecTarget, FullPipesDoNotBlock) {
    ProgramClient client(R"(
import itertools, json, sys
first = sys.stdin.readlines(3_000_000)
for line in itertools.chain(first, sys.stdin):
    print(json.dumps({"token": json.loads(line)["token"], "padding": "x" * 300}), flush=True)
)");
    ASSERT_TRUE(client.send(20'000));
    const auto drained = client.target->drain(50s);
    ASSERT_TRUE(drained) << drained.error().message;
    EXPECT_EQ(client.answers.size(), 20'000u);
}

TEST(ExecTarget, AProgramThatEndsIsQuoted) {
    ProgramClient client(R"(
import sys
sys.stdin.readline()
print("cannot open the database", file=sys.stderr)
sys.exit(3)
)");
    ASSERT_TRUE(client.send(1));
    const auto drained = client.target->drain(60s);
    ASSERT_FALSE(drained);
    EXPECT_EQ(drained.error().code, Errc::closed);
    EXPECT_EQ(drained.error().message, "the program exited with code 3: cannot open the database");
    const auto sent = client.send(1);
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error().code, Errc::closed);
}

TEST(ExecTarget, RubbishIsQuotedAndCounted) {
    ProgramClient client(R"(
import sys
for line in sys.stdin:
    print("hello", flush=True)
    print('{"token": 1, "outcome": "lost"}', flush=True)
)");
    ASSERT_TRUE(client.send(2));
    const TimePoint limit = base::monotonic_now() + 60s;
    const std::string expected = "no acknowledgement: 'hello' (2x); unknown outcome 'lost' (2x)";
    while (client.target->remarks() != expected && base::monotonic_now() < limit)
        client.target->serve(base::monotonic_now() + 10ms);
    EXPECT_EQ(client.target->remarks(), expected);
    EXPECT_TRUE(client.answers.empty());
}

}  // namespace
}  // namespace crucible::lab
