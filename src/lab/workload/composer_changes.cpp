// Files and records: what their events do, step by step.
#include <array>

#include "lab/workload/composer.h"

namespace crucible::lab {
namespace {

// Files and records live this many cycles before they are deleted, so that the vault and the
// database hold some.
constexpr std::uint64_t kLifetimeCycles = 16;

enum class FileAct : std::uint8_t { created, modified, moved, deleted };
struct FileStep {
    FileAct act;
    std::uint64_t slot;  ///< which of the cycle's two files
    bool moved;          ///< whether it has been moved before this step
};
constexpr std::array<FileStep, 10> kFileSteps = {{
    {FileAct::created, 0, false},
    {FileAct::created, 1, false},
    {FileAct::modified, 0, false},
    {FileAct::moved, 0, false},
    {FileAct::modified, 1, false},
    {FileAct::deleted, 0, true},
    {FileAct::modified, 0, true},
    {FileAct::moved, 1, false},
    {FileAct::deleted, 1, true},
    {FileAct::modified, 1, true},
}};
// What a client does instead while it has no file old enough to delete: the file that stands at the
// step.
constexpr FileStep kEarlySteps[2] = {{FileAct::modified, 0, true}, {FileAct::modified, 1, true}};

enum class RecordAct : std::uint8_t { created, updated, deleted, transaction };
struct RecordStep {
    RecordAct act;
    std::uint64_t slot;   ///< which of the cycle's three records
    std::uint64_t early;  ///< for `deleted`: the record to update while none is old enough
};
constexpr std::array<RecordStep, 10> kRecordSteps = {{
    {RecordAct::created, 0, 0},
    {RecordAct::transaction, 0, 0},
    {RecordAct::created, 1, 0},
    {RecordAct::updated, 0, 0},
    {RecordAct::updated, 1, 0},
    {RecordAct::created, 2, 0},
    {RecordAct::deleted, 0, 1},
    {RecordAct::transaction, 0, 0},
    {RecordAct::updated, 2, 0},
    {RecordAct::deleted, 1, 0},
}};

constexpr std::array<std::string_view, 5> kStates = {"pending", "paid", "packed", "shipped",
                                                     "returned"};
constexpr std::array<std::string_view, 4> kCurrencies = {"EUR", "USD", "GBP", "SEK"};

}  // namespace

void Composer::compose_file(const Place& place, Event& event) {
    std::uint64_t cycle = place.turn / kFileSteps.size();
    FileStep step = kFileSteps[place.turn % kFileSteps.size()];
    if (step.act == FileAct::deleted && cycle < kLifetimeCycles) step = kEarlySteps[step.slot];
    if (step.act == FileAct::deleted) cycle -= kLifetimeCycles;

    // All at one priority: it is the order of the changes of a file that makes each possible.
    event.priority = Priority::normal;
    std::string& out = event.payload;
    key_.clear();
    file_path(key_, place, cycle, step.slot, step.moved);
    out += '{';
    text_field(out, "path", key_);
    text_field(out, "author", noun());
    switch (step.act) {
        case FileAct::created:
            event.type = "file.created";
            time_field(out, "created", place);
            return content_fields(out, "}");
        case FileAct::modified:
            event.type = "file.modified";
            time_field(out, "modified", place);
            return content_fields(out, "}");
        case FileAct::moved:
            event.type = "file.moved";
            key_.clear();
            file_path(key_, place, cycle, step.slot, true);
            text_field(out, "to", key_);
            time_field(out, "moved", place);
            return padding_field(out, "reason", "}");
        case FileAct::deleted:
            event.type = "file.deleted";
            time_field(out, "deleted", place);
            return padding_field(out, "reason", "}");
    }
}

void Composer::compose_record(const Place& place, Event& event) {
    std::uint64_t cycle = place.turn / kRecordSteps.size();
    RecordStep step = kRecordSteps[place.turn % kRecordSteps.size()];
    if (step.act == RecordAct::transaction) return compose_transaction(place, event);
    if (step.act == RecordAct::deleted) {
        if (cycle < kLifetimeCycles) {
            step = {RecordAct::updated, step.early, 0};
        } else {
            cycle -= kLifetimeCycles;
        }
    }
    event.priority = Priority::normal;
    std::string& out = event.payload;
    key_.assign("orders/").append(std::to_string(cycle * 3 + step.slot));
    out += '{';
    text_field(out, "key", key_);
    if (step.act == RecordAct::deleted) {
        event.type = "record.deleted";
        time_field(out, "deleted", place);
        return padding_field(out, "reason", "}");
    }
    event.type = step.act == RecordAct::created ? "record.created" : "record.updated";
    time_field(out, "changed", place);
    out += ",\"fields\":{";
    number_field(out, "customer", 10'000 + random_.below(90'000));
    text_field(out, "state", kStates[random_.below(kStates.size())]);
    decimal_field(out, "amount", random_.below(1'000'000), 2);
    text_field(out, "currency", kCurrencies[random_.below(kCurrencies.size())]);
    number_field(out, "items", 1 + random_.below(12));
    text_field(out, "warehouse", noun());
    padding_field(out, "note", "}}");
}

void Composer::compose_transaction(const Place& place, Event& event) {
    // Only records that no other event touches, so that its priority may differ from theirs.
    event.type = "transaction.committed";
    event.priority = Priority::high;
    std::string& out = event.payload;
    const std::string_view currency = kCurrencies[random_.below(kCurrencies.size())];
    const std::uint64_t amount = 100 + random_.below(1'000'000);
    const std::uint64_t account = accounts_.draw(random_);
    out += "{\"operations\":[";
    for (std::uint64_t entry = 0; entry < 2; ++entry) {
        key_.assign("entries/").append(std::to_string(place.turn)).append(entry == 0 ? "-a" : "-b");
        out += "{\"op\":\"insert\"";
        text_field(out, "key", key_);
        out += ",\"fields\":{";
        text_field(out, "side", entry == 0 ? "debit" : "credit");
        decimal_field(out, "amount", amount, 2);
        text_field(out, "currency", currency);
        out += "}},";
    }
    key_.assign("accounts/").append(std::to_string(account));
    out += "{\"op\":\"upsert\"";
    text_field(out, "key", key_);
    out += ",\"fields\":{";
    number_field(out, "last_entry", place.turn);
    decimal_field(out, "balance", random_.below(100'000'000), 2);
    out += "}}]";
    time_field(out, "committed", place);
    padding_field(out, "note", "}");
}

}  // namespace crucible::lab
