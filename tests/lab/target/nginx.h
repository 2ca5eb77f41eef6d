#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"

namespace crucible::lab {

/// A loopback socket that listens on a port of its own, and accepts nothing unless told to.
class Listener {
public:
    Listener() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* any = reinterpret_cast<sockaddr*>(&address);
        EXPECT_EQ(::bind(socket_.get(), any, size), 0);
        EXPECT_EQ(::listen(socket_.get(), 64), 0);
        EXPECT_EQ(::getsockname(socket_.get(), any, &size), 0);
        port_ = ntohs(address.sin_port);
    }
    std::uint16_t port() const noexcept { return port_; }
    int descriptor() const noexcept { return socket_.get(); }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/"; }

private:
    base::UniqueFd socket_;
    std::uint16_t port_ = 0;
};

/// A real nginx on a loopback port, with one server whose locations are `locations`.
class Nginx {
public:
    explicit Nginx(const std::string& locations, bool tls = false)
        : directory_(*base::TempDir::make("nginx")), port_(Listener().port()), tls_(tls) {
        const auto path = directory_.path().string();
        std::string listen = "listen 127.0.0.1:" + std::to_string(port_);
        if (tls) {
            const std::string make =
                "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
                "-subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout '" +
                path + "/key.pem' -out '" + path + "/cert.pem' 2>/dev/null";
            EXPECT_EQ(std::system(make.c_str()), 0);
            listen += " ssl; ssl_certificate " + path + "/cert.pem; ssl_certificate_key " + path +
                      "/key.pem";
        }
        EXPECT_TRUE(base::write_file(
            path + "/nginx.conf",
            "daemon off; master_process off; pid " + path + "/pid; error_log " + path +
                "/error.log;\nevents { worker_connections 512; }\nhttp { access_log off; "
                "client_body_temp_path " +
                path + "/body; proxy_temp_path " + path + "/proxy; fastcgi_temp_path " + path +
                "/f; uwsgi_temp_path " + path + "/u; scgi_temp_path " + path + "/s;\nserver { " +
                listen + "; client_max_body_size 20m;\n" + locations + "\n} }\n"));
        start();
    }

    void start() {
        const char* program = "/usr/sbin/nginx";
        const auto path = directory_.path().string();
        auto process =
            base::Process::start({.arguments = {program, "-p", path, "-c", path + "/nginx.conf",
                                                "-e", path + "/error.log"}});
        ASSERT_TRUE(process) << process.error().message;
        process_ = *std::move(process);
        // The only sign that it listens is that it does.
        while (!answers()) {
            ASSERT_FALSE(process_->poll()) << base::read_file(path + "/error.log").value_or("");
            base::SteadyClock().sleep_until(base::monotonic_now() + std::chrono::milliseconds(2));
        }
    }
    void stop() { process_.reset(); }
    pid_t pid() const { return process_->pid(); }

    std::string url(const std::string& path = "/") const {
        return (tls_ ? "https://localhost:" : "http://127.0.0.1:") + std::to_string(port_) + path;
    }
    std::string certificate() const { return directory_.path() / "cert.pem"; }

private:
    bool answers() const {
        const base::UniqueFd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(port_);
        return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address),
                         sizeof address) == 0;
    }

    base::TempDir directory_;
    std::uint16_t port_;
    bool tls_;
    std::optional<base::Process> process_;
};

}  // namespace crucible::lab
