#include "lab/http/http_options.h"

#include <fmt/format.h>

#include <charconv>

#include "lab/http/authority.h"

namespace crucible::lab {
namespace {

std::unexpected<Error> invalid(std::string message) {
    return std::unexpected(Error{Errc::invalid_argument, std::move(message)});
}

template <typename Integer>
std::optional<Integer> parse_whole(std::string_view text, Integer low, Integer high) {
    Integer value{};
    const auto* end = text.data() + text.size();
    const auto [rest, status] = std::from_chars(text.data(), end, value);
    if (status != std::errc{} || rest != end || value < low || value > high) return std::nullopt;
    return value;
}

/// "2xx", "204" or "200-299".
bool parse_statuses(std::string_view text, HttpOptions& options) {
    if (text.size() == 3 && text.ends_with("xx") && text[0] >= '2' && text[0] <= '5') {
        options.status_low = static_cast<std::uint16_t>((text[0] - '0') * 100);
        options.status_high = static_cast<std::uint16_t>(options.status_low + 99);
        return true;
    }
    const auto dash = text.find('-');
    const auto low = parse_whole<std::uint16_t>(text.substr(0, dash), 200, 599);
    const auto high = dash == std::string_view::npos
                          ? low
                          : parse_whole<std::uint16_t>(text.substr(dash + 1), 200, 599);
    if (!low || !high || *low > *high) return false;
    options.status_low = *low;
    options.status_high = *high;
    return true;
}

bool is_token(std::string_view text) {
    return !text.empty() &&
           text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ-") == std::string_view::npos;
}

/// What a value must be; empty when it is that.
std::string_view take_option(std::string_view name, const std::string& value,
                             HttpOptions& options) {
    if (name == "connections" || name == "pipeline") {
        const auto count = parse_whole<std::uint32_t>(value, 1, 10'000);
        if (!count) return "a whole number from 1 to 10000";
        (name == "connections" ? options.connections : options.pipeline) = *count;
    } else if (name == "queue") {
        const auto count = parse_whole<std::uint64_t>(value, 1, 10'000'000);
        if (!count) return "a whole number from 1 to 10000000";
        options.queue = *count;
    } else if (name == "method") {
        if (!is_token(value)) return "a method, e.g. POST";
        options.method = value;
    } else if (name == "expect") {
        if (!parse_statuses(value, options)) return "a status from 200 to 599, a range, or 2xx";
    } else if (name == "verify") {
        if (value != "yes" && value != "no") return "yes or no";
        options.verify = value == "yes";
    } else if (name == "request") {
        options.request_file = value;
    } else if (name == "contains") {
        options.contains = value;
    } else if (name == "ca") {
        options.ca_file = value;
    }
    return {};
}

}  // namespace

std::string HttpOptions::host_header() const {
    const bool address6 = host.find(':') != std::string::npos;
    const auto name = address6 ? fmt::format("[{}]", host) : host;
    return port == (tls ? 443 : 80) ? name : fmt::format("{}:{}", name, port);
}

Result<HttpOptions> parse_http_options(
    std::string_view where, bool tls, std::string_view rest,
    const std::vector<std::pair<std::string, std::string>>& given) {
    HttpOptions options;
    options.tls = tls;
    const std::string_view scheme = tls ? "https" : "http";
    const auto malformed = [&] {
        return invalid(
            fmt::format("{}: must be {}://HOST[:PORT][/PATH][#OPTION=VALUE&...]", where, scheme));
    };
    if (!rest.starts_with("//")) return malformed();
    rest.remove_prefix(2);
    const auto path = rest.find_first_of("/?");
    const auto authority = parse_authority(rest.substr(0, path), tls ? 443 : 80);
    if (!authority) return malformed();
    options.host = authority->host;
    options.port = authority->port;
    if (path != std::string_view::npos) {
        options.path = rest.substr(path);
        if (options.path.starts_with('?')) options.path.insert(0, "/");
    }
    if (options.path.find_first_of(" \t\r\n") != std::string::npos) return malformed();
    for (const auto& [name, value] : given) {
        const auto allowed = take_option(name, value, options);
        if (!allowed.empty()) {
            return invalid(
                fmt::format("{}: option {}: '{}' must be {}", where, name, value, allowed));
        }
    }
    return options;
}

}  // namespace crucible::lab
