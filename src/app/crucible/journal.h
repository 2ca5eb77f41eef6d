#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crucible/error.h"
#include "lab/experiment/experiment.h"

namespace crucible::app {

/// What an interrupted comparison needs to go on, in the directory of its result: `journal.json`
/// says what is compared and where, `rounds/` holds each round that is whole. Both are written so
/// that a program killed at any moment leaves either a whole round or none.
class Journal {
public:
    /// Begins one. `words` are the command's, `identity` is all that must be the same when it goes
    /// on. - Errc::io and such: it cannot be written.
    static Result<Journal> begin(const std::filesystem::path& directory,
                                 std::span<const std::string_view> words,
                                 const nlohmann::json& identity);
    /// Reads one. - Errc::not_found: there is none in `directory`, or its comparison has ended.
    /// - Errc::corrupt, Errc::unsupported: it cannot be understood.
    static Result<Journal> open(const std::filesystem::path& directory);

    const std::vector<std::string>& words() const noexcept { return words_; }
    /// - Errc::invalid_argument: what differs between `identity` and the one it was begun with.
    Result<> check_identity(const nlohmann::json& identity) const;

    Result<> keep(std::size_t scenario, const lab::Round& round) const;
    /// The rounds kept, for each of `scenarios` those from the first on up to the first that is not
    /// there. - Errc::corrupt: the message names the file.
    Result<std::vector<std::vector<lab::Round>>> rounds(std::size_t scenarios) const;

    /// Removes it: the comparison is whole.
    void remove() const noexcept;

private:
    std::filesystem::path directory_;
    std::vector<std::string> words_;
    std::string identity_;  ///< as JSON
};

/// What a continued comparison must have in common with the one it continues: both targets, the
/// scenarios and their load, the seed, and the machine.
nlohmann::json experiment_identity(const lab::ExperimentOptions& options, double margin);

}  // namespace crucible::app
