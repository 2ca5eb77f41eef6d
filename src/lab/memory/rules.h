#pragma once

#include <span>
#include <string_view>

#include "lab/memory/leak.h"

namespace crucible::lab {

// The rules that docs/design/leaks.md explains, for one course.

/// Values over events handled up to each, as growth.h has them.
struct Course {
    std::span<const double> events;
    std::span<const double> values;
    double unit = 0;  ///< what it grows by at least: 1 object; 0: not known
};

/// What can be said of a course before it is compared with those of other sites.
struct CourseTests {
    double trend_p = 1;  ///< "it does not rise"
    double leak_p = 1;   ///< "it does not rise, or only as random walks and steps do"
};
CourseTests test_course(const Course& course);

struct CourseVerdict {
    LeakVerdict verdict = LeakVerdict::inconclusive;
    std::string_view reason;
};
/// `adjusted` for all courses of the run; `slope_most` is the steepest that its interval
/// allows, up or down, of which `negligible` does not matter: what falls could hide a leak.
CourseVerdict judge_course(const Course& course, const CourseTests& adjusted, double alpha,
                           double slope_most, double negligible);

/// Of a site whose objects were counted too.
CourseVerdict together(const CourseVerdict& bytes, const CourseVerdict& objects, bool objects_rise);

/// Whether judge_course() calls it a leak with p-values to be compared with `alpha` as they are.
bool grows_as_leaks_do(const Course& course, double alpha);

}  // namespace crucible::lab
