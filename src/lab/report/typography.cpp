#include "lab/report/typography.h"

#include "base/units.h"
#include "lab/report/wording.h"

namespace crucible::lab::report {

std::string typeset(std::string_view figure) {
    std::string text;
    for (std::size_t i = 0; i < figure.size(); ++i) {
        const bool digit_follows =
            i + 1 < figure.size() && figure[i + 1] >= '0' && figure[i + 1] <= '9';
        const bool letter_before = i > 0 && figure[i - 1] != ' ' && figure[i - 1] != '[';
        if (figure[i] == '-' && digit_follows && !letter_before) {
            text += "\u2212";
        } else if (figure.substr(i, 3) == " us" &&
                   (i + 3 == figure.size() ||
                    std::string_view(" ,]").find(figure[i + 3]) != std::string_view::npos)) {
            text += "\u00a0µs";
            i += 2;
        } else if (figure[i] == ' ' && i > 0 && figure[i - 1] >= '0' && figure[i - 1] <= '9') {
            text += "\u00a0";
        } else {
            text += figure[i];
        }
    }
    return text;
}

std::string typeset_duration(double seconds) {
    return typeset(exact(base::format_duration(seconds)));
}

}  // namespace crucible::lab::report
