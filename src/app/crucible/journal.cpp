#include "app/crucible/journal.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <system_error>

#include "app/crucible/version.h"
#include "base/file.h"
#include "lab/compare/comparison.h"
#include "lab/compare/json_difference.h"
#include "lab/experiment/round_json.h"
#include "lab/record/environment.h"

namespace crucible::app {
namespace {

using nlohmann::json;

constexpr std::string_view kSchema = "crucible.journal/1";
constexpr std::string_view kFile = "journal.json";
constexpr std::string_view kRounds = "rounds";

std::filesystem::path round_path(const std::filesystem::path& directory, std::size_t scenario,
                                 std::size_t round) {
    return directory / kRounds / fmt::format("scenario{}-round{:04}.json", scenario + 1, round + 1);
}

/// "scenarios.0.load.clients: 4, was 8".
std::string worded(const lab::JsonDifference& difference) {
    if (!difference.second) return difference.place + ": is no longer there";
    return fmt::format("{}: {}, was {}", difference.place, *difference.second, difference.first);
}

}  // namespace

Result<Journal> Journal::begin(const std::filesystem::path& directory,
                               std::span<const std::string_view> words, const json& identity) {
    Journal journal;
    journal.directory_ = directory;
    journal.words_.assign(words.begin(), words.end());
    journal.identity_ = identity.dump();
    // Rounds of another comparison in the same place are not this one's.
    journal.remove();
    std::error_code status;
    std::filesystem::create_directories(directory / kRounds, status);
    if (status) {
        return std::unexpected(Error{
            Errc::io, fmt::format("{}: {}", (directory / kRounds).string(), status.message())});
    }
    const json object = {{"schema", kSchema}, {"command", journal.words_}, {"identity", identity}};
    const auto written = base::write_file(
        directory / kFile, object.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
    if (!written) return std::unexpected(written.error());
    return journal;
}

Result<Journal> Journal::open(const std::filesystem::path& directory) {
    const auto path = directory / kFile;
    const auto text = base::read_file(path);
    if (!text) {
        return std::unexpected(Error{
            Errc::not_found, fmt::format("--resume '{}': no comparison to go on with (no {} there)",
                                         directory.string(), kFile)});
    }
    try {
        const auto object = json::parse(*text);
        if (object.at("schema") != kSchema) {
            return std::unexpected(
                Error{Errc::unsupported, fmt::format("{}: of another version of crucible ({})",
                                                     path.string(), object.at("schema").dump())});
        }
        Journal journal;
        journal.directory_ = directory;
        journal.words_ = object.at("command").get<std::vector<std::string>>();
        journal.identity_ = object.at("identity").dump();
        return journal;
    } catch (const json::exception&) {
        return std::unexpected(Error{Errc::corrupt, path.string() + ": not a journal"});
    }
}

Result<> Journal::check_identity(const json& identity) const {
    const auto difference = lab::first_difference(json::parse(identity_), identity);
    if (!difference) return {};
    return std::unexpected(
        Error{Errc::invalid_argument,
              fmt::format("--resume '{}': rounds from then and now cannot be mixed: {}",
                          directory_.string(), worded(*difference))});
}

Result<> Journal::keep(std::size_t scenario, const lab::Round& round) const {
    return base::write_file(round_path(directory_, scenario, round.index), lab::encode(round));
}

Result<std::vector<std::vector<lab::Round>>> Journal::rounds(std::size_t scenarios) const {
    std::vector<std::vector<lab::Round>> all(scenarios);
    for (std::size_t s = 0; s < scenarios; ++s) {
        for (;;) {
            const auto path = round_path(directory_, s, all[s].size());
            std::error_code status;
            if (!std::filesystem::exists(path, status)) break;
            const auto text = base::read_file(path);
            if (!text) return std::unexpected(text.error());
            auto round = lab::decode_round(*text);
            if (!round || round->index != all[s].size()) {
                return std::unexpected(Error{
                    Errc::corrupt, fmt::format("{}: not a round of this comparison; remove it to "
                                               "measure it again",
                                               path.string())});
            }
            all[s].push_back(*std::move(round));
        }
    }
    return all;
}

void Journal::remove() const noexcept {
    std::error_code status;
    std::filesystem::remove_all(directory_ / kRounds, status);
    std::filesystem::remove(directory_ / kFile, status);
}

json experiment_identity(const lab::ExperimentOptions& options, double margin) {
    const auto machine = lab::read_environment();
    json scenarios = json::array();
    for (const auto& scenario : options.scenarios) {
        scenarios.push_back({{"name", scenario.name}, {"load", lab::load_json(scenario)}});
    }
    return {{"crucible", version()},
            {"baseline", options.baseline.text},
            {"candidate", options.candidate.text},
            {"seed", options.seed},
            {"margin", margin},
            {"scenarios", std::move(scenarios)},
            {"machine",
             {{"cpu", machine.cpu_model},
              {"cores", machine.cores},
              {"memory_bytes", machine.memory_bytes},
              {"kernel", machine.kernel}}}};
}

}  // namespace crucible::app
