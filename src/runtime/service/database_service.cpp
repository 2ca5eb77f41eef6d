#include "base/planted_leak.h"
#include "runtime/service/payload.h"
#include "runtime/service/services.h"

namespace crucible::runtime {
namespace {

constexpr std::size_t kOperationsMax = 1000;

std::optional<RecordChange::Kind> parse_kind(std::string_view name) {
    if (name == "insert") return RecordChange::Kind::insert;
    if (name == "update") return RecordChange::Kind::update;
    if (name == "upsert") return RecordChange::Kind::upsert;
    if (name == "delete") return RecordChange::Kind::remove;
    return std::nullopt;
}

class DatabaseService final : public NamedService {
public:
    DatabaseService(std::string name, Workshop& shop)
        : NamedService(std::move(name), Category::database, kTogether), database_(*shop.database) {}

    void handle(std::span<const Event* const> events, std::span<HandleResult> results) override {
        used_ = 0;
        accepted_.clear();
        for (std::size_t i = 0; i < events.size(); ++i) {
            reset(results[i]);
            CRUCIBLE_LEAK_POINT("database");
            const std::size_t first = used_;
            const auto read = plan(*events[i]);
            if (!read) used_ = first;
            if (read) accepted_.push_back({i, first, used_ - first});
            conclude(results[i], read);
        }
        // Only now do the records stay where they are.
        changes_.clear();
        for (const auto& [index, first, count] : accepted_) {
            changes_.push_back({events[index], std::span(records_).subspan(first, count)});
        }
        outcomes_.assign(changes_.size(), {});
        database_.apply(changes_, outcomes_);
        for (std::size_t i = 0; i < accepted_.size(); ++i) {
            conclude(results[accepted_[i].index], outcomes_[i], {Errc::failed});
        }
    }

    CheckResult check() override {
        return database_.check() ? CheckResult::passed : CheckResult::failed;
    }

private:
    struct Accepted {
        std::size_t index;
        std::size_t first;
        std::size_t count;
    };

    /// The next record to fill, with the memory of an earlier batch.
    RecordChange& next_record(RecordChange::Kind kind, std::string_view key) {
        if (used_ == records_.size()) records_.emplace_back();
        RecordChange& record = records_[used_++];
        record.kind = kind;
        record.key.assign(key);
        record.body.clear();
        return record;
    }

    Result<> plan(const Event& event) {
        const auto fields = parser_.parse(event.payload);
        if (!fields) return std::unexpected(fields.error());
        if (event.type == "transaction.committed") return plan_transaction(*fields);
        const auto key = key_field(*fields);
        if (!key) return std::unexpected(key.error());
        if (event.type == "record.deleted") {
            next_record(RecordChange::Kind::remove, *key);
            return {};
        }
        const bool created = event.type == "record.created";
        if (!created && event.type != "record.updated")
            return invalid("unknown type " + event.type);
        if (const auto body = object_field(*fields, "fields"); !body) {
            return std::unexpected(body.error());
        }
        next_record(created ? RecordChange::Kind::insert : RecordChange::Kind::update, *key).body =
            event.payload;
        return {};
    }

    Result<> plan_transaction(const simdjson::dom::object& fields) {
        const auto operations = array_field(fields, "operations");
        if (!operations) return std::unexpected(operations.error());
        if (operations->size() == 0 || operations->size() > kOperationsMax) {
            return invalid("payload: a transaction has 1 to 1000 operations");
        }
        for (const auto element : *operations) {
            simdjson::dom::object operation;
            if (element.get(operation) != simdjson::SUCCESS) {
                return invalid("payload: an operation is not an object");
            }
            const auto name = string_field(operation, "op");
            if (!name) return std::unexpected(name.error());
            const auto kind = parse_kind(*name);
            if (!kind) return invalid("payload: unknown operation " + std::string(*name));
            const auto key = key_field(operation);
            if (!key) return std::unexpected(key.error());
            auto& record = next_record(*kind, *key);
            if (*kind == RecordChange::Kind::remove) continue;
            const auto body = object_field(operation, "fields");
            if (!body) return std::unexpected(body.error());
            record.body = simdjson::minify(*body);
        }
        return {};
    }

    static Result<std::string_view> key_field(const simdjson::dom::object& fields) {
        auto key = string_field(fields, "key");
        if (key && (key->empty() || key->size() > 200)) {
            return invalid("payload: a key has 1 to 200 bytes");
        }
        return key;
    }

    Database& database_;
    PayloadParser parser_;
    std::vector<RecordChange> records_;
    std::size_t used_ = 0;  ///< of records_, in this batch
    std::vector<Accepted> accepted_;
    std::vector<EventChanges> changes_;
    std::vector<Result<>> outcomes_;
};

}  // namespace

std::unique_ptr<Service> make_database_service(std::string name, Workshop& shop) {
    return std::make_unique<DatabaseService>(std::move(name), shop);
}

}  // namespace crucible::runtime
