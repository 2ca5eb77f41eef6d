#include "lab/record/fake_root.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace crucible::lab {

FakeRoot::FakeRoot() : folder_(base::TempDir::make("fake-root").value()) {}

void FakeRoot::write(const std::filesystem::path& file, std::string_view content) const {
    std::filesystem::create_directories((path() / file).parent_path());
    const auto written = base::write_file(path() / file, content);
    EXPECT_TRUE(written) << written.error().message;
}

void FakeRoot::write_process(const std::filesystem::path& file, std::string_view content) const {
    write(std::filesystem::path("proc") / std::to_string(::getpid()) / file, content);
}

void FakeRoot::remove(const std::filesystem::path& file) const {
    std::filesystem::remove_all(path() / file);
}

}  // namespace crucible::lab
