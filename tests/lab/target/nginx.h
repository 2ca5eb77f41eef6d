#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "base/file.h"
#include "base/process.h"
#include "lab/target/loopback.h"

namespace crucible::lab {

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
        const auto path = directory_.path().string();
        process_ = start_server({.arguments = {"/usr/sbin/nginx", "-p", path, "-c",
                                               path + "/nginx.conf", "-e", path + "/error.log"}},
                                port_, path + "/error.log");
    }
    void stop() { process_.reset(); }
    pid_t pid() const { return process_->pid(); }

    std::string url(const std::string& path = "/") const {
        return (tls_ ? "https://localhost:" : "http://127.0.0.1:") + std::to_string(port_) + path;
    }
    std::string certificate() const { return directory_.path() / "cert.pem"; }

private:
    base::TempDir directory_;
    std::uint16_t port_;
    bool tls_;
    std::optional<base::Process> process_;
};

}  // namespace crucible::lab
