#include "crucible/measure.h"

#include <iostream>
#include <string_view>
#include <vector>

#include "app/crucible/command.h"

namespace crucible {

int measure(int argc, char** argv) {
    const std::vector<std::string_view> args(argv + 1, argv + argc);
    return app::crucible_main(args, std::cout, std::cerr);
}

}  // namespace crucible
