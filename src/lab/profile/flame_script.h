#pragma once

#include <string_view>

namespace crucible::lab {

/// The style of a flame graph, and the script that makes it answer to the pointer. Both for a
/// CDATA section, and only for what is inside an <svg class="flame">.
extern const std::string_view kFlameStyle;
extern const std::string_view kFlameScript;

}  // namespace crucible::lab
