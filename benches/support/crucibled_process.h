#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "support/server_process.h"

namespace crucible::bench {

/// How the bench starts its daemon.
struct CrucibledOptions {
    std::string_view work = "none";
    std::string config = {};  ///< the text of its configuration file
    std::filesystem::path rules = {};
};

/// The `crucibled` beside this program, or the one that the environment variable CRUCIBLED names.
std::filesystem::path crucibled_program();

/// Starts it on a socket of its own. - the errors of ServerProcess::start().
Result<ServerProcess> start_crucibled(const CrucibledOptions& options);

std::filesystem::path crucibled_socket(const ServerProcess& daemon);
std::filesystem::path crucibled_data(const ServerProcess& daemon);

}  // namespace crucible::bench
