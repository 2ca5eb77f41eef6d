#include "lab/profile/pprof.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/process.h"
#include "lab/profile/protobuf.h"
#include "lab/profile/written_profile.h"

namespace crucible::lab {
namespace {

/// What a decoder that shares nothing with our writer reads in it.
std::string decoded(const std::string& pprof) {
    const auto folder = base::TempDir::make("profile");
    const auto file = folder->path() / "profile.pb.gz";
    const auto output = folder->path() / "output";
    EXPECT_TRUE(base::write_file(file, pprof));
    auto process = base::Process::start(
        {.arguments = {"/usr/bin/python3", "-B", DECODE_PPROF, file}, .standard_output = output});
    EXPECT_TRUE(process);
    if (!process) return {};
    const auto status = process->wait(std::chrono::minutes(1));
    EXPECT_TRUE(status && status->exit_code == 0 && status->signal == 0);
    return base::read_file(output).value_or("");
}

TEST(Pprof, SaysEverything) {
    const std::string fold = "fold<a;b>(x&) (_Z4fold) /src/fold.h:3 from 2";
    const std::string main = "  400200 in /opt/bin/daemon: main (main) /src/main.cpp:7 from 5\n";
    EXPECT_EQ(
        decoded(write_pprof(written_profile(), 1)),
        "mapping /opt/bin/daemon 400000-500000 offset 1000 build id ab12 knows 1111\n"
        "mapping /opt/lib/libstripped.so 7000000-7001000 offset 0 build id  knows 0000\n"
        "sample [2, 3000] owner='queue' thread='worker \"1\"'\n"
        "  400100 in /opt/bin/daemon: " +
            fold + " < work (_Z4work) /src/work.cpp:41 from 40\n" + main +
            "sample [1, 1000] owner='queue'\n"
            "  7000300 in /opt/lib/libstripped.so: libstripped.so+0x300 (libstripped.so+0x300) "
            ":0 from 0\n" +
            main + "sample [1, 0]\n  10 in none: 0x10 (0x10) :0 from 0\n" + main +
            "sample [4, 96] owner='a;b\\n'\n" + main +
            "kinds alloc_objects/count alloc_space/bytes first alloc_space\n"
            "period 512 space/bytes\n"
            "time 1700000000000000000 for 2000000000\n"
            "comment /opt/lib/libstripped.so: no symbols\n");
}

// Readers refuse a whole file for one string that is not UTF-8, and a thread can have any name.
TEST(Pprof, IsUtf8) {
    auto profile = written_profile();
    profile.samples = {{.stack = {1}, .thread = "w\xff", .values = {1, -1}}};
    EXPECT_NE(decoded(write_pprof(profile)).find("sample [1, -1] thread='w\xef\xbf\xbd'\n"),
              std::string::npos);
}

TEST(Pprof, OfNothingIsAProfileToo) {
    EXPECT_EQ(decoded(write_pprof(symbolize(StackProfile({}, allocation_kinds())))),
              "kinds alloc_objects/count alloc_space/bytes inuse_objects/count inuse_space/bytes "
              "lifetime/byte_seconds first alloc_objects\n"
              "period 1 space/bytes\n"
              "time 0 for 0\n");
}

// The examples of the encoding's own description.
TEST(ProtobufWriter, WritesAsDocumented) {
    ProtobufWriter number;
    number.number(1, std::uint64_t{150});
    EXPECT_EQ(number.message(), "\x08\x96\x01");
    ProtobufWriter text;
    text.bytes(2, "testing");
    EXPECT_EQ(text.message(), "\x12\x07testing");
    ProtobufWriter negative;
    negative.number(1, std::int64_t{-2});
    EXPECT_EQ(negative.message(), "\x08\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    ProtobufWriter packed;
    packed.packed(6, std::vector<std::uint64_t>{3, 270, 86942});
    EXPECT_EQ(packed.message(), "\x32\x06\x03\x8e\x02\x9e\xa7\x05");
    ProtobufWriter nothing;
    nothing.number(1, std::uint64_t{0});
    nothing.packed(2, {});
    EXPECT_EQ(nothing.message(), "");
}

}  // namespace
}  // namespace crucible::lab
