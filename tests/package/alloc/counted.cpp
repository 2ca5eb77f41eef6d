// Prints what a thread counts of 1,000 blocks of 100 bytes and their table: "tracked 1001 108000".
#include <crucible/allocation.h>

#include <cstdio>
#include <memory>
#include <vector>

int main() {
    const crucible::AllocationOwner owner("parser");
    const auto before = crucible::thread_allocations();
    std::vector<std::unique_ptr<char[]>> blocks;
    {
        const crucible::AllocationScope scope(owner);
        blocks.reserve(1'000);
        for (int i = 0; i < 1'000; ++i) blocks.push_back(std::make_unique<char[]>(100));
    }
    const auto counted = crucible::thread_allocations() - before;
    std::printf("%s %llu %llu\n", crucible::allocations_tracked() ? "tracked" : "untracked",
                static_cast<unsigned long long>(counted.allocations),
                static_cast<unsigned long long>(counted.bytes));
}
