#include "lab/stats/multiple_comparisons.h"

#include <cmath>

#include "lab/stats/reference.h"

namespace crucible::lab::stats {
namespace {

TEST(Adjust, AgreesWithPAdjust) {
    const std::vector<std::pair<const char*, Adjustment>> methods{
        {"bonferroni", Adjustment::bonferroni},
        {"holm", Adjustment::holm},
        {"hochberg", Adjustment::hochberg},
        {"BH", Adjustment::benjamini_hochberg},
        {"BY", Adjustment::benjamini_yekutieli}};
    const auto cases = reference_cases("multiple_comparisons");
    EXPECT_EQ(cases.size(), 5u);
    for (const auto& test : cases) {
        for (const auto& [name, method] : methods) {
            SCOPED_TRACE(test.at("name").get<std::string>() + " " + name);
            const auto got = adjust(numbers(test.at("p")), method);
            const auto want = numbers(test.at("expect").at(name));
            ASSERT_EQ(got.size(), want.size());
            for (std::size_t i = 0; i < got.size(); ++i) {
                expect_close(got[i], want[i], test.at("rtol"));
            }
        }
    }
    EXPECT_TRUE(adjust({}, Adjustment::holm).empty());
}

// Four hypotheses at 5 %: the largest needs 80, two need 40 each, three 26.7.
TEST(EBenjaminiHochberg, RejectsTheLargestThatCarryEachOther) {
    using Indices = std::vector<std::size_t>;
    EXPECT_EQ(e_benjamini_hochberg(std::vector<double>{1, 79, 3, 2}, 0.05), Indices{});
    EXPECT_EQ(e_benjamini_hochberg(std::vector<double>{1, 80, 3, 2}, 0.05), Indices{1});
    EXPECT_EQ(e_benjamini_hochberg(std::vector<double>{40, 1, 3, 40}, 0.05), (Indices{0, 3}));
    EXPECT_EQ(e_benjamini_hochberg(std::vector<double>{40, 27, 3, 41}, 0.05), (Indices{0, 1, 3}));
    EXPECT_EQ(e_benjamini_hochberg(std::vector<double>{INFINITY, 0}, 0.05), Indices{0});
    EXPECT_EQ(e_benjamini_hochberg({}, 0.05), Indices{});
}

}  // namespace
}  // namespace crucible::lab::stats
