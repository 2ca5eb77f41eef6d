#include "lab/profile/flame_graph.h"

#include <gmock/gmock.h>

#include <regex>

#include "base/file.h"
#include "base/process.h"
#include "lab/profile/demangle.h"
#include "lab/profile/flame_colour.h"
#include "lab/profile/flame_tree.h"
#include "lab/profile/utf8.h"
#include "lab/profile/written_profile.h"

namespace crucible::lab {
namespace {

using testing::HasSubstr;
using testing::Not;

/// "depth name x width" of each frame, as an XML parser that is not ours reads the picture.
std::string drawn_frames(const std::string& svg) {
    constexpr std::string_view kProgram =
        "import sys, xml.etree.ElementTree as tree\n"
        "space = '{http://www.w3.org/2000/svg}'\n"
        "for group in tree.parse(sys.argv[1]).iter(space + 'g'):\n"
        "    rect = group.find(space + 'rect')\n"
        "    name = group.find(space + 'title').text.split('\\n')[0]\n"
        "    print(group.get('data-depth'), name, rect.get('x'), rect.get('width'),\n"
        "          rect.get('y'))\n";
    const auto folder = base::TempDir::make("profile");
    const auto file = folder->path() / "graph.svg";
    const auto output = folder->path() / "output";
    EXPECT_TRUE(base::write_file(file, svg));
    auto process =
        base::Process::start({.arguments = {"/usr/bin/python3", "-c", std::string(kProgram), file},
                              .standard_output = output});
    EXPECT_TRUE(process);
    if (!process) return {};
    const auto status = process->wait(std::chrono::minutes(1));
    EXPECT_TRUE(status && status->exit_code == 0) << svg;
    return base::read_file(output).value_or("");
}

FlameGraphOptions titled(std::string title) {
    FlameGraphOptions options;
    options.title = std::move(title);
    return options;
}

/// One sample of `bytes` in main and `function`.
SymbolizedProfile one_stack(const std::string& function, std::int64_t bytes) {
    auto profile = written_profile();
    profile.locations[0].frames = {{.function = function}};
    profile.samples = {{.stack = {0, 1}, .owner = "queue", .values = {1, bytes}}};
    profile.remarks.clear();
    return profile;
}

// Children within their parents, siblings beside each other, widths in proportion to bytes: 4,096
// of them are 1,180 pixels.
TEST(FlameGraph, DrawsWidthsInProportion) {
    EXPECT_EQ(drawn_frames(write_flame_graph(written_profile(), 1, titled("t"))),
              "0 all 10 1180 150\n"
              "1 a;b\uFFFD 10 27.65625 132\n"
              "2 main 10 27.65625 114\n"
              "1 queue 37.65625 1152.344 132\n"
              "2 main 37.65625 1152.344 114\n"
              "3 libstripped.so+0x300 37.65625 288.0859 96\n"
              "3 work 325.7422 864.2578 96\n"
              "4 fold<a;b>(x&) 325.7422 864.2578 78\n");
}

TEST(FlameGraph, HangsFromTheRootAsAnIcicle) {
    auto options = titled("t");
    options.icicle = true;
    const auto frames = drawn_frames(write_flame_graph(one_stack("work", 8), 1, options));
    EXPECT_EQ(frames,
              "0 all 10 1180 78\n1 queue 10 1180 96\n2 main 10 1180 114\n3 work 10 1180 132\n");
}

// What a name says must not become markup: a profile of a web page's text, opened in a browser.
TEST(FlameGraph, EscapesNames) {
    auto profile = one_stack("</title><script>alert(1)</script>]]>\x01\xff", 8);
    profile.samples[0].owner = "\"'&";
    profile.remarks = {"<b>"};
    const auto svg = write_flame_graph(profile, 1, titled("<i> & \"so\""));
    EXPECT_THAT(drawn_frames(svg),
                HasSubstr("3 </title><script>alert(1)</script>]]>\uFFFD\uFFFD "));
    EXPECT_THAT(svg, Not(HasSubstr("<script>alert")));
    EXPECT_THAT(svg, Not(HasSubstr("<b>")));
    EXPECT_THAT(svg, HasSubstr("&lt;i&gt; &amp; &quot;so&quot;"));
}

// It is opened from a results folder, on machines without a network.
TEST(FlameGraph, LoadsNothing) {
    auto svg = write_flame_graph(written_profile(), 1, titled("t"));
    for (const std::string name : {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xhtml"})
        svg = std::regex_replace(svg, std::regex(name), "");
    EXPECT_THAT(svg, Not(HasSubstr("//www")));
    for (const auto* word : {"http:", "https:", "href", "@import", "url("})
        EXPECT_THAT(svg, Not(HasSubstr(word)));
}

TEST(FlameGraph, SaysWhatEachFrameHas) {
    const auto svg = write_flame_graph(written_profile(), 1, titled("t"));
    EXPECT_THAT(svg, HasSubstr("<title>work\n2.93 KiB (73.24 %)\ndaemon</title>"));
    EXPECT_THAT(svg, HasSubstr("/opt/lib/libstripped.so: no symbols</text>"));
    const auto counts = write_flame_graph(written_profile(), 0, titled("t"));
    EXPECT_THAT(counts, HasSubstr("<title>work\n2 (25.00 %)\ndaemon</title>"));
}

// Left out without a word they would look as if they had not been there.
TEST(FlameGraph, SaysHowManyFramesAreTooNarrow) {
    auto profile = written_profile();
    profile.samples = {{.stack = {0, 1}, .owner = "queue", .values = {1, 1'000'000}},
                       {.stack = {2, 1}, .owner = "queue", .values = {1, 10}}};
    const auto svg = write_flame_graph(profile, 1, titled("t"));
    EXPECT_THAT(drawn_frames(svg), Not(HasSubstr("libstripped.so+0x300")));
    EXPECT_THAT(svg, HasSubstr("1 frames narrower than 0.1 pixels are left out"));
}

TEST(FlameGraph, OfNothingSaysSo) {
    const auto svg =
        write_flame_graph(symbolize(StackProfile({}, allocation_kinds())), 3, titled("t"));
    EXPECT_EQ(drawn_frames(svg), "");
    EXPECT_THAT(svg, HasSubstr("There is nothing to show: no values."));
}

TEST(FlameGraph, ColoursByModuleOrOwner) {
    FlameTree tree;
    tree.add(written_profile(), 1, FlameSide::candidate, 1);
    tree.measure();
    const auto modules = FlamePalette(tree, FlameColour::module).key();
    ASSERT_EQ(modules.size(), 2u);
    EXPECT_EQ(modules[0].text, "daemon");
    EXPECT_EQ(modules[1].text, "libstripped.so");
    const FlamePalette by_owner(tree, FlameColour::owner);
    ASSERT_EQ(by_owner.key().size(), 2u);
    EXPECT_EQ(by_owner.key()[0].text, "queue");
    EXPECT_EQ(by_owner.key()[1].text, "a;b\n");
    // The same function, of two owners.
    std::vector<std::string> colours;
    for (const auto& node : tree.nodes()) {
        if (tree.names()[node.name] == "main") colours.push_back(by_owner.colour(node));
    }
    ASSERT_EQ(colours.size(), 2u);
    EXPECT_NE(colours[0], colours[1]);
}

// 3,000 bytes a function of the baseline's that the candidate does not have, 1,000 the other way
// round: both are seen, each as wide as where it is.
TEST(DifferentialFlameGraph, ShowsWhatOnlyOneOfThemHas) {
    const auto baseline = one_stack("old", 3000);
    const auto candidate = one_stack("renewed", 1000);
    const auto svg = write_differential_flame_graph(
        {.baseline = baseline, .candidate = candidate, .baseline_kind = 1, .candidate_kind = 1},
        titled("t"));
    EXPECT_EQ(drawn_frames(svg),
              "0 all 10 1180 132\n1 queue 10 1180 114\n2 main 10 1180 96\n3 old 10 885 78\n"
              "3 renewed 895 295 78\n");
    EXPECT_THAT(svg, HasSubstr("<title>old\nbaseline 2.93 KiB, candidate 0 B, −2.93 KiB (-100.0 "
                               "%)\ndaemon</title>"));
    EXPECT_THAT(svg, HasSubstr("<title>renewed\nbaseline 0 B, candidate 1000 B, +1000 B\ndaemon"));
    EXPECT_THAT(svg, HasSubstr("<title>main\nbaseline 2.93 KiB, candidate 1000 B, −1.95 KiB "
                               "(-66.7 %)\ndaemon"));
}

// One handled twice the events of the other: per event they do the same.
TEST(DifferentialFlameGraph, ComparesPerEvent) {
    const auto baseline = one_stack("work", 3000);
    const auto candidate = one_stack("work", 6000);
    const auto svg = write_differential_flame_graph({.baseline = baseline,
                                                     .candidate = candidate,
                                                     .baseline_kind = 1,
                                                     .candidate_kind = 1,
                                                     .baseline_scale = 0.5,
                                                     .candidate_scale = 0.25,
                                                     .per = "event"},
                                                    titled("t"));
    EXPECT_THAT(svg, HasSubstr("<title>work\nbaseline 1.46 KiB per event, candidate 1.46 KiB per "
                               "event, +0 B per event (+0.0 %)\ndaemon"));
    EXPECT_THAT(svg, HasSubstr("fill=\"" + difference_colour(1, 1) + "\"/><text"));
    EXPECT_THAT(svg, Not(HasSubstr("fill=\"" + difference_colour(1, 2) + "\"/><text x=\"13\"")));
}

// Three samples of 1,000 bytes each against six: a difference of 3,000 ± 5,880 may be all of the
// sampling, 60 against 30 not. Per event with half the events half of it.
TEST(DifferentialFlameGraph, DoesNotColourWhatSamplingMakes) {
    const auto graph_of = [](int baseline_samples, int candidate_samples, double scale) {
        const auto baseline = one_stack("work", 1000 * baseline_samples);
        const auto candidate = one_stack("work", 1000 * candidate_samples);
        const std::vector<double> before{1e6 * baseline_samples};
        const std::vector<double> after{1e6 * candidate_samples};
        return write_differential_flame_graph({.baseline = baseline,
                                               .candidate = candidate,
                                               .baseline_kind = 1,
                                               .candidate_kind = 1,
                                               .baseline_scale = scale,
                                               .candidate_scale = scale,
                                               .per = "event",
                                               .baseline_variances = before,
                                               .candidate_variances = after},
                                              titled("t"));
    };
    const auto few = graph_of(3, 6, 0.5);
    EXPECT_THAT(few, HasSubstr("+1.46 KiB per event (+100.0 %) ± 2.87 KiB per event"));
    EXPECT_THAT(few, HasSubstr("fill=\"" + difference_colour(1, 1) + "\"/><text x=\"13\""));
    EXPECT_THAT(few, HasSubstr("may be all of the sampling"));
    const auto many = graph_of(30, 60, 0.5);
    EXPECT_THAT(many, HasSubstr("fill=\"" + difference_colour(1, 2) + "\"/><text x=\"13\""));
    EXPECT_THAT(many, Not(HasSubstr("fill=\"" + difference_colour(1, 1) + "\"/><text x=\"13\"")));
}

TEST(DifferenceColour, GoesFromBlueToRed) {
    EXPECT_EQ(difference_colour(1, 0), "#5c9ee6");
    EXPECT_EQ(difference_colour(3, 3), "#f0f0f2");
    EXPECT_EQ(difference_colour(0, 0), "#f0f0f2");
    EXPECT_EQ(difference_colour(0, 5), "#ed6b52");
}

TEST(FormatValue, HasTheUnit) {
    EXPECT_EQ(format_value(12345, "count"), "12,345");
    EXPECT_EQ(format_value(2048, "bytes"), "2.00 KiB");
    EXPECT_EQ(format_value(2048, "byte_seconds"), "2.00 KiB·s");
    EXPECT_EQ(format_value(1'500'000, "nanoseconds"), "1.50 ms");
    EXPECT_EQ(format_value(3, "faults"), "3 faults");
}

// Where the whole name has no room, "void std::__cxx.." says less than what is called.
TEST(ShortName, IsWhatIsCalled) {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"main", "main"},
        {"int ns::fold<int, a::b<c>>(std::string const&)", "ns::fold"},
        {"ns::(anonymous)::Box<long>::visit(long, void (*)()) const",
         "ns::(anonymous)::Box::visit"},
        {"ns::f(int)::{lambda(long)#2}::operator()(long) const", "ns::f::{lambda#2}::operator()"},
        {"operator new(unsigned long)", "operator new"},
        {"operator delete[](void*)", "operator delete[]"},
        {"std::ostream& std::operator<< <char>(std::ostream&, char)", "std::operator<<"},
        {"std::string std::operator+<char>(char const*, std::string&&)", "std::operator+"},
        {"std::map<int, long>::operator[](int&&)", "std::map::operator[]"},
        {"bool ns::operator==(A const&, B const&)", "ns::operator=="},
        {"A::operator->() const", "A::operator->"},
        {"A::operator bool() const", "A::operator bool"},
        {"libelf-0.188.so+0xa9f0", "libelf-0.188.so+0xa9f0"},
        {"(weird", "(weird"},
        {"", ""}};
    for (const auto& [name, expected] : cases) EXPECT_EQ(short_name(name), expected) << name;
}

// Names as they are written in source code, not as the library has them.
TEST(Demangle, WritesNamesPlainly) {
    EXPECT_EQ(
        demangle("_ZN8crucible4base9in_quotesB5cxx11ESt17basic_string_viewIcSt11char_traitsIcEE"),
        "crucible::base::in_quotes(std::string_view)");
    EXPECT_EQ(
        demangle("_ZN2ns4foldERKSt6vectorIS0_INSt7__cxx1112basic_stringIcSt11char_traitsIcESaI"
                 "cEEESaIS6_EESaIS8_EE"),
        "ns::fold(std::vector<std::vector<std::string, std::allocator<std::string>>, "
        "std::allocator<std::vector<std::string, std::allocator<std::string>>>> const&)");
    EXPECT_EQ(demangle("_ZN12_GLOBAL__N_14workEi.constprop.0"), "(anonymous)::work(int)");
    EXPECT_EQ(demangle("malloc"), "malloc");
    EXPECT_EQ(demangle("_Z"), "_Z");
}

TEST(FlameGraph, LabelsWithWhatHasRoom) {
    auto profile = one_stack("void ns::first(int)", 1000);
    profile.locations[2].frames = {{.function = "void ns::second<int>(std::string const&)"}};
    profile.samples.push_back({.stack = {2, 1}, .owner = "queue", .values = {1, 60}});
    auto svg = write_flame_graph(profile, 1, titled("t"));
    EXPECT_THAT(svg, HasSubstr(">void ns::first(int)</text>"));
    EXPECT_THAT(svg, HasSubstr(" data-short=\"ns::second\"><title>void ns::second&lt;int&gt;("));
    EXPECT_THAT(svg, HasSubstr(">second</text>"));
    profile.samples.back().values[1] = 100;
    svg = write_flame_graph(profile, 1, titled("t"));
    EXPECT_THAT(svg, HasSubstr(">ns::second</text>"));
    profile.samples.back().values[1] = 30;
    svg = write_flame_graph(profile, 1, titled("t"));
    EXPECT_THAT(svg, HasSubstr(">se..</text>"));
}

TEST(CutTo, CountsLettersNotBytes) {
    EXPECT_EQ(cut_to("größer", 6), "größer");
    EXPECT_EQ(cut_to("größer", 5), "grö..");
    EXPECT_EQ(cut_to("", 3), "");
}

TEST(ValidUtf8, ReplacesOnlyWhatIsWrong) {
    EXPECT_EQ(valid_utf8("aß€😀"), "aß€😀");
    EXPECT_EQ(valid_utf8("a\x80z"), "a\uFFFDz");
    EXPECT_EQ(valid_utf8("\xe2\x82"), "\uFFFD\uFFFD");
    EXPECT_EQ(valid_utf8("\xc0\xaf"), "\uFFFD\uFFFD");
    EXPECT_EQ(valid_utf8("\xed\xa0\x80"), "\uFFFD\uFFFD\uFFFD");
    EXPECT_EQ(valid_utf8("\xf4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
}

}  // namespace
}  // namespace crucible::lab
