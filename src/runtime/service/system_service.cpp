#include "base/planted_leak.h"
#include "runtime/event/uuid.h"
#include "runtime/service/payload.h"
#include "runtime/service/services.h"

namespace crucible::runtime {
namespace {

constexpr std::uint64_t kLogBytesMax = 4u << 20;  // rotated beyond it even when nobody asks
constexpr std::uint32_t kLogsKept = 4;

class SystemService final : public NamedService {
public:
    SystemService(std::string name, Workshop& shop)
        : NamedService(std::move(name), Category::system, kTogether), shop_(shop) {}

    void handle(std::span<const Event* const> events, std::span<HandleResult> results) override {
        lines_.clear();
        for (std::size_t i = 0; i < events.size(); ++i) {
            reset(results[i]);
            CRUCIBLE_LEAK_POINT("system");
            const std::size_t before = lines_.size();
            const auto done = apply(*events[i]);
            if (!done) lines_.resize(before);
            conclude(results[i], done, {Errc::failed});
        }
        auto written = shop_.log->append(lines_);
        if (written) {
            if (const auto rotated = shop_.log->rotate(kLogBytesMax, kLogsKept); !rotated) {
                written = std::unexpected(rotated.error());
            }
        }
        if (written) return;
        for (auto& result : results) {
            if (result.outcome == Outcome::handled) conclude(result, written);
        }
    }

private:
    Result<> apply(const Event& event) {
        const auto fields = parser_.parse(event.payload);
        if (!fields) return std::unexpected(fields.error());
        lines_.append(R"({"id":")").append(to_string(event.id)).append(R"(","source":)");
        append_json_string(lines_, event.source);
        lines_.append(R"(,"type":")").append(event.type).append("\"");
        auto done = apply_fields(event, *fields);
        lines_.append("}\n");
        return done;
    }

    Result<> apply_fields(const Event& event, const simdjson::dom::object& fields) {
        if (event.type == "metrics.reported") return add_metrics(fields);
        if (event.type == "log.rotated") return rotate(fields);
        if (event.type == "maintenance.requested") return maintain(fields);
        return invalid("unknown type " + event.type);
    }

    Result<> add_metrics(const simdjson::dom::object& fields) {
        const auto metrics = array_field(fields, "metrics");
        if (!metrics) return std::unexpected(metrics.error());
        // Twice: every entry is valid before the first is added.
        for (const bool add : {false, true}) {
            for (const auto element : *metrics) {
                simdjson::dom::object metric;
                if (element.get(metric) != simdjson::SUCCESS) {
                    return invalid("payload: a metric is not an object");
                }
                const auto name = string_field(metric, "name");
                if (!name) return std::unexpected(name.error());
                const auto value = number_field(metric, "value");
                if (!value) return std::unexpected(value.error());
                if (!add) continue;
                if (const auto done = shop_.metrics.add(*name, *value); !done) return done;
            }
        }
        lines_.append(R"(,"metrics":)");
        lines_.append(simdjson::minify(*metrics));
        return {};
    }

    Result<> rotate(const simdjson::dom::object& fields) {
        const auto bytes_max = integer_field(fields, "bytes_max");
        if (!bytes_max) return std::unexpected(bytes_max.error());
        const auto keep = integer_field(fields, "keep");
        if (!keep) return std::unexpected(keep.error());
        if (*bytes_max < 0 || *keep < 1 || *keep > 100) {
            return invalid("payload: bytes_max is at least 0 and keep 1 to 100");
        }
        const auto rotated = shop_.log->rotate(static_cast<std::uint64_t>(*bytes_max),
                                               static_cast<std::uint32_t>(*keep));
        if (!rotated) return std::unexpected(rotated.error());
        lines_.append(*rotated ? R"(,"rotated":true)" : R"(,"rotated":false)");
        return {};
    }

    Result<> maintain(const simdjson::dom::object& fields) {
        const auto task = string_field(fields, "task");
        if (!task) return std::unexpected(task.error());
        if (*task == "checkpoint") {
            const auto moved = shop_.database->checkpoint();
            if (!moved) return std::unexpected(moved.error());
            lines_.append(R"(,"pages_moved":)").append(std::to_string(*moved));
            return {};
        }
        if (*task == "prune_logs") {
            const auto removed = prune_rotated(shop_.log_path, kLogsKept);
            lines_.append(R"(,"logs_removed":)").append(std::to_string(removed));
            return {};
        }
        return invalid("payload: unknown task " + std::string(*task));
    }

    Workshop& shop_;
    PayloadParser parser_;
    std::string lines_;
};

}  // namespace

std::unique_ptr<Service> make_system_service(std::string name, Workshop& shop) {
    return std::make_unique<SystemService>(std::move(name), shop);
}

}  // namespace crucible::runtime
