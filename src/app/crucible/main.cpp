#include "crucible/measure.h"

int main(int argc, char** argv) {
    return crucible::measure(argc, argv);
}
