// A process of one's own as a service, with the client library: in this process, and in real ones
// that are killed.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "base/process.h"
#include "crucible/daemon_service.h"
#include "external_fixture.h"

namespace crucible::runtime {
namespace {

using testing::Acknowledgements;
using testing::ExternalTest;
using testing::GatedService;
using testing::kGenerousLimit;
using testing::make_event;

class DaemonServiceTest : public ExternalTest {
protected:
    Result<std::unique_ptr<DaemonService>> serve(Service& service, std::uint32_t credits = 256,
                                                 Duration reconnect_for = Duration::zero()) {
        return DaemonService::start(
            {.daemon = {.socket = socket_, .reconnect_for = reconnect_for}, .credits = credits},
            service);
    }
};

// The common case, whole: registered by its name and category, it handles and answers, in order.
TEST_F(DaemonServiceTest, ServesUntilItIsStopped) {
    start();
    GatedService service("billing");
    auto served = serve(service);
    ASSERT_TRUE(served) << served.error().message;
    publish(100);
    const auto response = client_->request(make_event("how much?"), kGenerousLimit);
    ASSERT_TRUE(response);
    EXPECT_EQ(response->payload, "echo how much?");
    ASSERT_TRUE(client_->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), 100u);
    const auto had = service.payloads();
    ASSERT_EQ(had.size(), 101u);
    int next = 0;
    for (const auto& payload : had) {
        if (payload == "how much?") continue;
        EXPECT_EQ(payload, std::to_string(next++));
    }
    for (const auto& batch : service.batches()) EXPECT_LE(batch.size(), DaemonService::kBatchMax);

    (*served)->request_stop();
    EXPECT_TRUE((*served)->wait());
    const auto stats = (*served)->stats();
    EXPECT_EQ(stats.events, 101u);
    EXPECT_EQ(stats.handled, 101u);
    EXPECT_EQ(stats.redelivered, 0u);
    EXPECT_EQ(stats.connections, 1u);
}

// What it has when it is told to stop it still handles; the rest is for others.
TEST_F(DaemonServiceTest, HandlesWhatItHasBeforeItStops) {
    start();
    GatedService service("billing");
    service.close_gate();
    auto served = serve(service, 2);
    ASSERT_TRUE(served);
    publish(5);
    ASSERT_TRUE(service.wait_for_batches(1));
    await_queued("billing", 5);
    (*served)->request_stop();
    service.open_gate();
    ASSERT_TRUE((*served)->wait());
    const auto handled = service.payloads().size();
    EXPECT_GE(handled, 2u);

    GatedService other("other");
    auto others = serve(other);
    ASSERT_TRUE(others);
    ASSERT_TRUE(client_->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), 5u);
    EXPECT_EQ(other.payloads().size(), 5 - handled);
    EXPECT_EQ((*others)->stats().redelivered, 0u);
}

TEST_F(DaemonServiceTest, FailsWhatItsServiceThrowsAt) {
    options_.coordinator.retry.attempts_max = 1;
    start();
    GatedService service("billing");
    auto served = serve(service, 1);
    ASSERT_TRUE(served);
    const auto response = client_->request(make_event("throw"), kGenerousLimit);
    ASSERT_TRUE(response);
    EXPECT_EQ(response->outcome, Outcome::failed);
    EXPECT_EQ(response->reason, "billing: it broke");
}

TEST_F(DaemonServiceTest, SaysWhyItCannotServe) {
    GatedService service("billing");
    const auto nobody = serve(service);
    ASSERT_FALSE(nobody);
    EXPECT_EQ(nobody.error().code, Errc::not_found);

    start();
    auto first = serve(service);
    ASSERT_TRUE(first);
    const auto twice = serve(service);
    ASSERT_FALSE(twice);
    EXPECT_EQ(twice.error().code, Errc::already_exists);
    GatedService nameless("");
    const auto unnamed = serve(nameless);
    ASSERT_FALSE(unnamed);
    EXPECT_EQ(unnamed.error().code, Errc::invalid_argument);
    GatedService another("another");
    const auto greedy = serve(another, 100'000);
    ASSERT_FALSE(greedy);
    EXPECT_EQ(greedy.error().code, Errc::invalid_argument);
}

// A daemon that goes away ends a service that does not reconnect; one that does is there again with
// the next.
TEST_F(DaemonServiceTest, FindsTheNextDaemon) {
    start();
    GatedService brief("brief");
    GatedService lasting("lasting");
    auto ends = serve(brief);
    auto stays = serve(lasting, 256, kGenerousLimit);
    ASSERT_TRUE(ends && stays);
    client_.reset();
    ASSERT_TRUE(stop());
    server_.reset();
    const auto ended = (*ends)->wait();
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code, Errc::closed);

    options_.external.expected = {{"lasting", {Category::custom}}};
    start();
    publish(10);
    ASSERT_TRUE(client_->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), 10u);
    EXPECT_EQ(lasting.payloads().size(), 10u);
    EXPECT_EQ((*stays)->stats().connections, 2u);
    (*stays)->request_stop();
    EXPECT_TRUE((*stays)->wait());
}

