// For dlopen(): allocates when it is loaded, in threads, and when it is unloaded; then prints its
// ledger, so that the lines of all times that it was loaded add up.
#include "../ledger.h"

namespace {

Ledger* ledger = nullptr;
void* held = nullptr;
thread_local char large[100'000];

[[gnu::constructor]] void load() {
    static Ledger plugin("plugin");
    ledger = &plugin;
    held = ledger->take(1234);
}

[[gnu::destructor]] void unload() {
    ledger->give(held, 1234);
    ledger->print();
}

}  // namespace

extern "C" void plugin_touch() {
    large[77] = 1;  // the loader allocates it
    ledger->give(ledger->change(ledger->take(10), 10, 20'000), 20'000);
}
