#pragma once

#include <fmt/format.h>
#include <signal.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/process.h"
#include "lab/target/loopback.h"

namespace crucible::lab {

/// A real broker on a loopback port of its own, with its data in a private directory.
class Broker {
public:
    std::string url(std::string_view rest = "") const {
        return fmt::format("{}://127.0.0.1:{}{}", scheme_, port_, rest);
    }
    std::uint16_t port() const noexcept { return port_; }
    void kill() { process_.reset(); }

protected:
    explicit Broker(std::string scheme)
        : scheme_(std::move(scheme)),
          directory_(*base::TempDir::make(scheme_)),
          port_(Listener().port()) {}

    std::string directory() const { return directory_.path().string(); }
    void start(std::vector<std::string> arguments) {
        const auto log = directory() + "/log";
        process_ = start_server({.arguments = std::move(arguments),
                                 .inherit = {},
                                 .standard_output = log,
                                 .standard_error = log + ".error"},
                                port_, log);
    }

private:
    std::string scheme_;
    base::TempDir directory_;
    std::uint16_t port_;
    std::optional<base::Process> process_;
};

class NatsServer : public Broker {
public:
    explicit NatsServer(const std::vector<std::string>& options = {}) : Broker("nats") {
        std::vector<std::string> arguments{
            "/usr/sbin/nats-server", "--addr",      "127.0.0.1", "--port",
            std::to_string(port()),  "--store_dir", directory()};
        arguments.insert(arguments.end(), options.begin(), options.end());
        start(std::move(arguments));
    }
};

class RedisServer : public Broker {
public:
    explicit RedisServer(const std::vector<std::string>& options = {}) : Broker("redis") {
        std::vector<std::string> arguments{"/usr/bin/redis-server",
                                           "--bind",
                                           "127.0.0.1",
                                           "--port",
                                           std::to_string(port()),
                                           "--dir",
                                           directory(),
                                           "--save",
                                           ""};
        arguments.insert(arguments.end(), options.begin(), options.end());
        start(std::move(arguments));
    }
};

}  // namespace crucible::lab
