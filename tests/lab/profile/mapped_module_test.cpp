#include "lab/profile/mapped_module.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/file.h"
#include "base/process.h"

namespace crucible::lab {
namespace {

std::vector<MappedModule> parsed_maps(std::string_view text) {
    auto modules = parse_maps(text);
    EXPECT_TRUE(modules) << modules.error().message;
    return std::move(modules).value_or(std::vector<MappedModule>());
}

// Only code is on stacks: data, heap and stacks would make every later search longer.
TEST(ParseMaps, KeepsWhatIsExecutable) {
    const auto modules = parsed_maps(
        "00400000-00452000 r-xp 00000000 08:02 173521      /usr/bin/dbus-daemon\n"
        "00651000-00652000 r--p 00051000 08:02 173521      /usr/bin/dbus-daemon\n"
        "00e03000-00e24000 rw-p 00000000 00:00 0           [heap]\n"
        "35b1a21000-35b1a22000 r-xp 0001f000 08:02 135522  /usr/lib64/ld-2.15.so\n");
    ASSERT_EQ(modules.size(), 2u);
    EXPECT_EQ(
        modules[0],
        (MappedModule{
            .path = "/usr/bin/dbus-daemon", .start = 0x400000, .end = 0x452000, .file_offset = 0}));
    EXPECT_EQ(modules[1], (MappedModule{.path = "/usr/lib64/ld-2.15.so",
                                        .start = 0x35b1a21000,
                                        .end = 0x35b1a22000,
                                        .file_offset = 0x1f000}));
}

// Names are whatever people call their files; the kernel quotes nothing but line breaks.
TEST(ParseMaps, TakesPathsAsTheyAre) {
    const auto modules = parsed_maps(
        "1000-2000 r-xp 00000000 08:02 1                   /opt/my app/lib  two.so\n"
        "2000-3000 r-xp 00000000 08:02 2                   /opt/a\\012b.so\n"
        "3000-4000 r-xp 00000000 08:02 3                   /opt/libold.so (deleted)\n"
        "4000-5000 r-xp 00000000 08:02 4                   /opt/x (deleted) (deleted)\n"
        "5000-6000 r-xp 00000000 00:00 0 \n"
        "6000-7000 r-xp 00000000 00:00 0\n"
        "7000-8000 r-xp 00000000 00:00 0                   [vdso]\n"
        "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0      [vsyscall]\n"
        "8000-9000 r-xs 00001000 00:01 77                  /memfd:jit code (deleted)\n");
    ASSERT_EQ(modules.size(), 9u);
    EXPECT_EQ(modules[0].path, "/opt/my app/lib  two.so");
    EXPECT_EQ(modules[0].name(), "lib  two.so");
    EXPECT_EQ(modules[1].path, "/opt/a\nb.so");
    EXPECT_EQ(modules[2].path, "/opt/libold.so");
    EXPECT_TRUE(modules[2].deleted);
    EXPECT_FALSE(modules[1].deleted);
    EXPECT_EQ(modules[3].path, "/opt/x (deleted)");
    EXPECT_EQ(modules[4].path, "");
    EXPECT_EQ(modules[4].name(), "[anonymous]");
    EXPECT_EQ(modules[5].path, "");
    EXPECT_EQ(modules[6].name(), "[vdso]");
    EXPECT_EQ(modules[7].path, "/memfd:jit code");
    EXPECT_EQ(modules[8].end, 0xffffffffff601000);
}

TEST(ParseMaps, AnEmptyTextHasNoModules) {
    EXPECT_TRUE(parsed_maps("").empty());
}

// A map that was cut off would give addresses to the wrong module without a word.
TEST(ParseMaps, RefusesOtherTexts) {
    for (const auto* text :
         {"1000-2000 r-xp 00000000 08:02", "1000 2000 r-xp 0 08:02 1", "2000-1000 r-xp 0 08:02 1",
          "1000-2000 r-x 00000000 08:02 1", "zz-2000 r-xp 0 08:02 1", "\n",
          "10000000000000000-2 r-xp 0 08:02 1"}) {
        const auto modules = parse_maps(std::string("0-1000 r-xp 0 08:02 1 /a\n") + text + "\n");
        ASSERT_FALSE(modules) << text;
        EXPECT_EQ(modules.error().code, Errc::corrupt);
        EXPECT_TRUE(modules.error().message.starts_with("line 2 is none of /proc/<pid>/maps: '"))
            << modules.error().message;
    }
}

TEST(FindModule, TakesTheOneThatHoldsTheAddress) {
    const std::vector<MappedModule> modules = {{.path = "/a", .start = 0x1000, .end = 0x2000},
                                               {.path = "/b", .start = 0x2000, .end = 0x3000},
                                               {.path = "/c", .start = 0x5000, .end = 0x6000}};
    EXPECT_EQ(find_module(modules, 0xfff), std::nullopt);
    EXPECT_EQ(find_module(modules, 0x1000), 0u);
    EXPECT_EQ(find_module(modules, 0x1fff), 0u);
    EXPECT_EQ(find_module(modules, 0x2000), 1u);
    EXPECT_EQ(find_module(modules, 0x3000), std::nullopt);
    EXPECT_EQ(find_module(modules, 0x5fff), 2u);
    EXPECT_EQ(find_module(modules, 0x6000), std::nullopt);
    EXPECT_EQ(find_module({}, 0x1000), std::nullopt);
}

TEST(ReadBuildId, SaysWhyThereIsNone) {
    const auto folder = base::TempDir::make("profile");
    ASSERT_TRUE(folder);
    const auto text = folder->path() / "text";
    ASSERT_TRUE(base::write_file(text, "no ELF file"));
    EXPECT_EQ(read_build_id(text).error().message, text.string() + ": not an ELF file");
    EXPECT_EQ(read_build_id(folder->path() / "none").error().code, Errc::not_found);
}

// What the linker wrote is what identifies a file; 20 bytes of SHA-1 unless it is told otherwise.
TEST(ReadModules, ReadsARunningProcessWithItsBuildIds) {
    const auto modules = read_modules(::getpid());
    ASSERT_TRUE(modules) << modules.error().message;
    const auto own = find_module(*modules, reinterpret_cast<std::uintptr_t>(&parsed_maps));
    ASSERT_TRUE(own);
    const auto& module = (*modules)[*own];
    EXPECT_EQ(module.path, base::self_executable());
    EXPECT_EQ(module.build_id.size(), 40u);
    EXPECT_EQ(module.build_id, read_build_id(module.path));
    EXPECT_EQ(read_modules(0).error().code, Errc::not_found);
}

}  // namespace
}  // namespace crucible::lab
