#include "lab/target/exec_target.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <simdjson.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <iterator>
#include <string>
#include <system_error>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "lab/target/log_tail.h"
#include "lab/target/polled.h"
#include "lab/target/remarks.h"
#include "runtime/event/cloud_event.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kExecUnsentMax = std::size_t{64} << 20;
constexpr std::size_t kLineMax = std::size_t{16} << 20;
constexpr std::size_t kExecReadBytes = 64 * 1024;
constexpr Duration kEndLimit = 5s;

struct Pipe {
    base::UniqueFd read;
    base::UniqueFd write;
};
Result<Pipe> make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return std::unexpected(base::errno_error("pipe", errno));
    return Pipe{base::UniqueFd(ends[0]), base::UniqueFd(ends[1])};
}

void make_non_blocking(int descriptor) {
    ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK);
}

class ExecTarget final : public PolledTarget {
public:
    static Result<std::unique_ptr<Target>> open(const std::string& command,
                                                CompletionHandler handler) {
        auto directory = base::TempDir::make("exec");
        if (!directory) return std::unexpected(directory.error());
        auto input = make_pipe();
        if (!input) return std::unexpected(input.error());
        auto output = make_pipe();
        if (!output) return std::unexpected(output.error());
        auto process = base::Process::start(
            {.arguments = {"/bin/sh", "-c", "exec " + command},
             .inherit = {{input->read.get(), STDIN_FILENO}, {output->write.get(), STDOUT_FILENO}},
             .standard_error = directory->path() / "stderr"});
        if (!process) return std::unexpected(process.error());
        make_non_blocking(input->write.get());
        make_non_blocking(output->read.get());
        // A program that ends while we write must not end us.
        ::signal(SIGPIPE, SIG_IGN);
        return std::unique_ptr<Target>(new ExecTarget(*std::move(directory), *std::move(process),
                                                      std::move(input->write),
                                                      std::move(output->read), std::move(handler)));
    }

    ~ExecTarget() override {
        // End of input is how the program learns that no more comes.
        input_.reset();
        if (!process_.wait(kEndLimit)) process_.signal(SIGKILL);
    }

    std::vector<pid_t> processes() const override { return {process_.pid()}; }

    Result<> send(const Event& event, std::uint64_t token) override {
        if (gone_) return std::unexpected(*gone_);
        if (unsent_.size() - unsent_from_ > kExecUnsentMax)
            return std::unexpected(Error{Errc::overloaded, "the program does not read"});
        fmt::format_to(std::back_inserter(unsent_), R"({{"token":{},"event":)", token);
        unsent_ += runtime::to_cloud_event(event);
        unsent_ += "}\n";
        in_flight_.insert(token);
        write_some();
        return {};
    }

    void serve(TimePoint until) override {
        if (gone_) {
            base::SteadyClock().sleep_until(until);
            return;
        }
        const bool more_to_write = unsent_from_ < unsent_.size();
        std::array<pollfd, 2> ready{{{output_.get(), POLLIN, 0}, {input_.get(), POLLOUT, 0}}};
        const auto now = wait_ready(std::span(ready).first(more_to_write ? 2 : 1), until);
        if (!now) return;
        if (more_to_write && ready[1].revents != 0) write_some();
        if (ready[0].revents == 0) return;
        completions_.clear();
        read_some();
        if (!completions_.empty()) handler_(completions_, *now);
    }

    std::string remarks() const override { return remarks_.text(); }

private:
    std::size_t outstanding() const override { return in_flight_.size(); }
    std::optional<Error> gone_error() const override { return gone_; }

    ExecTarget(base::TempDir directory, base::Process process, base::UniqueFd input,
               base::UniqueFd output, CompletionHandler handler)
        : directory_(std::move(directory)),
          process_(std::move(process)),
          input_(std::move(input)),
          output_(std::move(output)),
          handler_(std::move(handler)),
          scratch_(kExecReadBytes) {}

    void write_some() {
        while (unsent_from_ < unsent_.size()) {
            const auto count =
                ::write(input_.get(), unsent_.data() + unsent_from_, unsent_.size() - unsent_from_);
            if (count < 0 && errno == EINTR) continue;
            if (count < 0 && errno == EAGAIN) break;
            if (count < 0) return note_gone();
            unsent_from_ += static_cast<std::size_t>(count);
        }
        if (unsent_from_ == unsent_.size()) {
            unsent_.clear();
            unsent_from_ = 0;
        } else if (unsent_from_ > kExecUnsentMax / 2) {
            unsent_.erase(0, unsent_from_);
            unsent_from_ = 0;
        }
    }

    void read_some() {
        for (;;) {
            const auto count = ::read(output_.get(), scratch_.data(), scratch_.size());
            if (count < 0 && errno == EINTR) continue;
            if (count < 0 && errno == EAGAIN) return;
            if (count <= 0) return note_gone();
            received_.append(scratch_.data(), static_cast<std::size_t>(count));
            std::size_t from = 0;
            for (std::size_t end = 0; (end = received_.find('\n', from)) != std::string::npos;
                 from = end + 1)
                take_line(std::string_view(received_).substr(from, end - from));
            received_.erase(0, from);
            if (received_.size() > kLineMax) {
                received_.clear();
                remarks_.add("a line of more than 16 MiB");
            }
        }
    }

    /// {"token": 17, "outcome": "handled"}; without an outcome it is handled.
    void take_line(std::string_view line) {
        if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
        simdjson::dom::element message;
        std::uint64_t token = 0;
        if (parser_.parse(line.data(), line.size()).get(message) != simdjson::SUCCESS ||
            message["token"].get(token) != simdjson::SUCCESS)
            return remarks_.add(fmt::format("no acknowledgement: '{}'", line.substr(0, 60)));
        Outcome outcome = Outcome::handled;
        std::string_view name;
        if (message["outcome"].get(name) == simdjson::SUCCESS) {
            const auto known = parse_outcome(name);
            if (!known)
                return remarks_.add(fmt::format("unknown outcome '{}'", name.substr(0, 60)));
            outcome = *known;
        }
        in_flight_.erase(token);
        completions_.push_back({token, outcome});
    }

    static std::optional<Outcome> parse_outcome(std::string_view name) {
        for (const auto outcome :
             {Outcome::handled, Outcome::rejected, Outcome::failed, Outcome::expired}) {
            if (name == to_string(outcome)) return outcome;
        }
        return std::nullopt;
    }

    void note_gone() {
        if (gone_) return;
        const auto status = process_.wait(1s);
        const std::string how = status ? status->describe() : "closed its output";
        gone_ = Error{Errc::closed,
                      with_log(fmt::format("the program {}", how), directory_.path() / "stderr")};
    }

    base::TempDir directory_;
    base::Process process_;
    base::UniqueFd input_;
    base::UniqueFd output_;
    CompletionHandler handler_;
    std::vector<char> scratch_;
    std::string unsent_;
    std::size_t unsent_from_ = 0;
    std::string received_;
    std::unordered_set<std::uint64_t> in_flight_;
    std::vector<Completion> completions_;
    simdjson::dom::parser parser_;
    std::optional<Error> gone_;
    Remarks remarks_;
};

}  // namespace

Result<std::unique_ptr<Target>> open_exec(const std::string& command,
                                          CompletionHandler on_completion) {
    return ExecTarget::open(command, std::move(on_completion));
}

}  // namespace crucible::lab
