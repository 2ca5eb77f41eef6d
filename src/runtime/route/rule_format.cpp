#include <fmt/format.h>

#include <iterator>

#include "runtime/route/rule_file.h"

namespace crucible::runtime {
namespace {

/// A basic string of TOML.
std::string quote(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20 || byte == 0x7f) {
            fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
        } else {
            out += c;
        }
    }
    return out + '"';
}

std::string list(const std::vector<std::string>& names) {
    std::string out = "[";
    for (const auto& name : names) out += (out.size() > 1 ? ", " : "") + quote(name);
    return out + "]";
}

template <typename Enum, std::size_t kCount>
std::string list(const EnumSet<Enum, kCount>& set) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < kCount; ++i) {
        if (set.contains(static_cast<Enum>(i))) names.emplace_back(to_string(static_cast<Enum>(i)));
    }
    return list(names);
}

std::string time_of_day(std::chrono::seconds time) {
    return fmt::format("\"{:02}:{:02}:{:02}\"", time.count() / 3600, time.count() / 60 % 60,
                       time.count() % 60);
}

/// Writes only what is not as it would be without.
class Writer {
public:
    void line(std::string_view key, std::string_view value) {
        out_.append(key).append(" = ").append(value).append("\n");
    }
    void title(std::string_view name) { out_.append("\n[[").append(name).append("]]\n"); }

    void pool(const PoolSpec& pool) {
        title("pool");
        line("name", quote(pool.name));
        out_ += "members = [\n";
        for (const auto& [instance, weight, priority] : pool.members) {
            out_ += fmt::format("    {{instance = {}, weight = {}, priority = {}}},\n",
                                quote(instance), weight, priority);
        }
        out_ += "]\n";
    }

    void rule(const Rule& rule) {
        title("rule");
        line("id", quote(rule.id));
        if (rule.priority != 0) line("priority", fmt::format("{}", rule.priority));
        if (!rule.enabled) line("enabled", "false");
        if (!rule.stop) line("stop", "false");
        filter(rule.filter);
        conditions(rule.conditions);
        action(rule.action);
    }

    std::string take() { return std::move(out_); }

private:
    void filter(const Filter& filter) {
        if (!filter.categories.is_all()) line("category", list(filter.categories));
        if (!filter.type.matches_all()) line("type", quote(filter.type.text()));
        if (!filter.source.matches_all()) line("source", quote(filter.source.text()));
        if (!filter.event_priorities.is_all())
            line("event_priority", list(filter.event_priorities));
        if (!filter.targets.empty()) line("targets", list(filter.targets));
        if (filter.payload_bytes_min > 0)
            line("payload_min", fmt::format("{}", filter.payload_bytes_min));
        if (filter.payload_bytes_max != Filter::kAnyBytes)
            line("payload_max", fmt::format("{}", filter.payload_bytes_max));
    }

    void conditions(const Conditions& conditions) {
        std::string health;
        for (const auto& [name, states] : conditions.health)
            health += (health.empty() ? "" : ", ") + quote(name) + " = " + list(states);
        if (!health.empty()) line("health", "{" + health + "}");
        if (conditions.queue_above) line("queue_above", fmt::format("{}", *conditions.queue_above));
        if (conditions.queue_below) line("queue_below", fmt::format("{}", *conditions.queue_below));
        if (!conditions.time) return;
        line("time_from", time_of_day(conditions.time->from));
        line("time_to", time_of_day(conditions.time->to));
        if (!conditions.time->days.is_all()) line("days", list(conditions.time->days));
    }

    void action(const Action& action) {
        if (const auto* deliver = std::get_if<Deliver>(&action)) {
            line("deliver", list(deliver->instances));
        } else if (const auto* pool = std::get_if<ToPool>(&action)) {
            line("pool", quote(pool->pool));
            line("strategy", quote(to_string(pool->strategy)));
        } else if (const auto* broadcast = std::get_if<Broadcast>(&action)) {
            line("broadcast", quote(broadcast->instances.text()));
        } else if (const auto* drop = std::get_if<Drop>(&action)) {
            line("drop", quote(drop->reason));
        }
    }

    std::string out_;
};

}  // namespace

std::string format_rules(const RuleSet& rules) {
    Writer writer;
    writer.line("version", fmt::format("{}", kRuleFileVersion));
    for (const auto& pool : rules.pools) writer.pool(pool);
    for (const auto& rule : rules.rules) writer.rule(rule);
    return writer.take();
}

}  // namespace crucible::runtime
