#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/file.h"

namespace crucible::lab {

/// A folder with proc/ and cgroups as a kernel would show them, for what the machine at hand does
/// not have.
class FakeRoot {
public:
    FakeRoot();

    const std::filesystem::path& path() const { return folder_.path(); }
    /// Makes the folders on the way.
    void write(const std::filesystem::path& file, std::string_view content) const;
    /// In proc/ of this process: a probe reads the clock of a real one.
    void write_process(const std::filesystem::path& file, std::string_view content) const;
    void remove(const std::filesystem::path& file) const;

private:
    base::TempDir folder_;
};

}  // namespace crucible::lab
