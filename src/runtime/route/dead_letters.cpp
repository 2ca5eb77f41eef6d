#include "runtime/route/dead_letters.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "runtime/event/wire.h"

namespace crucible::runtime {

Result<Event> DeadLetter::event() const {
    Event event;
    if (auto decoded = decode_event(encoded, event); !decoded)
        return std::unexpected(decoded.error());
    return event;
}

std::size_t DeadLetter::bytes() const noexcept {
    return sizeof *this + type.size() + source.size() + reason.size() + encoded.size();
}

DeadLetters::DeadLetters(const Options& options) : options_(options) {
    CRUCIBLE_ASSERT(options.events_max >= 1);
}

Result<std::uint64_t> DeadLetters::add(const Event& event, const Death& death) {
    DeadLetter letter{.number = stats_.added++,
                      .id = event.id,
                      .category = event.category,
                      .type = event.type,
                      .source = event.source,
                      .reason = std::string(death.reason.substr(0, kReasonBytesMax)),
                      .attempts = death.attempts,
                      .first_failed = death.first_failed,
                      .last_failed = death.last_failed,
                      .encoded = {}};
    if (auto encoded = encode_event(event, letter.encoded); !encoded) {
        ++stats_.dropped;
        return std::unexpected(encoded.error());
    }
    const std::size_t bytes = letter.bytes();
    if (bytes > options_.bytes_max) {
        ++stats_.dropped;
        return std::unexpected(Error{Errc::overloaded, {}});
    }
    while (letters_.size() == options_.events_max || stats_.bytes + bytes > options_.bytes_max) {
        stats_.bytes -= letters_.front().bytes();
        letters_.pop_front();
        ++stats_.dropped;
    }
    stats_.bytes += bytes;
    letters_.push_back(std::move(letter));
    stats_.held = letters_.size();
    return letters_.back().number;
}

std::optional<DeadLetter> DeadLetters::take_at(std::deque<DeadLetter>::iterator place) {
    std::optional<DeadLetter> letter(std::move(*place));
    letters_.erase(place);
    stats_.bytes -= letter->bytes();
    ++stats_.taken;
    stats_.held = letters_.size();
    return letter;
}

std::optional<DeadLetter> DeadLetters::take(std::uint64_t number) {
    const auto place = std::ranges::lower_bound(letters_, number, {}, &DeadLetter::number);
    if (place == letters_.end() || place->number != number) return std::nullopt;
    return take_at(place);
}

std::optional<DeadLetter> DeadLetters::take_oldest() {
    if (letters_.empty()) return std::nullopt;
    return take_at(letters_.begin());
}

}  // namespace crucible::runtime
