#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include "base/assert.h"
#include "base/nearest.h"
#include "base/planted_fault.h"
#include "base/units.h"
#include "lab/target/broker_options.h"
#include "lab/target/daemon_options.h"
#include "lab/target/endpoint.h"
#include "lab/target/http_target.h"
#include "lab/target/registered.h"
#include "lab/target/system.h"
#include "runtime/service/service_set.h"

namespace crucible::lab {
namespace {

enum class Kind : std::uint8_t {
    count,
    duration,
    fraction,
    rate,
    bytes,
    stall,
    fault,
    distribution,
    work,
    durability,
    choice,
    name,
    text,
    http
};

struct OptionInfo {
    std::string_view name;
    Kind kind;
    std::uint64_t count_max = 0;
    std::span<const std::string_view> choices = {};
};

constexpr OptionInfo kWork{"work", Kind::work};
constexpr OptionInfo kDurability{"durability", Kind::durability};
constexpr OptionInfo kWorkers{"workers", Kind::count, kWorkersMax};
constexpr OptionInfo kServices{"services", Kind::count, runtime::kServicesMax};
constexpr OptionInfo kClients{"clients", Kind::count, kClientsMax};
constexpr OptionInfo kQueue{"queue", Kind::count, kQueueMax};
constexpr OptionInfo kBatch{"batch", Kind::count, 65'536};
constexpr OptionInfo kPid{"pid", Kind::count, 1u << 22};
constexpr OptionInfo kService{"service", Kind::duration};
constexpr OptionInfo kLatency{"latency", Kind::duration};

constexpr std::array kCoordinatorOptions{kWork,    kDurability, kWorkers, kServices,
                                         kClients, kQueue,      kBatch};
constexpr std::array<std::string_view, 2> kYesNo{"yes", "no"};
constexpr OptionInfo kSharedMemory{"shared_memory", Kind::choice, 0, kYesNo};
constexpr std::array kDaemonOptions{kWork,    kDurability, kWorkers, kServices,
                                    kClients, kQueue,      kBatch,   kSharedMemory};
constexpr std::array kRunningDaemonOptions{kClients, kSharedMemory};
constexpr std::array kSyntheticOptions{
    kService,
    kWorkers,
    kQueue,
    kLatency,
    kClients,
    OptionInfo{"distribution", Kind::distribution},
    OptionInfo{"capacity", Kind::rate},
    OptionInfo{"stall", Kind::stall},
    OptionInfo{"retry", Kind::duration},
    OptionInfo{"fault", Kind::fault},
    OptionInfo{"slowdown", Kind::fraction},
    OptionInfo{"errors", Kind::fraction},
    OptionInfo{"loss", Kind::fraction},
    OptionInfo{"duplicates", Kind::fraction},
    OptionInfo{"reorder", Kind::fraction},
    OptionInfo{"leak", Kind::bytes},
};
constexpr std::array kClientsAlone{kClients};
/// Their values are checked by parse_http_options().
constexpr std::array kHttpOptions{
    kClients,
    OptionInfo{"connections", Kind::http},
    OptionInfo{"pipeline", Kind::http},
    OptionInfo{"queue", Kind::http},
    OptionInfo{"method", Kind::http},
    OptionInfo{"request", Kind::http},
    OptionInfo{"expect", Kind::http},
    OptionInfo{"contains", Kind::http},
    OptionInfo{"verify", Kind::http},
    OptionInfo{"ca", Kind::http},
    kPid,
};

constexpr std::array<std::string_view, 2> kFormats{"cloudevents", "payload"};
constexpr std::array<std::string_view, 3> kNatsModes{"core", "request", "jetstream"};
constexpr std::array<std::string_view, 2> kStorages{"file", "memory"};
constexpr std::array<std::string_view, 2> kRedisModes{"stream", "pubsub"};
constexpr OptionInfo kFormat{"format", Kind::choice, 0, kFormats};
constexpr std::array kNatsOptions{
    kClients,
    kPid,
    kFormat,
    OptionInfo{"mode", Kind::choice, 0, kNatsModes},
    OptionInfo{"storage", Kind::choice, 0, kStorages},
    OptionInfo{"stream", Kind::name},
};
constexpr std::array kRedisOptions{
    kClients,
    kPid,
    kFormat,
    OptionInfo{"mode", Kind::choice, 0, kRedisModes},
    OptionInfo{"maxlen", Kind::count, 100'000'000},
};

/// For daemon://host:port.
constexpr std::array kDaemonOverTcpOptions{
    kClients,
    kPid,
    OptionInfo{"ca", Kind::text},
    OptionInfo{"certificate", Kind::text},
    OptionInfo{"key", Kind::text},
    OptionInfo{"server_name", Kind::text},
    OptionInfo{"plain", Kind::choice, 0, kYesNo},
};

struct SchemeInfo {
    std::string_view name;
    std::span<const OptionInfo> options;
    std::span<const OptionInfo> options_with_path;  ///< empty: takes no path
};
constexpr std::array kSchemes{
    SchemeInfo{"coordinator", kCoordinatorOptions, {}},
    SchemeInfo{"router", kCoordinatorOptions, {}},
    SchemeInfo{"daemon", kDaemonOptions, kRunningDaemonOptions},
    SchemeInfo{"null", kClientsAlone, {}},
    SchemeInfo{"synthetic", kSyntheticOptions, {}},
    SchemeInfo{"exec", kClientsAlone, kClientsAlone},
    SchemeInfo{"http", kHttpOptions, kHttpOptions},
    SchemeInfo{"https", kHttpOptions, kHttpOptions},
    SchemeInfo{"nats", kNatsOptions, kNatsOptions},
    SchemeInfo{"redis", kRedisOptions, kRedisOptions},
};

constexpr Duration kDurationMax = std::chrono::seconds(60);
constexpr std::uint64_t kLeakBytesMax = 1 << 20;

std::unexpected<Error> invalid(std::string message) {
    return std::unexpected(Error{Errc::invalid_argument, std::move(message)});
}

/// "unknown <what> '<word>'; did you mean '<nearest>'?" or, without a near one, what there is.
std::unexpected<Error> unknown(std::string_view where, std::string_view what, std::string_view word,
                               std::span<const std::string_view> known) {
    const auto near = base::nearest(word, known);
    if (!near.empty()) {
        return invalid(
            fmt::format("{}: unknown {} '{}'; did you mean '{}'?", where, what, word, near));
    }
    return invalid(
        fmt::format("{}: unknown {} '{}'; known: {}", where, what, word, fmt::join(known, ", ")));
}

std::optional<std::uint64_t> parse_count(std::string_view text) {
    std::uint64_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return count;
}

/// Adds where the value stood to an error about it.
template <typename T>
Result<> checked(const Result<T>& value, std::string_view where) {
    if (value) return {};
    return std::unexpected(
        Error{Errc::invalid_argument, fmt::format("{}: {}", where, value.error().message)});
}

Result<> check_value(const OptionInfo& info, const std::string& value, std::string_view url) {
    const std::string where = fmt::format("{}: option {}", url, info.name);
    switch (info.kind) {
        case Kind::count: {
            const auto count = parse_count(value);
            if (count && *count >= 1 && *count <= info.count_max) return {};
            return invalid(fmt::format("{}: '{}' must be a whole number from 1 to {}", where, value,
                                       info.count_max));
        }
        case Kind::duration: {
            const auto duration = base::parse_duration(value);
            if (!duration) return checked(duration, where);
            if (*duration >= Duration::zero() && *duration <= kDurationMax) return {};
            return invalid(fmt::format("{}: '{}' must be from 0s to 60s", where, value));
        }
        case Kind::fraction: {
            const auto fraction = base::parse_fraction(value);
            if (!fraction) return checked(fraction, where);
            if (*fraction >= 0 && *fraction <= 1) return {};
            return invalid(fmt::format("{}: '{}' must be from 0% to 100%", where, value));
        }
        case Kind::rate:
            return checked(base::parse_rate(value), where);
        case Kind::bytes: {
            const auto bytes = base::parse_bytes(value);
            if (!bytes) return checked(bytes, where);
            if (*bytes >= 1 && *bytes <= kLeakBytesMax) return {};
            return invalid(fmt::format("{}: '{}' must be from 1B to 1MiB", where, value));
        }
        case Kind::stall:
            return checked(parse_stall(value), where);
        case Kind::fault:
            return checked(base::parse_fault(value), where);
        case Kind::distribution:
            return checked(parse_distribution(value), where);
        case Kind::work:
            return checked(runtime::parse_work(value), where);
        case Kind::durability:
            return checked(runtime::parse_durability(value), where);
        case Kind::choice:
            if (std::ranges::find(info.choices, value) != info.choices.end()) return {};
            return invalid(
                fmt::format("{}: '{}' must be {}", where, value, fmt::join(info.choices, " or ")));
        case Kind::name:
            if (!value.empty() && value.find_first_of(" .*>\t\r\n") == std::string::npos) return {};
            return invalid(fmt::format("{}: '{}' must be a name without dots, blanks and wildcards",
                                       where, value));
        case Kind::text:
            if (!value.empty()) return {};
            return invalid(fmt::format("{}: must not be empty", where));
        case Kind::http:
            return {};
    }
    return {};
}

Result<> check_options(const TargetUrl& url, std::span<const OptionInfo> known) {
    for (auto option = url.options.begin(); option != url.options.end(); ++option) {
        const auto& [name, value] = *option;
        const auto info = std::ranges::find(known, name, &OptionInfo::name);
        if (info == known.end()) {
            std::vector<std::string_view> names;
            for (const auto& each : known) names.push_back(each.name);
            return unknown(url.text, "option", name, names);
        }
        const auto same = [&name](const auto& other) { return other.first == name; };
        if (std::any_of(url.options.begin(), option, same))
            return invalid(fmt::format("{}: option {} is given twice", url.text, name));
        if (auto ok = check_value(*info, value, url.text); !ok) return ok;
    }
    return {};
}

}  // namespace

const std::string* TargetUrl::option(std::string_view key) const noexcept {
    const auto found = std::ranges::find(options, key, &std::pair<std::string, std::string>::first);
    return found == options.end() ? nullptr : &found->second;
}

bool is_built_in(std::string_view scheme) noexcept {
    return std::ranges::find(kSchemes, scheme, &SchemeInfo::name) != kSchemes.end();
}

bool is_http(const TargetUrl& url) noexcept {
    return url.scheme == "http" || url.scheme == "https";
}

Result<HttpOptions> http_options(const TargetUrl& url) {
    auto options = url.options;
    std::erase_if(options, [](const auto& option) {
        return option.first == "clients" || option.first == "pid";
    });
    return parse_http_options(url.text, url.scheme == "https", url.path, options);
}

Result<TargetUrl> split_url(std::string_view text) {
    const auto colon = text.find(':');
    if (colon == std::string_view::npos || colon == 0) {
        return invalid(
            fmt::format("target '{}': must be SCHEME:[PATH][?OPTION=VALUE&...], e.g. daemon: or "
                        "coordinator:?work=none",
                        text));
    }
    TargetUrl url{.scheme = std::string(text.substr(0, colon)),
                  .path = {},
                  .options = {},
                  .text = std::string(text)};
    // Of a server's URL '?' and what follows is the server's, of a command the shell's.
    const char separator = is_http(url) || url.scheme == "exec" ? '#' : '?';
    const auto question = text.find(separator, colon + 1);
    url.path = text.substr(colon + 1, question == std::string_view::npos ? std::string_view::npos
                                                                         : question - colon - 1);
    if (question == std::string_view::npos) return url;
    std::string_view rest = text.substr(question + 1);
    while (!rest.empty()) {
        const auto pair = rest.substr(0, rest.find('&'));
        rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
        const auto equals = pair.find('=');
        if (equals == std::string_view::npos || equals == 0)
            return invalid(fmt::format("{}: '{}' must be OPTION=VALUE", text, pair));
        url.options.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
    }
    return url;
}

Result<TargetUrl> parse_target(std::string_view text) {
    auto url = split_url(text);
    if (!url) {
        // The colon is what is most easily forgotten.
        const bool scheme_alone = is_built_in(text) || registered_target(text) != nullptr;
        if (scheme_alone) return invalid(fmt::format("target '{0}': did you mean '{0}:'?", text));
        return url;
    }
    // Of its options only its own program knows.
    if (registered_target(url->scheme) != nullptr) return url;
    const auto scheme = std::ranges::find(kSchemes, url->scheme, &SchemeInfo::name);
    if (scheme == kSchemes.end()) {
        auto names = registered_schemes();
        for (const auto& each : kSchemes) names.push_back(each.name);
        return unknown(url->text, "target", url->scheme, names);
    }
    if (!url->path.empty() && scheme->options_with_path.empty()) {
        return invalid(
            fmt::format("{}: '{}' is not expected after {}:", text, url->path, scheme->name));
    }
    if (url->scheme == "exec" && url->path.empty())
        return invalid(fmt::format("{}: a command is missing, e.g. exec:./program", text));
    const auto ok = check_options(*url, is_over_tcp(*url)   ? kDaemonOverTcpOptions
                                        : url->path.empty() ? scheme->options
                                                            : scheme->options_with_path);
    if (!ok) return std::unexpected(ok.error());
    if (is_over_tcp(*url)) {
        if (const auto options = daemon_options(*url); !options)
            return std::unexpected(options.error());
    }
    if (is_http(*url)) {
        const auto options = http_options(*url);
        if (!options) return std::unexpected(options.error());
        if (const auto file = check_request_file(*options); !file)
            return invalid(fmt::format("{}: option request: {}", text, file.error().message));
    }
    if (is_broker(*url)) {
        if (const auto options = broker_options(*url); !options)
            return std::unexpected(options.error());
    }
    return url;
}

std::uint64_t count_option(const TargetUrl& url, std::string_view name, std::uint64_t otherwise) {
    const std::string* value = url.option(name);
    if (value == nullptr) return otherwise;
    const auto count = parse_count(*value);
    CRUCIBLE_ASSERT(count);  // parse_target has checked it
    return *count;
}

double fraction_option(const TargetUrl& url, std::string_view name) {
    const std::string* value = url.option(name);
    if (value == nullptr) return 0;
    const auto fraction = base::parse_fraction(*value);
    CRUCIBLE_ASSERT(fraction);
    return *fraction;
}

Result<Stall> parse_stall(std::string_view text) {
    const auto at = text.find('@');
    const auto length = base::parse_duration(text.substr(0, at));
    const auto period =
        at == std::string_view::npos ? length : base::parse_duration(text.substr(at + 1));
    if (at == std::string_view::npos || !length || !period || *length <= Duration::zero() ||
        *period <= *length) {
        return std::unexpected(
            Error{Errc::invalid_argument,
                  fmt::format("stall '{}': must be LENGTH@PERIOD, e.g. 200ms@5s", text)});
    }
    return Stall{*length, *period};
}

Duration duration_option(const TargetUrl& url, std::string_view name, Duration otherwise) {
    const std::string* value = url.option(name);
    if (value == nullptr) return otherwise;
    const auto duration = base::parse_duration(*value);
    CRUCIBLE_ASSERT(duration);
    return *duration;
}

std::uint32_t client_count(const TargetUrl& url, std::uint32_t otherwise) {
    return static_cast<std::uint32_t>(count_option(url, "clients", otherwise));
}

}  // namespace crucible::lab
