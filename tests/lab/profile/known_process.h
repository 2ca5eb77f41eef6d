#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/process.h"
#include "lab/profile/stack_profile.h"

namespace crucible::lab {

/// Runs known_stack with a copy of one form of the known library, which it may do with as it
/// likes afterwards: the process has ended.
class KnownProcess : public testing::Test {
protected:
    /// `form` is a file that known/CMakeLists.txt builds, `name` what its copy is called.
    void run(const std::string& form, const std::string& name = "libknown.so") {
        library_ = folder_.path() / name;
        std::filesystem::copy_file(known(form), library_);
        const auto output = folder_.path() / "output";
        auto process = base::Process::start(
            {.arguments = {known("known_stack"), library_}, .standard_output = output});
        ASSERT_TRUE(process) << process.error().message;
        const auto status = process->wait(std::chrono::minutes(1));
        ASSERT_TRUE(status && status->exit_code == 0 && status->signal == 0);
        const auto text = base::read_file(output);
        ASSERT_TRUE(text);
        const auto maps = text->find("maps\n");
        ASSERT_NE(maps, std::string::npos);
        for (std::size_t at = 0; at < maps; at = text->find('\n', at) + 1)
            stack_.push_back(std::stoull(text->substr(at), nullptr, 16));
        auto modules = parse_maps(std::string_view(*text).substr(maps + 5));
        ASSERT_TRUE(modules) << modules.error().message;
        for (auto& module : *modules) {
            if (module.path.starts_with('/'))
                module.build_id = read_build_id(module.path).value_or("");
        }
        modules_ = std::move(*modules);
    }
    static std::string known(const std::string& file) {
        return std::string(KNOWN_FOLDER "/") + file;
    }
    const MappedModule& library_module() const {
        for (const auto& module : modules_) {
            if (module.path == library_) return module;
        }
        ADD_FAILURE() << "the library is not mapped";
        return modules_.at(0);
    }

    base::TempDir folder_ = *base::TempDir::make("profile");
    std::filesystem::path library_;
    std::vector<std::uint64_t> stack_;  ///< innermost first, return addresses
    std::vector<MappedModule> modules_;
};

}  // namespace crucible::lab
