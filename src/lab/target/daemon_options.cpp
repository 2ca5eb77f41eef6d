#include "lab/target/daemon_options.h"

#include <fmt/format.h>

#include "runtime/daemon/tcp_socket.h"

namespace crucible::lab {

bool is_over_tcp(const TargetUrl& url) noexcept {
    return url.scheme == "daemon" && url.path.starts_with("//");
}

bool shares_memory(const TargetUrl& url) noexcept {
    const std::string* value = url.option("shared_memory");
    return value != nullptr && *value == "yes";
}

Result<DaemonClientOptions> daemon_options(const TargetUrl& url) {
    DaemonClientOptions options;
    if (!is_over_tcp(url)) {
        options.socket = url.path;
        options.shared_memory = shares_memory(url);
        return options;
    }
    const auto invalid = [&url](std::string_view what) {
        return std::unexpected(
            Error{Errc::invalid_argument, fmt::format("{}: {}", url.text, what)});
    };
    const auto text = [&url](std::string_view name) {
        const std::string* value = url.option(name);
        return value == nullptr ? std::string() : *value;
    };
    options.address = url.path.substr(2);
    if (const auto daemon = runtime::parse_host_port(options.address); !daemon)
        return invalid(daemon.error().message);
    options.tls = {.ca = text("ca"),
                   .certificate = text("certificate"),
                   .key = text("key"),
                   .server_name = text("server_name")};
    options.plain_tcp = text("plain") == "yes";
    if (options.plain_tcp) {
        if (!options.tls.ca.empty() || !options.tls.certificate.empty() || !options.tls.key.empty())
            return invalid("either plain=yes or certificates");
        return options;
    }
    if (options.tls.ca.empty())
        return invalid("needs ca=FILE, certificate=FILE and key=FILE, or plain=yes on loopback");
    if (options.tls.certificate.empty() != options.tls.key.empty())
        return invalid("options certificate and key go together");
    return options;
}

}  // namespace crucible::lab
