#include "lab/profile/symbolizer.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "lab/profile/known_process.h"
#include "lab/profile/symbolized_profile.h"

namespace crucible::lab {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr std::string_view kHidden = "known::(anonymous)::hidden(void (*)())";
constexpr std::string_view kInlined = "known::inlined(void (*)())";
constexpr std::string_view kVisit = "known::Box<long>::visit(long, void (*)())";
constexpr std::string_view kNeverReturns = "known::never_returns(void (*)())";
constexpr std::string_view kEndsWithCall = "known::ends_with_call(void (*)())";

/// The stacks of known/known.cpp. Its program is stack_[0] and what is behind stack_[5].
class KnownSymbols : public KnownProcess {
protected:
    /// "function:line" of each function at the library's addresses, the innermost first; '^' before
    /// what is inlined.
    static std::vector<std::string> places(Symbolizer& symbolizer,
                                           std::span<const std::uint64_t> stack) {
        std::vector<std::string> places;
        for (const auto address : stack.subspan(1, 5)) {
            for (const auto& frame : symbolizer.frames(address - 1)) {
                EXPECT_EQ(frame.line > 0, frame.file.ends_with("/known/known.cpp"));
                places.push_back(
                    fmt::format("{}{}:{}", frame.inlined ? "^" : "", frame.function, frame.line));
            }
        }
        return places;
    }
    static std::string at(std::string_view function, int line) {
        return fmt::format("{}:{}", function, line);
    }
    /// The library's own remark.
    std::string remark(const Symbolizer& symbolizer) const {
        for (const auto& remark : symbolizer.remarks()) {
            if (remark.starts_with(library_.string() + ": "))
                return remark.substr(library_.string().size() + 2);
        }
        return {};
    }
    /// Puts the separated debug information where Debian's debug packages put it, below `folder`.
    std::filesystem::path install_debug_file(const std::filesystem::path& folder) const {
        const auto& id = library_module().build_id;
        const auto path = folder / ".build-id" / id.substr(0, 2) / (id.substr(2) + ".debug");
        std::filesystem::create_directories(path.parent_path());
        std::filesystem::copy_file(known("known.debug"), path);
        return path;
    }
    std::vector<std::string> all_places() const {
        return {at(kHidden, 16),       "^" + at(kInlined, 23), at(kVisit, 30),
                at(kNeverReturns, 36), at(kEndsWithCall, 43),  "run_known:57"};
    }
};

// The whole of it: lines as they are in the file, the inlined function as a frame of its own, and
// ends_with_call, of which the return address is no longer part.
TEST_F(KnownSymbols, AreExactWithDebugInformation) {
    run("libknown.so");
    Symbolizer symbolizer(modules_);
    EXPECT_EQ(places(symbolizer, stack_), all_places());
    EXPECT_EQ(remark(symbolizer), "");
    const auto& frames = symbolizer.frames(stack_[2] - 1);
    ASSERT_EQ(frames.size(), 2u);
    EXPECT_EQ(frames[0].symbol, "_ZN5known7inlinedEPFvvE");
    EXPECT_EQ(frames[0].first_line, 22);
    EXPECT_EQ(frames[1].symbol, "_ZN5known3BoxIlE5visitElPFvvE");
    EXPECT_EQ(frames[1].first_line, 29);
    const auto module = symbolizer.module_of(stack_[1]);
    ASSERT_TRUE(module);
    EXPECT_EQ(symbolizer.symbols_of(*module),
              (ModuleSymbols{.source = SymbolSource::debug, .debug_path = library_}));
}

// A blank in a path, which /proc/<pid>/maps does not quote.
TEST_F(KnownSymbols, AreFoundInFilesWithBlanksInTheirNames) {
    run("libknown.so", "lib known (1).so");
    Symbolizer symbolizer(modules_);
    EXPECT_EQ(places(symbolizer, stack_), all_places());
}

TEST_F(KnownSymbols, OfATableHaveNoLines) {
    run("known_table.so");
    Symbolizer symbolizer(modules_);
    EXPECT_THAT(places(symbolizer, stack_),
                ElementsAre(at(kHidden, 0), at(kVisit, 0), at(kNeverReturns, 0),
                            at(kEndsWithCall, 0), "run_known:0"));
    EXPECT_EQ(remark(symbolizer), "no debug information: no lines, nothing inlined");
}

// Jumps to other modules stand behind _init, which has no size, in a section of their own.
TEST_F(KnownSymbols, DoNotReachIntoTheNextSection) {
    run("libknown.so");
    Symbolizer symbolizer(modules_);
    const auto start = library_module().start;
    EXPECT_EQ(symbolizer.frames(start).at(0).function, "_init");
    EXPECT_THAT(symbolizer.frames(start + 0x20).at(0).function, StartsWith("libknown.so+0x"));
}

// A function that is not exported must not be given the name of the exported one before it.
TEST_F(KnownSymbols, ThatAreNotExportedBecomePlaces) {
    run("known_stripped.so");
    Symbolizer symbolizer(modules_);
    const auto found = places(symbolizer, stack_);
    ASSERT_EQ(found.size(), 5u);
    const auto& module = library_module();
    for (std::size_t i = 0; i < 4; ++i) {
        const auto place = stack_[i + 1] - 1 - module.start + module.file_offset;
        EXPECT_EQ(found[i], fmt::format("libknown.so+{:#x}:0", place));
    }
    EXPECT_EQ(found[4], "run_known:0");
    EXPECT_EQ(
        remark(symbolizer),
        "only the names that it exports: no debug file for it is installed; 4 addresses shown as "
        "places in it");
}

// The watched program itself: stripped, and position-dependent.
TEST_F(KnownSymbols, OfAModuleWithoutAnyAreARemark) {
    run("libknown.so");
    Symbolizer symbolizer(modules_);
    const auto& frames = symbolizer.frames(stack_[0] - 1);
    ASSERT_EQ(frames.size(), 1u);
    // It is linked for a fixed address, so that places in it are those of the process.
    EXPECT_EQ(frames[0].function, fmt::format("known_stack+{:#x}", stack_[0] - 1));
    EXPECT_EQ(frames[0].line, 0);
    EXPECT_THAT(symbolizer.remarks(),
                ElementsAre(known("known_stack") +
                            ": no symbols: it is stripped, and no debug file for it is installed; "
                            "1 address shown as places in it"));
}

TEST_F(KnownSymbols, AreFoundInSeparatedFilesByBuildId) {
    run("known_stripped.so");
    const auto debug = install_debug_file(folder_.path() / "debug");
    Symbolizer symbolizer(modules_, {.debug_folders = folder_.path() / "debug"});
    EXPECT_EQ(places(symbolizer, stack_), all_places());
    EXPECT_EQ(symbolizer.symbols_of(*symbolizer.module_of(stack_[1])).debug_path, debug);
    EXPECT_EQ(remark(symbolizer), "");
}

TEST_F(KnownSymbols, AreFoundInSeparatedFilesByLink) {
    run("known_linked.so");
    std::filesystem::create_directory(folder_.path() / ".debug");
    std::filesystem::copy_file(known("known.debug"), folder_.path() / ".debug" / "known.debug");
    Symbolizer symbolizer(modules_);
    EXPECT_EQ(places(symbolizer, stack_), all_places());
}

// An update while a profile waits to be read: the new file has other code at the same places, and
// its names would be wrong without a sign of it.
TEST_F(KnownSymbols, OfAChangedFileAreNotUsed) {
    run("libknown.so");
    std::filesystem::copy_file(known("libknown_newer.so"), library_,
                               std::filesystem::copy_options::overwrite_existing);
    Symbolizer symbolizer(modules_);
    EXPECT_THAT(places(symbolizer, stack_), testing::Each(StartsWith("libknown.so+0x")));
    EXPECT_THAT(remark(symbolizer),
                StartsWith("no symbols: the file has changed since (build id "));
    EXPECT_THAT(remark(symbolizer),
                HasSubstr(", then " + library_module().build_id.substr(0, 12) + ")"));
    EXPECT_EQ(symbolizer.symbols_of(*symbolizer.module_of(stack_[1])).source, SymbolSource::none);
}

// But what was installed for the old one is still true of it.
TEST_F(KnownSymbols, OfAFileThatIsGoneAreReadFromItsSeparatedFile) {
    run("known_stripped.so");
    std::filesystem::remove(library_);
    install_debug_file(folder_.path() / "debug");
    Symbolizer symbolizer(modules_, {.debug_folders = folder_.path() / "debug"});
    EXPECT_EQ(places(symbolizer, stack_), all_places());
    EXPECT_EQ(remark(symbolizer), "");
}

TEST_F(KnownSymbols, OfAFileThatIsGoneAreARemark) {
    run("libknown.so");
    std::filesystem::remove(library_);
    Symbolizer symbolizer(modules_);
    EXPECT_THAT(places(symbolizer, stack_), testing::Each(StartsWith("libknown.so+0x")));
    EXPECT_EQ(remark(symbolizer),
              "no symbols: No such file or directory; 5 addresses shown as places in it");
}

// Without an id nothing tells that the file at the path is the one that was mapped.
TEST_F(KnownSymbols, OfADeletedFileWithoutABuildIdAreNotGuessed) {
    run("libknown.so");
    for (auto& module : modules_) {
        if (module.path != library_) continue;
        module.build_id.clear();
        module.deleted = true;
    }
    Symbolizer symbolizer(modules_);
    EXPECT_THAT(places(symbolizer, stack_), testing::Each(StartsWith("libknown.so+0x")));
    EXPECT_EQ(remark(symbolizer),
              "no symbols: the file was deleted or replaced while it was mapped; 5 addresses shown "
              "as places in it");
}

TEST_F(KnownSymbols, OfAFileThatIsNoElfFileAreARemark) {
    run("libknown.so");
    ASSERT_TRUE(base::write_file(library_,
                                 "\x7f"
                                 "ELF"));
    Symbolizer symbolizer(modules_);
    EXPECT_THAT(places(symbolizer, stack_), testing::Each(StartsWith("libknown.so+0x")));
    EXPECT_THAT(remark(symbolizer), StartsWith("no symbols: "));
}

TEST(Symbolizer, NamesAddressesOfNoFile) {
    Symbolizer symbolizer(
        {{.start = 0x1000, .end = 0x2000}, {.path = "[vdso]", .start = 0x5000, .end = 0x6000}});
    EXPECT_EQ(symbolizer.frames(0x10), (std::vector<Frame>{{.function = "0x10"}}));
    EXPECT_EQ(symbolizer.frames(0x1010), (std::vector<Frame>{{.function = "[anonymous]+0x10"}}));
    EXPECT_EQ(symbolizer.frames(0x5020), (std::vector<Frame>{{.function = "[vdso]+0x20"}}));
    symbolizer.frames(0x10);  // known: it does not count twice
    EXPECT_THAT(symbolizer.remarks(),
                ElementsAre("memory without a file: no symbols: it is no file; 1 address shown as "
                            "places in it",
                            "[vdso]: no symbols: it is no file; 1 address shown as places in it",
                            "1 address in no module that was mapped"));
}

// Callers are looked up in their call instruction, an interrupted instruction where it is.
TEST_F(KnownSymbols, OfProfilesAreThoseOfTheCalls) {
    run("libknown.so");
    StackProfile profile(modules_, {{"alloc_space", "bytes"}});
    profile.add(std::span(stack_).subspan(1, 5), "queue", "worker", std::vector<std::int64_t>{64});
    const auto named = symbolize(profile);
    ASSERT_EQ(named.samples.size(), 1u);
    std::vector<std::string> found;
    for (const auto index : named.samples[0].stack) {
        for (const auto& frame : named.locations[index].frames)
            found.push_back((frame.inlined ? "^" : "") + at(frame.function, frame.line));
    }
    EXPECT_EQ(found, all_places());
    EXPECT_THAT(named.remarks, IsEmpty());

    Capture interrupted;
    interrupted.innermost = Innermost::instruction;
    StackProfile exact(modules_, {{"cpu", "nanoseconds"}}, interrupted);
    const auto first = stack_[1] - 1;
    exact.add(std::vector{first, stack_[2]}, "", "", std::vector<std::int64_t>{1});
    const auto exactly = symbolize(exact);
    EXPECT_EQ(exactly.locations.at(0).address, first);
    EXPECT_EQ(exactly.locations.at(1).address, stack_[2] - 1);
}

}  // namespace
}  // namespace crucible::lab
