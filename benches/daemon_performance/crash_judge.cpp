#include "daemon_performance/crash_judge.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <charconv>
#include <fstream>

#include "daemon_performance/crash_publisher.h"
#include "runtime/service/sqlite.h"

namespace crucible::bench {
namespace {

std::unexpected<Error> contract_broken(std::string what) {
    return std::unexpected(Error{Errc::failed, std::move(what)});
}

Result<std::uint64_t> number_of(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (status != std::errc{} || end != text.data() + text.size())
        return contract_broken(fmt::format("'{}' is not the number of an event", text));
    return number;
}

}  // namespace

std::string crash_source(std::uint32_t publisher) {
    return fmt::format("publisher-{}", publisher);
}

Result<> CrashJudge::add(std::string_view source, std::uint64_t number) {
    auto& [last, numbers] = sources_[std::string(source)];
    if (!numbers.insert(number).second)
        return contract_broken(
            fmt::format("event {} of {} was handled twice: {}", number, source, place_));
    if (numbers.size() > 1 && number < last)
        return contract_broken(fmt::format("event {} of {} was handled after its event {}: {}",
                                           number, source, last, place_));
    last = number;
    ++kept_;
    return {};
}

bool CrashJudge::kept(std::uint32_t publisher, std::uint64_t number) const {
    const auto found = sources_.find(crash_source(publisher));
    return found != sources_.end() && found->second.numbers.contains(number);
}

std::unexpected<Error> CrashJudge::lost(std::uint64_t missing, std::uint64_t expected) const {
    return contract_broken(
        fmt::format("{} of {} acknowledged events are not in {}", missing, expected, place_));
}

Result<> judge_database(const std::filesystem::path& file, const HandledEvents& acknowledged) {
    const auto handle = runtime::open_sqlite(file, SQLITE_OPEN_READWRITE);
    if (!handle) return std::unexpected(handle.error());
    // In the order in which they were written.
    const auto rows =
        runtime::prepare(handle->get(), "SELECT source, key, version FROM records ORDER BY id");
    if (!rows) return std::unexpected(rows.error());
    const auto text = [&](int column) {
        return std::string(reinterpret_cast<const char*>(sqlite3_column_text(rows->get(), column)));
    };
    CrashJudge judge(acknowledged, "the database");
    while (sqlite3_step(rows->get()) == SQLITE_ROW) {
        const auto number = number_of(text(1));
        if (!number) return std::unexpected(number.error());
        if (sqlite3_column_int64(rows->get(), 2) != 1)
            return contract_broken(
                fmt::format("event {} of {} was handled twice: the database", *number, text(0)));
        if (auto added = judge.add(text(0), *number); !added) return added;
    }
    const auto applied =
        runtime::query_integer(handle->get(), "SELECT count(*) FROM applied_events");
    if (!applied) return std::unexpected(applied.error());
    if (static_cast<std::uint64_t>(*applied) != judge.kept())
        return contract_broken(
            fmt::format("{} events were applied, {} wrote a record", *applied, judge.kept()));
    return judge.finish([](std::uint64_t number) { return !is_for_external_service(number); });
}

Result<> judge_ledger(const std::filesystem::path& file, const HandledEvents& acknowledged) {
    std::ifstream lines(file);
    if (!lines) return contract_broken(fmt::format("{} cannot be read", file.string()));
    CrashJudge judge(acknowledged, "the ledger");
    for (std::string id, source, text; lines >> id >> source >> text;) {
        const auto number = number_of(text);
        if (!number) return std::unexpected(number.error());
        if (auto added = judge.add(source, *number); !added) return added;
    }
    return judge.finish(is_for_external_service);
}

}  // namespace crucible::bench