// --- Real processes

/// Writes down every event that it is given, as one line in its file, and takes a moment for each.
class WritingService final : public Service {
public:
    WritingService(std::string name, const std::filesystem::path& file)
        : name_(std::move(name)), file_(file, std::ios::app) {}
    std::string_view name() const noexcept override { return name_; }
    Category category() const noexcept override { return Category::custom; }
    void handle(std::span<const Event* const> events, std::span<HandleResult>) override {
        for (const Event* event : events)
            file_ << event->source << ' ' << event->payload << ' ' << event->attempt << std::endl;
    }

private:
    const std::string name_;
    std::ofstream file_;
};

struct Line {
    std::string source;
    int number = 0;
    int attempt = 0;
};

std::vector<Line> lines_of(const std::filesystem::path& file) {
    std::istringstream text(base::read_file(file).value_or(""));
    std::vector<Line> lines;
    for (Line line; text >> line.source >> line.number >> line.attempt;) lines.push_back(line);
    return lines;
}

/// This executable, started with this variable, is a service and no test: "socket name file".
constexpr const char* kServiceVariable = "CRUCIBLE_TEST_SERVICE";

[[maybe_unused]] const bool kIsTest = [] {
    const char* words = std::getenv(kServiceVariable);
    if (words == nullptr) return true;
    std::istringstream text(words);
    std::string socket;
    std::string name;
    std::string file;
    text >> socket >> name >> file;
    WritingService service(name, file);
    auto served = DaemonService::start(
        {.daemon = {.socket = socket, .reconnect_for = kGenerousLimit}, .credits = 32}, service);
    ::_exit(served && (*served)->wait() ? 0 : 1);
}();

class ServiceProcessTest : public ::testing::Test {
protected:
    void SetUp() override {
        int ends[2];
        ASSERT_EQ(::pipe(ends), 0);
        const base::UniqueFd reader(ends[0]);
        base::UniqueFd writer(ends[1]);
        base::Process::Options options;
        options.arguments = {CRUCIBLED,
                             "--work",
                             "none",
                             "--socket",
                             socket_,
                             "--ready-fd",
                             "3",
                             "--log-level",
                             "error",
                             "--data",
                             directory_.path() / "data"};
        options.inherit = {{writer.get(), 3}};
        auto daemon = base::Process::start(options);
        ASSERT_TRUE(daemon) << daemon.error().message;
        daemon_ = std::move(*daemon);
        writer.reset();
        char ready = 0;
        ASSERT_EQ(::read(reader.get(), &ready, 1), 1);
        auto client = DaemonClient::connect({.socket = socket_}, acknowledgements_.handler());
        ASSERT_TRUE(client) << client.error().message;
        client_ = std::move(*client);
    }

