#include "lab/target/registered.h"

#include <gtest/gtest.h>

#include "lab/target/target_client.h"

namespace crucible::lab {
namespace {

/// Completes at once, or refuses everything.
class Mine final : public Target {
public:
    Mine(bool refuse, CompletionHandler handler) : refuse_(refuse), handler_(std::move(handler)) {}
    Result<> send(const Event&, std::uint64_t token) override {
        if (refuse_) return std::unexpected(Error{Errc::overloaded, "no"});
        const Completion completion{token, Outcome::handled};
        handler_({&completion, 1}, MonotonicClock::now());
        return {};
    }
    Result<> drain(Duration) override { return {}; }

private:
    bool refuse_;
    CompletionHandler handler_;
};

Result<std::unique_ptr<Target>> open_mine(const TargetOptions& options, CompletionHandler handler) {
    if (options.path == "closed") return std::unexpected(Error{Errc::closed, "it is closed"});
    const bool refuse = !options.options.empty() &&
                        options.options[0] == std::pair<std::string, std::string>("refuse", "all");
    return std::make_unique<Mine>(refuse, std::move(handler));
}

// A target of the user's own is opened like any other, with what stands in its URL.
TEST(RegisteredTarget, IsOpenedByItsScheme) {
    ASSERT_TRUE(register_target("mine", open_mine));
    const auto url = parse_target("mine:some/path?refuse=all");
    ASSERT_TRUE(url) << url.error().message;
    const auto system = start_system(*url, {});
    ASSERT_TRUE(system);
    EXPECT_TRUE((*system)->includes_clients());
    TargetClient refusing((*system)->endpoint());
    ASSERT_TRUE(refusing.target) << refusing.error.message;
    EXPECT_EQ(refusing.send(3).error().code, Errc::overloaded);
    TargetClient client("mine:");
    ASSERT_TRUE(client.send(3));
    EXPECT_TRUE(client.each_answered_once());
    EXPECT_EQ(TargetClient("mine:closed").error.message, "it is closed");
}

TEST(RegisteredTarget, NamesAreCheckedAndSuggested) {
    EXPECT_EQ(register_target("Mine", open_mine).error().message,
              "target 'Mine': must be lower-case letters, digits and dashes");
    EXPECT_EQ(register_target("", open_mine).error().code, Errc::invalid_argument);
    EXPECT_EQ(register_target("daemon", open_mine).error().message,
              "target 'daemon': is there already");
    ASSERT_TRUE(register_target("yours", open_mine));
    EXPECT_EQ(register_target("yours", open_mine).error().code, Errc::already_exists);
    EXPECT_EQ(parse_target("your:").error().message,
              "your:: unknown target 'your'; did you mean 'yours'?");
    EXPECT_EQ(parse_target("yours").error().message, "target 'yours': did you mean 'yours:'?");
}

}  // namespace
}  // namespace crucible::lab
