#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "crucible/error.h"
#include "crucible/time.h"

/// Bottlenecks that are put into a system on purpose, to see that they are called by their names.
/// Each is what it says: a mutex is really held, pages really fault.
namespace crucible::base {

/// What each event shall suffer.
struct FaultPlan {
    enum class Kind : std::uint8_t {
        cpu,    ///< the thread computes for `time` of its processor time
        mutex,  ///< the same while it holds the one mutex of the process
        fsync,  ///< `bytes` are written to a file of the process and flushed
        pages,  ///< `bytes` of the thread's memory are given back and touched again
        map,    ///< 32 pages, anywhere in a mapped file of `bytes`, are read
        wait,   ///< a peer is asked over a socket, and answers after `time`
    };
    Kind kind{};
    Duration time{};
    std::size_t bytes = 0;
};

/// "cpu:200us", "mutex:200us", "fsync:4KiB", "pages:256KiB", "map:64MiB", "wait:2ms"; times up to
/// 1 s, sizes up to 1 GiB, that of a map at least a page.
/// - Errc::invalid_argument: names what is allowed.
Result<FaultPlan> parse_fault(std::string_view text);

/// Each thread has its own; what they contend for is the process's.
class PlantedFault {
public:
    explicit PlantedFault(const FaultPlan& plan);
    /// What `place` shall suffer, by the environment variable CRUCIBLE_PLANTED_FAULT:
    /// "PLACE:FAULT", e.g. "service:mutex:200us". Nothing where it names another place or is not
    /// set. Ends the process, with a line that says why, where it is not of that form or its place
    /// is none that there is.
    static PlantedFault of_place(std::string_view place);
    PlantedFault(PlantedFault&& other) noexcept;
    ~PlantedFault();

    /// Suffers it once. A fault that cannot be had (no room for its file) ends the process: what it
    /// would show without it would be false.
    void strike();

private:
    class Peer;
    struct Memory;

    PlantedFault();
    void give_back_and_touch();

    FaultPlan plan_;
    bool planted_ = false;
    std::unique_ptr<Memory> memory_;
    std::unique_ptr<Peer> peer_;
    std::uint64_t random_ = 0;
};

}  // namespace crucible::base

/// Each of `events` suffers what is planted at `place`. Only builds with CRUCIBLE_FAILPOINTS have
/// such places; nothing of them is in any other.
#ifdef CRUCIBLE_FAILPOINTS
#define CRUCIBLE_FAULT_POINT(place, events)                                          \
    do {                                                                             \
        thread_local auto planted = ::crucible::base::PlantedFault::of_place(place); \
        for (std::size_t left = (events); left > 0; --left) planted.strike();        \
    } while (false)
#else
#define CRUCIBLE_FAULT_POINT(place, events) static_cast<void>(0)
#endif