    /// A process that serves the category custom until it is killed, with its own file; connected.
    base::Process start_service(const std::string& name, const std::string& file) {
        base::Process::Options options;
        options.arguments = {"/usr/bin/env",
                             std::string(kServiceVariable) + "=" + socket_.string() + " " + name +
                                 " " + file_of(file).string(),
                             std::filesystem::read_symlink("/proc/self/exe").string()};
        auto process = base::Process::start(options);
        EXPECT_TRUE(process) << process.error().message;
        const auto pid = "\"pid\":" + std::to_string(process->pid()) + ",";
        await([&] {
            const auto services = ask_daemon({.socket = socket_}, R"({"about":"services"})");
            return services && services->find(pid) != std::string::npos;
        });
        return std::move(*process);
    }
    static void kill(base::Process& process) {
        process.signal(SIGKILL);
        EXPECT_TRUE(process.wait(kGenerousLimit));
    }
    std::filesystem::path file_of(const std::string& name) const {
        return directory_.path() / (name + ".txt");
    }
    /// One event of each of kSources, numbered.
    void publish(int number) {
        for (int source = 0; source < kSources; ++source) {
            Event event = make_event(std::to_string(number), Priority::normal,
                                     "client-" + std::to_string(source));
            event.id = make_uuid_v7(base::wall_now(), random_);
            ASSERT_TRUE(client_->publish(event, 0));
        }
    }
    template <typename Condition>
    static void await(Condition condition) {
        const TimePoint until = base::monotonic_now() + kGenerousLimit;
        while (!condition()) ASSERT_LT(base::monotonic_now(), until);
    }

    static constexpr int kSources = 8;
    base::TempDir directory_ = *base::TempDir::make("services");
    std::filesystem::path socket_ = directory_.path() / "d.sock";
    base::Rng random_{1};
    std::optional<base::Process> daemon_;
    Acknowledgements acknowledgements_;
    std::unique_ptr<DaemonClient> client_;
};

// Killed in the middle of its work: another does all of it, nothing is lost, each source's order is
// kept, and what was done twice says so.
TEST_F(ServiceProcessTest, NothingIsLostWithAKilledService) {
    auto doomed = start_service("doomed", "doomed");
    auto steady = start_service("steady", "steady");
    constexpr int kEach = 2000;
    for (int number = 0; number < kEach; ++number) publish(number);
    await([&] { return lines_of(file_of("doomed")).size() > 100; });
    kill(doomed);
    ASSERT_TRUE(client_->drain(kGenerousLimit));
    kill(steady);

    EXPECT_EQ(acknowledgements_.count(Outcome::handled), std::size_t{kSources * kEach});
    std::set<std::pair<std::string, int>> handled;
    for (const auto& line : lines_of(file_of("doomed"))) {
        EXPECT_EQ(line.attempt, 1);
        handled.emplace(line.source, line.number);
    }
    std::map<std::string, int> last;
    int twice = 0;
    for (const auto& line : lines_of(file_of("steady"))) {
        if (!handled.emplace(line.source, line.number).second) {
            ++twice;
            EXPECT_EQ(line.attempt, 2) << line.source << ' ' << line.number;
        }
        const auto [at, first] = last.emplace(line.source, line.number);
        if (first) continue;
        EXPECT_LT(std::exchange(at->second, line.number), line.number) << line.source;
    }
    EXPECT_EQ(handled.size(), std::size_t{kSources * kEach});
    EXPECT_LE(twice, 32);  // its credits
}

// The only one of its category is killed again and again, and each time its successor goes on where
// it was.
TEST_F(ServiceProcessTest, ASuccessorGoesOn) {
    constexpr int kEach = 1000;
    constexpr int kKilled = 3;
    std::vector<Line> lines;
    for (int life = 0; life <= kKilled; ++life) {
        const auto name = "life-" + std::to_string(life);
        auto service = start_service("lonely", name);
        if (life == 0)
            for (int number = 0; number < kEach; ++number) publish(number);
        if (life < kKilled) {
            await([&] { return lines_of(file_of(name)).size() > 100; });
        } else {
            ASSERT_TRUE(client_->drain(kGenerousLimit));
        }
        kill(service);
        const auto written = lines_of(file_of(name));
        lines.insert(lines.end(), written.begin(), written.end());
    }

    EXPECT_EQ(acknowledgements_.count(Outcome::handled), std::size_t{kSources * kEach});
    std::map<std::string, int> next;
    for (const auto& [source, number, attempt] : lines) {
        int& expected = next[source];
        if (number == expected) {
            ++expected;
        } else {
            EXPECT_LT(number, expected) << source;
            EXPECT_GT(attempt, 1) << source << ' ' << number;
        }
    }
    for (const auto& [source, count] : next) EXPECT_EQ(count, kEach) << source;
    EXPECT_EQ(next.size(), std::size_t{kSources});
}

}  // namespace
}  // namespace crucible::runtime
