#include "runtime/daemon/config.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include "base/file.h"
#include "base/nearest.h"
#include "base/text.h"
#include "base/units.h"
#include "runtime/daemon/shared_rings.h"
#include "runtime/daemon/tcp_socket.h"

namespace crucible::runtime {
namespace {

std::unexpected<Error> invalid(std::string message) {
    return std::unexpected(Error{Errc::invalid_argument, std::move(message)});
}

constexpr Duration kDelayLeast = std::chrono::milliseconds(1);

template <typename T>
Result<> set_count(std::string_view text, std::uint64_t most, T& target, std::uint64_t least = 1) {
    std::uint64_t number = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (status != std::errc{} || end != text.data() + text.size() || number < least ||
        number > most) {
        return invalid(fmt::format("{} must be a whole number from {} to {}", base::in_quotes(text),
                                   least, most));
    }
    target = static_cast<T>(number);
    return {};
}

Result<> set_bytes(std::string_view text, std::size_t& target) {
    const auto bytes = base::parse_bytes(text);
    if (!bytes || *bytes == 0)
        return invalid(
            fmt::format("{} must be a size above 0, e.g. 256MiB", base::in_quotes(text)));
    target = static_cast<std::size_t>(*bytes);
    return {};
}

Result<> set_shared_memory(std::string_view text, std::size_t& target) {
    const bool off = text == "off";
    const auto bytes = base::parse_bytes(off ? "0" : text);
    if (!bytes || (!off && !SharedRings::valid_size(*bytes))) {
        return invalid(fmt::format("{} must be off, or a power of two from 64KiB to 64MiB",
                                   base::in_quotes(text)));
    }
    target = static_cast<std::size_t>(*bytes);
    return {};
}

Result<> set_path(std::string_view text, std::filesystem::path& target) {
    if (text.empty()) return invalid("must not be empty");
    // The system would take what stands before it for the whole.
    if (text.contains('\0')) return invalid("must not contain a NUL character");
    target = text;
    return {};
}

Result<> set_log_level(std::string_view text, std::string& target) {
    constexpr std::array<std::string_view, 7> levels{"trace", "debug",    "info", "warning",
                                                     "error", "critical", "off"};
    if (std::ranges::find(levels, text) == levels.end()) {
        return invalid(
            fmt::format("{} must be one of {}", base::in_quotes(text), fmt::join(levels, ", ")));
    }
    target = text;
    return {};
}

Result<> set_log_format(std::string_view text, base::log::Format& target) {
    const auto format = base::log::parse_format(text);
    if (!format) return invalid(fmt::format("{} must be text or json", base::in_quotes(text)));
    target = *format;
    return {};
}

Result<> set_work(std::string_view text, Work& target) {
    const auto work = parse_work(text);
    if (!work) return invalid(fmt::format("{} must be real or none", base::in_quotes(text)));
    target = *work;
    return {};
}

Result<> set_durability(std::string_view text, Durability& target) {
    const auto durability = parse_durability(text);
    if (!durability)
        return invalid(fmt::format("{} must be normal or full", base::in_quotes(text)));
    target = *durability;
    return {};
}

Result<> set_duration(std::string_view text, Duration least, Duration& target) {
    const auto duration = base::parse_duration(text);
    if (!duration || *duration < least) {
        return invalid(fmt::format("{} must be a time{}, e.g. 500ms or 30s", base::in_quotes(text),
                                   least > Duration::zero() ? " of at least 1 ms" : ""));
    }
    target = *duration;
    return {};
}

Result<> set_share(std::string_view text, double& target) {
    const auto share = base::parse_fraction(text);
    if (!share || *share <= 0 || *share > 1)
        return invalid(fmt::format("{} must be a share above 0 % and up to 100 %, e.g. 50%",
                                   base::in_quotes(text)));
    target = *share;
    return {};
}

Result<> set_flag(std::string_view text, bool& target) {
    if (text != "true" && text != "false")
        return invalid(fmt::format("{} must be true or false", base::in_quotes(text)));
    target = text == "true";
    return {};
}

Result<> set_rate(std::string_view text, std::optional<base::Rate>& target) {
    const auto rate = base::parse_rate(text);
    if (!rate) return invalid(rate.error().message);
    target = *rate;
    return {};
}

Result<> set_tcp(std::string_view text, std::string& target) {
    if (auto address = TcpAddress::parse(text); !address) return std::unexpected(address.error());
    target = text;
    return {};
}

/// "publisher-1,publisher-2"
Result<> set_names(std::string_view text, std::vector<std::string>& target) {
    std::vector<std::string> names;
    while (!text.empty()) {
        const auto part = text.substr(0, text.find(','));
        text.remove_prefix(std::min(text.size(), part.size() + 1));
        if (part.empty()) return invalid("a name must not be empty, e.g. publisher-1,publisher-2");
        names.emplace_back(part);
    }
    target = std::move(names);
    return {};
}

/// "1000,1001"
Result<> set_uids(std::string_view text, std::vector<uid_t>& target) {
    std::vector<uid_t> uids;
    while (!text.empty()) {
        const auto part = text.substr(0, text.find(','));
        text.remove_prefix(std::min(text.size(), part.size() + 1));
        uid_t uid = 0;
        const auto [end, status] = std::from_chars(part.data(), part.data() + part.size(), uid);
        if (status != std::errc{} || end != part.data() + part.size())
            return invalid(
                fmt::format("{} must be numbers of users, e.g. 1000,1001", base::in_quotes(part)));
        uids.push_back(uid);
    }
    target = std::move(uids);
    return {};
}

Result<> set_overflow(std::string_view text, Overflow& target) {
    const auto overflow = parse_overflow(text);
    if (!overflow)
        return invalid(fmt::format("{} must be reject, block or shed", base::in_quotes(text)));
    target = *overflow;
    return {};
}

/// "database=1,external=4"
Result<> set_concurrency(std::string_view text, std::array<std::uint32_t, kCategoryCount>& target) {
    std::array<std::uint32_t, kCategoryCount> limits{};
    while (!text.empty()) {
        const auto part = text.substr(0, text.find(','));
        text.remove_prefix(std::min(text.size(), part.size() + 1));
        const auto equals = part.find('=');
        const auto category = parse_category(part.substr(0, equals));
        if (!category || equals == std::string_view::npos) {
            return invalid(fmt::format("{} must be a category and a number, e.g. database=1",
                                       base::in_quotes(part)));
        }
        auto& limit = limits[static_cast<std::size_t>(*category)];
        if (auto set = set_count(part.substr(equals + 1), 1024, limit); !set) return set;
    }
    target = limits;
    return {};
}

/// "billing=custom,audit=database+custom"
Result<> set_expected(std::string_view text, std::vector<ExpectedService>& target) {
    std::vector<ExpectedService> services;
    while (!text.empty()) {
        const auto part = text.substr(0, text.find(','));
        text.remove_prefix(std::min(text.size(), part.size() + 1));
        const auto equals = part.find('=');
        auto& service = services.emplace_back(std::string(part.substr(0, equals)));
        auto rest = equals == std::string_view::npos ? "" : part.substr(equals + 1);
        while (!rest.empty()) {
            const auto word = rest.substr(0, rest.find('+'));
            rest.remove_prefix(std::min(rest.size(), word.size() + 1));
            const auto category = parse_category(word);
            if (!category) return invalid(fmt::format("{} is no category", base::in_quotes(word)));
            service.categories.push_back(*category);
        }
        if (!is_service_name(service.name) || service.categories.empty()) {
            return invalid(
                fmt::format("{} must be a service's name and what it serves, e.g. billing=custom",
                            base::in_quotes(part)));
        }
    }
    target = std::move(services);
    return {};
}

struct Option {
    std::string_view name;
    Result<> (*set)(std::string_view value, DaemonConfig& config);
};

constexpr std::array kOptions{
    Option{"daemon.socket",
           [](auto value, auto& config) { return set_path(value, config.server.socket); }},
    Option{"daemon.metrics",
           [](auto value, auto& config) -> Result<> {
               config.server.metrics = value;
               return {};
           }},
    Option{"daemon.log_level",
           [](auto value, auto& config) { return set_log_level(value, config.log_level); }},
    Option{"daemon.log_format",
           [](auto value, auto& config) { return set_log_format(value, config.log_format); }},
    Option{"listen.tcp",
           [](auto value, auto& config) { return set_tcp(value, config.server.listen.tcp); }},
    Option{"listen.tls_certificate",
           [](auto value, auto& config) {
               return set_path(value, config.server.listen.tls_certificate);
           }},
    Option{"listen.tls_key",
           [](auto value, auto& config) { return set_path(value, config.server.listen.tls_key); }},
    Option{
        "listen.client_ca",
        [](auto value, auto& config) { return set_path(value, config.server.listen.client_ca); }},
    Option{"listen.plain_tcp_on_loopback",
           [](auto value, auto& config) {
               return set_flag(value, config.server.listen.plain_tcp_on_loopback);
           }},
    Option{"clients.allowed_uids",
           [](auto value, auto& config) {
               return set_uids(value, config.server.clients.allowed_uids);
           }},
    Option{"clients.allowed_names",
           [](auto value, auto& config) {
               return set_names(value, config.server.clients.allowed_names);
           }},
    Option{"clients.max",
           [](auto value, auto& config) {
               return set_count(value, 1'000'000, config.server.clients.clients_max);
           }},
    Option{"clients.max_per_client",
           [](auto value, auto& config) {
               return set_count(value, 1'000'000, config.server.clients.per_client_max);
           }},
    Option{
        "clients.bytes",
        [](auto value, auto& config) { return set_bytes(value, config.server.clients.bytes_max); }},
    Option{"clients.shared_memory",
           [](auto value, auto& config) {
               return set_shared_memory(value, config.server.clients.shared_memory_bytes);
           }},
    Option{
        "clients.rate_max",
        [](auto value, auto& config) { return set_rate(value, config.server.clients.rate_max); }},
    Option{"clients.rate_burst",
           [](auto value, auto& config) {
               return set_count(value, 1'000'000'000, config.server.clients.rate_burst);
           }},
    Option{"clients.slow_limit",
           [](auto value, auto& config) {
               return set_duration(value, Duration::zero(), config.server.clients.slow_limit);
           }},
    Option{"clients.handshake_limit",
           [](auto value, auto& config) {
               return set_duration(value, kDelayLeast, config.server.clients.handshake_limit);
           }},
    Option{"clients.idle_limit",
           [](auto value, auto& config) {
               return set_duration(value, Duration::zero(), config.server.clients.idle_limit);
           }},
    Option{"services.data_directory",
           [](auto value, auto& config) {
               return set_path(value, config.server.coordinator.services.data_directory);
           }},
    Option{"services.count",
           [](auto value, auto& config) {
               return set_count(value, 10'000, config.server.coordinator.services.services);
           }},
    Option{"services.work",
           [](auto value, auto& config) {
               return set_work(value, config.server.coordinator.services.work);
           }},
    Option{"services.durability",
           [](auto value, auto& config) {
               return set_durability(value, config.server.coordinator.services.durability);
           }},
    Option{"services.webhook_secret",
           [](auto value, auto& config) -> Result<> {
               if (value.empty()) return invalid("must not be empty");
               config.server.coordinator.services.webhook_secret = value;
               return {};
           }},
    Option{"services.external_max",
           [](auto value, auto& config) {
               return set_count(value, ExternalPlaces::kMax, config.server.external.places_max, 0);
           }},
    Option{"services.external",
           [](auto value, auto& config) {
               return set_expected(value, config.server.external.expected);
           }},
    Option{"services.external_timeout",
           [](auto value, auto& config) {
               return set_duration(value, kDelayLeast, config.server.external.timeout);
           }},
    Option{"services.external_grace",
           [](auto value, auto& config) {
               return set_duration(value, Duration::zero(), config.server.external.grace);
           }},
    Option{"dispatch.workers",
           [](auto value, auto& config) {
               return set_count(value, 1024, config.server.coordinator.workers);
           }},
    Option{"dispatch.queue_events",
           [](auto value, auto& config) {
               return set_count(value, 100'000'000, config.server.coordinator.queue_events_max);
           }},
    Option{"dispatch.queue_bytes",
           [](auto value, auto& config) {
               return set_bytes(value, config.server.coordinator.queue_bytes_max);
           }},
    Option{"dispatch.batch",
           [](auto value, auto& config) {
               return set_count(value, 65'536, config.server.coordinator.batch_max);
           }},
    Option{"dispatch.service_events",
           [](auto value, auto& config) {
               return set_count(value, 100'000'000, config.server.coordinator.service_events_max);
           }},
    Option{"dispatch.overflow",
           [](auto value, auto& config) {
               return set_overflow(value, config.server.coordinator.overflow);
           }},
    Option{"dispatch.concurrency",
           [](auto value, auto& config) {
               return set_concurrency(value, config.server.coordinator.concurrency);
           }},
    Option{
        "route.rules",
        [](auto value, auto& config) { return set_path(value, config.server.coordinator.rules); }},
    Option{"route.repeat_window",
           [](auto value, auto& config) {
               return set_duration(value, Duration::zero(),
                                   config.server.coordinator.repeat_window);
           }},
    Option{"route.repeat_events",
           [](auto value, auto& config) {
               return set_count(value, SeenEvents::kEventsMax,
                                config.server.coordinator.repeat_events_max);
           }},
    Option{"retry.attempts",
           [](auto value, auto& config) {
               return set_count(value, 1000, config.server.coordinator.retry.attempts_max);
           }},
    Option{"retry.delay",
           [](auto value, auto& config) {
               return set_duration(value, kDelayLeast, config.server.coordinator.retry.base);
           }},
    Option{"retry.delay_max",
           [](auto value, auto& config) {
               return set_duration(value, kDelayLeast, config.server.coordinator.retry.cap);
           }},
    Option{"retry.dead_letters",
           [](auto value, auto& config) {
               return set_count(value, 100'000'000,
                                config.server.coordinator.dead_letters.events_max);
           }},
    Option{"retry.dead_letter_bytes",
           [](auto value, auto& config) {
               return set_bytes(value, config.server.coordinator.dead_letters.bytes_max);
           }},
    Option{"health.interval",
           [](auto value, auto& config) {
               return set_duration(value, Duration::zero(),
                                   config.server.coordinator.health.interval);
           }},
    Option{"health.timeout",
           [](auto value, auto& config) {
               return set_duration(value, kDelayLeast, config.server.coordinator.health.timeout);
           }},
    Option{"health.rise",
           [](auto value, auto& config) {
               return set_count(value, 1000, config.server.coordinator.health.rise);
           }},
    Option{"health.fall",
           [](auto value, auto& config) {
               return set_count(value, 1000, config.server.coordinator.health.fall);
           }},
    Option{"breaker.failures_in_a_row",
           [](auto value, auto& config) {
               return set_count(value, 1'000'000,
                                config.server.coordinator.breaker.failures_in_a_row);
           }},
    Option{"breaker.failure_share",
           [](auto value, auto& config) {
               return set_share(value, config.server.coordinator.breaker.failure_share);
           }},
    Option{"breaker.calls_min",
           [](auto value, auto& config) {
               return set_count(value, 1'000'000, config.server.coordinator.breaker.calls_min);
           }},
    Option{"breaker.window",
           [](auto value, auto& config) {
               return set_duration(value, kDelayLeast, config.server.coordinator.breaker.window);
           }},
    Option{"breaker.open_for",
           [](auto value, auto& config) {
               return set_duration(value, kDelayLeast, config.server.coordinator.breaker.open_for);
           }},
    Option{"breaker.probes",
           [](auto value, auto& config) {
               return set_count(value, 1024, config.server.coordinator.breaker.probes_max);
           }},
    Option{"breaker.probes_to_close",
           [](auto value, auto& config) {
               return set_count(value, 1024, config.server.coordinator.breaker.probes_to_close);
           }},
};

const Option* find_option(std::string_view name) {
    const auto found = std::ranges::find(kOptions, name, &Option::name);
    return found == kOptions.end() ? nullptr : &*found;
}

/// "unknown key 'worker' in [dispatch]; did you mean 'workers'?"
std::string unknown(std::string_view what, std::string_view name, std::string_view place,
                    const std::vector<std::string_view>& known) {
    // What is much longer than any of ours is near none.
    const auto near = name.size() > 64 ? std::string_view() : base::nearest(name, known);
    const auto quoted = base::in_quotes(name);
    if (!near.empty())
        return fmt::format("unknown {} {}{}; did you mean '{}'?", what, quoted, place, near);
    return fmt::format("unknown {} {}{}; known: {}", what, quoted, place, fmt::join(known, ", "));
}

std::vector<std::string_view> known_sections() {
    std::vector<std::string_view> sections;
    for (const auto& option : kOptions) {
        const auto section = option.name.substr(0, option.name.find('.'));
        if (sections.empty() || sections.back() != section) sections.push_back(section);
    }
    return sections;
}

std::vector<std::string_view> known_keys(std::string_view section) {
    std::vector<std::string_view> keys;
    for (const auto& option : kOptions) {
        if (option.name.starts_with(section) && option.name[section.size()] == '.') {
            keys.push_back(option.name.substr(section.size() + 1));
        }
    }
    return keys;
}

/// "crucibled.toml:3:5: …", as editors and compilers write a place.
std::unexpected<Error> at(std::string_view file, const toml::source_region& place,
                          std::string_view message) {
    return invalid(
        fmt::format("{}:{}:{}: {}", file, place.begin.line, place.begin.column, message));
}

Result<> apply_section(std::string_view file, std::string_view section, const toml::table& table,
                       DaemonConfig& config) {
    for (const auto& [key, value] : table) {
        const Option* option = find_option(fmt::format("{}.{}", section, key.str()));
        if (option == nullptr) {
            return at(
                file, key.source(),
                unknown("key", key.str(), fmt::format(" in [{}]", section), known_keys(section)));
        }
        std::string text;
        if (const auto* string = value.as_string()) {
            text = string->get();
        } else if (const auto* integer = value.as_integer()) {
            text = fmt::format("{}", integer->get());
        } else if (const auto* flag = value.as_boolean()) {
            text = flag->get() ? "true" : "false";
        } else {
            return at(file, value.source(),
                      fmt::format("{} must be a string, a whole number, true or false", key.str()));
        }
        if (auto set = option->set(text, config); !set) {
            return at(file, value.source(), fmt::format("{}: {}", key.str(), set.error().message));
        }
    }
    return {};
}

}  // namespace

std::filesystem::path default_socket() {
    if (const char* runtime = std::getenv("XDG_RUNTIME_DIR");
        runtime != nullptr && *runtime == '/') {
        return std::filesystem::path(runtime) / "crucible" / "crucibled.sock";
    }
    return fmt::format("/tmp/crucible-{}/crucibled.sock", ::geteuid());
}

DaemonConfig default_daemon_config() {
    DaemonConfig config;
    config.server.socket = default_socket();
    config.server.coordinator.services.data_directory = default_socket().parent_path() / "data";
    return config;
}

Result<> check_default_directory(const std::filesystem::path& socket) {
    if (socket != default_socket()) return {};
    const auto directory = socket.parent_path();
    struct stat info {};
    if (::lstat(directory.c_str(), &info) != 0) return {};  // not there yet: it will be ours
    if (!S_ISDIR(info.st_mode) || info.st_uid != ::geteuid()) {
        return std::unexpected(
            Error{Errc::permission_denied,
                  directory.string() + ": is not a directory of ours; use --socket"});
    }
    return {};
}

Result<> set_option(std::string_view name, std::string_view value, DaemonConfig& config) {
    const Option* option = find_option(name);
    if (option == nullptr) return invalid(fmt::format("unknown option {}", base::in_quotes(name)));
    return option->set(value, config);
}

Result<> parse_config(std::string_view text, std::string_view place, DaemonConfig& config) {
    toml::table root;
    try {
        root = toml::parse(text);
    } catch (const toml::parse_error& error) {
        return at(place, error.source(), base::one_line(error.description()));
    }
    for (const auto& [name, value] : root) {
        const auto sections = known_sections();
        if (std::ranges::find(sections, name.str()) == sections.end()) {
            return at(place, name.source(), unknown("section", name.str(), "", sections));
        }
        const auto* section = value.as_table();
        if (section == nullptr)
            return at(place, name.source(),
                      fmt::format("{} must be a section", base::in_quotes(name.str())));
        if (auto applied = apply_section(place, name.str(), *section, config); !applied)
            return applied;
    }
    return {};
}

Result<> read_config(const std::filesystem::path& file, DaemonConfig& config) {
    const auto text = base::read_file(file);
    if (!text) return std::unexpected(text.error());
    return parse_config(*text, file.string(), config);
}

}  // namespace crucible::runtime
