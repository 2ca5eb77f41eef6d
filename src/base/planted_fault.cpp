#include "base/planted_fault.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/units.h"

namespace crucible::base {
namespace {

constexpr const char* kFaultVariable = "CRUCIBLE_PLANTED_FAULT";
constexpr std::array<std::string_view, 2> kFaultPlaces{"service", "injector"};
constexpr Duration kFaultTimeMax = std::chrono::seconds(1);
constexpr std::size_t kFaultBytesMax = std::size_t{1} << 30;
constexpr std::size_t kMappedPagesRead = 32;

struct KindName {
    FaultPlan::Kind kind;
    std::string_view name;
    bool has_time;  ///< its amount is a time, else a size
};
constexpr std::array<KindName, 6> kKinds{{{FaultPlan::Kind::cpu, "cpu", true},
                                          {FaultPlan::Kind::mutex, "mutex", true},
                                          {FaultPlan::Kind::fsync, "fsync", false},
                                          {FaultPlan::Kind::pages, "pages", false},
                                          {FaultPlan::Kind::map, "map", false},
                                          {FaultPlan::Kind::wait, "wait", true}}};

std::unexpected<Error> no_fault(std::string_view text) {
    return std::unexpected(Error{
        Errc::invalid_argument,
        fmt::format("fault '{}': must be cpu:TIME, mutex:TIME, wait:TIME (up to 1s), fsync:BYTES, "
                    "pages:BYTES or map:BYTES (up to 1GiB; map at least a page), e.g. "
                    "mutex:200us",
                    text)});
}

[[noreturn]] void end_without(const char* what, int number) {
    std::fprintf(stderr, "planted fault: %s: %s\n", what, std::strerror(number));
    std::exit(2);
}

std::size_t page_bytes() {
    static const auto bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return bytes;
}

void compute(Duration time) noexcept {
    const Duration end = thread_cpu_time() + time;
    volatile std::uint64_t state = 1;
    while (thread_cpu_time() < end) {
        for (int i = 0; i < 100; ++i) state = state * 6364136223846793005u + 1442695040888963407u;
    }
}

std::mutex& contended() {
    static std::mutex mutex;
    return mutex;
}

/// A file of the process, in its temporary directory.
class FaultFile {
public:
    FaultFile() : directory_(TempDir::make("fault")) {
        if (!directory_) end_without("no temporary directory", errno);
        file_ = UniqueFd(
            ::open((directory_->path() / "file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        if (!file_) end_without("no file", errno);
    }

    int get() const noexcept { return file_.get(); }

    void write(std::size_t bytes) const {
        const std::vector<char> block(bytes < kBlock ? bytes : kBlock, 'x');
        for (std::size_t at = 0; at < bytes; at += block.size()) {
            if (::pwrite(file_.get(), block.data(), block.size(), static_cast<off_t>(at)) < 0)
                end_without("its file cannot be written", errno);
        }
    }

private:
    static constexpr std::size_t kBlock = 1 << 20;
    Result<TempDir> directory_;
    UniqueFd file_;
};

/// Written once, and mapped by whoever reads it.
class MappedFile {
public:
    explicit MappedFile(std::size_t bytes) : bytes_(bytes) {
        file_.write(bytes);
        if (::fsync(file_.get()) != 0) end_without("its file cannot be flushed", errno);
        void* const mapped = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file_.get(), 0);
        if (mapped == MAP_FAILED) end_without("its file cannot be mapped", errno);
        // Otherwise the kernel would bring neighbours along, and a smaller set of them would do.
        ::madvise(mapped, bytes, MADV_RANDOM);
        first_ = static_cast<const volatile char*>(mapped);
    }

    void read_page(std::uint64_t number) const {
        const std::size_t pages = bytes_ / page_bytes();
        [[maybe_unused]] const char byte = first_[number % pages * page_bytes()];
    }

private:
    FaultFile file_;
    std::size_t bytes_;
    const volatile char* first_ = nullptr;
};

}  // namespace

/// The thread's own.
struct PlantedFault::Memory {
    explicit Memory(std::size_t size) : bytes(size) {
        void* const mapped =
            ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (mapped == MAP_FAILED) end_without("no memory", errno);
        ::madvise(mapped, bytes, MADV_NOHUGEPAGE);
        first = static_cast<volatile char*>(mapped);
    }
    ~Memory() { ::munmap(const_cast<char*>(first), bytes); }
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;

    std::size_t bytes;
    volatile char* first;
};

/// Somebody who takes his time: a thread behind a pair of sockets.
class PlantedFault::Peer {
public:
    explicit Peer(Duration time) : time_(time) {
        std::array<int, 2> ends{};
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
            end_without("no sockets", errno);
        ours_ = UniqueFd(ends[0]);
        theirs_ = UniqueFd(ends[1]);
        answering_ = std::jthread([this] { answer(); });
    }
    ~Peer() { ::shutdown(ours_.get(), SHUT_RDWR); }
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;

