// plugins LIBRARY: loads and unloads it, again and again.
#include <dlfcn.h>
#include <pthread.h>

#include "ledger.h"

namespace {

Ledger ledger("plugins");

void in_thread(void* (*work)(void*), void* argument) {
    pthread_t thread;
    if (pthread_create(&thread, nullptr, work, argument) != 0) Ledger::fail("no thread");
    pthread_join(thread, nullptr);
}

void plugin(const char* path) {
    for (int i = 0; i < 50; ++i) {
        void* const library = dlopen(path, RTLD_NOW);
        if (library == nullptr) Ledger::fail(dlerror());
        void* const touch = dlsym(library, "plugin_touch");
        if (touch == nullptr) Ledger::fail(dlerror());
        const auto work = [](void* function) -> void* {
            reinterpret_cast<void (*)()>(function)();
            return nullptr;
        };
        work(touch);
        in_thread(work, touch);
        ledger.give(ledger.take(500), 500);
        if (dlclose(library) != 0) Ledger::fail(dlerror());
    }
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 2) return 2;
    plugin(arguments[1]);
    ledger.print();
    _exit(0);
}
