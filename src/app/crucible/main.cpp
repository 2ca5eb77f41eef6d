#include <iostream>
#include <string_view>
#include <vector>

#include "app/crucible/command.h"

int main(int argc, char** argv) {
    const std::vector<std::string_view> args(argv + 1, argv + argc);
    return crucible::app::crucible_main(args, std::cout, std::cerr);
}
