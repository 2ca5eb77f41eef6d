#include "lab/target/broker_options.h"

#include <fmt/format.h>

#include <charconv>
#include <string_view>

#include "lab/http/authority.h"
#include "lab/target/endpoint.h"
#include "runtime/event/cloud_event.h"

namespace crucible::lab {
namespace {

constexpr std::uint16_t kNatsPort = 4222;
constexpr std::uint16_t kRedisPort = 6379;
constexpr std::string_view kDefaultName = "crucible";
constexpr std::uint64_t kStreamLength = 100'000;

/// A NATS subject to publish to: words between dots, none a wildcard.
bool is_subject(std::string_view text) {
    if (text.find_first_of(" \t\r\n*>") != std::string_view::npos) return false;
    return !text.starts_with('.') && !text.ends_with('.') && text.find("..") == text.npos;
}

bool is_key(std::string_view text) {
    return text.find_first_of(" \t\r\n") == std::string_view::npos;
}

std::string option_or(const TargetUrl& url, std::string_view name, std::string_view otherwise) {
    const std::string* value = url.option(name);
    return value == nullptr ? std::string(otherwise) : *value;
}

}  // namespace

std::string BrokerOptions::server() const {
    const bool address6 = host.find(':') != std::string::npos;
    return fmt::format("{}://{}:{}", scheme, address6 ? fmt::format("[{}]", host) : host, port);
}

bool is_broker(const TargetUrl& url) noexcept {
    return url.scheme == "nats" || url.scheme == "redis";
}

Result<BrokerOptions> broker_options(const TargetUrl& url) {
    const bool nats = url.scheme == "nats";
    const auto malformed = [&](std::string_view what) {
        return std::unexpected(Error{
            Errc::invalid_argument,
            fmt::format("{}: must be {}://[USER:PASSWORD@]HOST[:PORT][/{}][?OPTION=VALUE&...]",
                        url.text, url.scheme, what)});
    };
    const std::string_view what = nats ? "SUBJECT" : "NAME";
    std::string_view rest = url.path;
    if (!rest.starts_with("//")) return malformed(what);
    rest.remove_prefix(2);
    const auto slash = rest.find('/');
    std::string_view authority = rest.substr(0, slash);

    BrokerOptions options;
    options.scheme = url.scheme;
    if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
        const auto login = authority.substr(0, at);
        const auto colon = login.find(':');
        if (colon == std::string_view::npos) return malformed(what);
        options.user = login.substr(0, colon);
        options.password = login.substr(colon + 1);
        authority.remove_prefix(at + 1);
    }
    const auto place = parse_authority(authority, nats ? kNatsPort : kRedisPort);
    if (!place) return malformed(what);
    options.host = place->host;
    options.port = place->port;
    options.name = slash == std::string_view::npos ? "" : rest.substr(slash + 1);
    if (options.name.empty()) options.name = kDefaultName;
    if (nats ? !is_subject(options.name) : !is_key(options.name)) return malformed(what);

    options.mode = option_or(url, "mode", nats ? "core" : "stream");
    options.format = option_or(url, "format", "cloudevents") == "payload"
                         ? MessageFormat::payload
                         : MessageFormat::cloudevents;
    options.stream = option_or(url, "stream", "");
    options.memory = option_or(url, "storage", "file") == "memory";
    options.stream_length = count_option(url, "maxlen", kStreamLength);
    const auto needs = [&](std::string_view option, std::string_view mode) -> Result<> {
        if (url.option(option) == nullptr || options.mode == mode) return {};
        return std::unexpected(
            Error{Errc::invalid_argument,
                  fmt::format("{}: option {} needs mode={}", url.text, option, mode)});
    };
    if (auto ok = needs("stream", "jetstream"); !ok) return std::unexpected(ok.error());
    if (auto ok = needs("storage", "jetstream"); !ok) return std::unexpected(ok.error());
    if (auto ok = needs("maxlen", "stream"); !ok) return std::unexpected(ok.error());
    if (url.option("stream") != nullptr && url.option("storage") != nullptr) {
        return std::unexpected(
            Error{Errc::invalid_argument,
                  fmt::format("{}: storage is of a private stream; '{}' has its own", url.text,
                              options.stream)});
    }
    return options;
}

std::optional<std::uint64_t> parse_token(std::string_view text) {
    std::uint64_t token = 0;
    const auto* end = text.data() + text.size();
    const auto [rest, status] = std::from_chars(text.data(), end, token);
    if (status != std::errc{} || rest != end) return std::nullopt;
    return token;
}

void append_message(MessageFormat format, const Event& event, std::string& out) {
    if (format == MessageFormat::payload) {
        out += event.payload;
    } else {
        out += runtime::to_cloud_event(event);
    }
}

}  // namespace crucible::lab