    void ask() {
        char byte = 1;
        if (::send(ours_.get(), &byte, 1, MSG_NOSIGNAL) != 1) return;
        while (::recv(ours_.get(), &byte, 1, 0) < 0 && errno == EINTR) continue;
    }

private:
    void answer() {
        const auto whole = std::chrono::floor<std::chrono::seconds>(time_);
        const timespec pause{.tv_sec = whole.count(), .tv_nsec = (time_ - whole).count()};
        // Two descriptors: a wait for one of them would look like a wait for an answer.
        std::array<pollfd, 2> asked{{{theirs_.get(), POLLIN, 0}, {-1, 0, 0}}};
        for (;;) {
            if (::poll(asked.data(), asked.size(), -1) < 0 && errno != EINTR) return;
            char byte = 0;
            if (::recv(theirs_.get(), &byte, 1, MSG_DONTWAIT) == 0) return;
            ::ppoll(nullptr, 0, &pause, nullptr);
            if (::send(theirs_.get(), &byte, 1, MSG_NOSIGNAL) != 1) return;
        }
    }

    Duration time_;
    UniqueFd ours_;
    UniqueFd theirs_;
    std::jthread answering_;  // last: it uses the above
};

Result<FaultPlan> parse_fault(std::string_view text) {
    const auto colon = text.find(':');
    if (colon == std::string_view::npos) return no_fault(text);
    for (const auto& [kind, name, has_time] : kKinds) {
        if (name != text.substr(0, colon)) continue;
        FaultPlan plan{.kind = kind};
        if (has_time) {
            const auto time = parse_duration(text.substr(colon + 1));
            if (!time || *time <= Duration::zero() || *time > kFaultTimeMax) return no_fault(text);
            plan.time = *time;
        } else {
            const auto bytes = parse_bytes(text.substr(colon + 1));
            if (!bytes || *bytes == 0 || *bytes > kFaultBytesMax) return no_fault(text);
            // Whole pages of it are read.
            if (kind == FaultPlan::Kind::map && *bytes < page_bytes()) return no_fault(text);
            plan.bytes = *bytes;
        }
        return plan;
    }
    return no_fault(text);
}

PlantedFault::PlantedFault() = default;
PlantedFault::PlantedFault(const FaultPlan& plan) : plan_(plan), planted_(true) {}
PlantedFault::PlantedFault(PlantedFault&& other) noexcept = default;
PlantedFault::~PlantedFault() = default;

PlantedFault PlantedFault::of_place(std::string_view place) {
    const char* const given = std::getenv(kFaultVariable);
    if (given == nullptr || *given == '\0') return {};
    const std::string_view text(given);
    const auto colon = text.find(':');
    const auto plan =
        colon == std::string_view::npos ? no_fault(text) : parse_fault(text.substr(colon + 1));
    const auto asked = text.substr(0, colon);
    const bool is_place = std::ranges::find(kFaultPlaces, asked) != kFaultPlaces.end();
    if (!plan || !is_place) {
        fmt::print(stderr, "{} '{}': PLACE:FAULT, e.g. service:mutex:200us; {}\n", kFaultVariable,
                   given,
                   plan ? fmt::format("places are {}", fmt::join(kFaultPlaces, ", "))
                        : plan.error().message);
        std::exit(2);
    }
    if (asked != place) return {};
    return PlantedFault(*plan);
}

void PlantedFault::give_back_and_touch() {
    if (!memory_) memory_ = std::make_unique<Memory>(plan_.bytes);
    ::madvise(const_cast<char*>(memory_->first), memory_->bytes, MADV_DONTNEED);
    for (std::size_t at = 0; at < memory_->bytes; at += page_bytes()) memory_->first[at] = 1;
}

void PlantedFault::strike() {
    if (!planted_) return;
    switch (plan_.kind) {
        case FaultPlan::Kind::cpu:
            return compute(plan_.time);
        case FaultPlan::Kind::mutex: {
            const std::lock_guard lock(contended());
            return compute(plan_.time);
        }
        case FaultPlan::Kind::fsync: {
            static const FaultFile file;
            file.write(plan_.bytes);
            if (::fsync(file.get()) != 0) end_without("its file cannot be flushed", errno);
            return;
        }
        case FaultPlan::Kind::pages:
            return give_back_and_touch();
        case FaultPlan::Kind::map: {
            static const MappedFile file(plan_.bytes);
            if (random_ == 0) random_ = reinterpret_cast<std::uintptr_t>(this) | 1;
            for (std::size_t i = 0; i < kMappedPagesRead; ++i) {
                // Marsaglia's (2003) xorshift: any pages will do.
                random_ ^= random_ << 13;
                random_ ^= random_ >> 7;
                random_ ^= random_ << 17;
                file.read_page(random_);
            }
            return;
        }
        case FaultPlan::Kind::wait:
            if (!peer_) peer_ = std::make_unique<Peer>(plan_.time);
            return peer_->ask();
    }
}

}  // namespace crucible::base
