#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

#include "alloc/preload/counter.h"

namespace crucible::alloc {

/// From a stack's hash to its number. Found in by anybody at any time; added to by one at a time.
/// In private memory, which can be as scattered as it likes: in a sparse file each place that is
/// touched would need memory set aside first.
class StackIndex {
public:
    constexpr StackIndex() noexcept = default;

    /// 0: it is not there. Hashes that differ in their last 20 bits alone are taken for one: that
    /// happens once in 2^44 pairs.
    std::uint32_t find(std::uint64_t hash) const noexcept {
        const Table* const table = __atomic_load_n(&table_, __ATOMIC_ACQUIRE);
        if (table == nullptr) return 0;
        for (std::size_t at = begin(hash, *table);; at = (at + 1) & table->mask) {
            const std::uint64_t word = __atomic_load_n(&table->words()[at], __ATOMIC_ACQUIRE);
            if (word == 0) return 0;
            if ((word ^ hash) >> kNumberBits == 0)
                return static_cast<std::uint32_t>(word & kNumbers);
        }
    }

    /// Makes room for one more. False: there is no memory.
    bool has_room() noexcept {
        if (table_ != nullptr && used_ < table_->mask / 2) return true;
        const std::size_t slots = table_ == nullptr ? kFirstSlots : 2 * (table_->mask + 1);
        void* const memory = ::mmap(nullptr, sizeof(Table) + slots * sizeof(std::uint64_t),
                                    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) return false;
        auto* const larger = static_cast<Table*>(memory);
        larger->mask = slots - 1;
        for (std::size_t i = 0; table_ != nullptr && i <= table_->mask; ++i)
            if (const std::uint64_t word = table_->words()[i]; word != 0) put(*larger, word);
        // The old one stays for who is looking in it.
        __atomic_store_n(&table_, larger, __ATOMIC_RELEASE);
        return true;
    }

    void add(std::uint64_t hash, std::uint32_t number) noexcept {
        put(*table_, (hash & ~kNumbers) | number);
        ++used_;
    }

    /// Only while nobody looks.
    void forget() noexcept {
        table_ = nullptr;
        used_ = 0;
    }

private:
    static constexpr unsigned kNumberBits = 20;
    static constexpr std::uint64_t kNumbers = (std::uint64_t{1} << kNumberBits) - 1;
    static constexpr std::size_t kFirstSlots = 4096;
    struct Table {
        std::size_t mask;
        std::size_t reserved;
        std::uint64_t* words() noexcept { return reinterpret_cast<std::uint64_t*>(this + 1); }
        const std::uint64_t* words() const noexcept {
            return reinterpret_cast<const std::uint64_t*>(this + 1);
        }
    };
    /// Depends on what a word keeps of its hash: the table grows.
    static std::size_t begin(std::uint64_t word, const Table& table) noexcept {
        return (word >> kNumberBits) & table.mask;
    }
    static void put(Table& table, std::uint64_t word) noexcept {
        std::size_t at = begin(word, table);
        while (table.words()[at] != 0) at = (at + 1) & table.mask;
        __atomic_store_n(&table.words()[at], word, __ATOMIC_RELEASE);
    }

    Table* table_ = nullptr;
    std::size_t used_ = 0;
};

}  // namespace crucible::alloc
