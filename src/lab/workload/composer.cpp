#include "lab/workload/composer.h"

#include <array>
#include <charconv>
#include <chrono>

#include "base/assert.h"
#include "lab/workload/words.h"

namespace crucible::lab {
namespace {

// Words from here on are nouns and adjectives rather than "the" and "of": fit for names.
constexpr std::size_t kFirstNoun = 128;

constexpr auto kEpoch = std::chrono::sys_days(std::chrono::year(2026) / 1 / 1);

void append_number(std::string& out, std::uint64_t value) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    out.append(digits, end);
}

void append_padded(std::string& out, std::uint64_t value, int width) {
    char digits[20];
    for (int i = width; i-- > 0; value /= 10) digits[i] = static_cast<char>('0' + value % 10);
    out.append(digits, static_cast<std::size_t>(width));
}

void append_name(std::string& out, std::string_view name) {
    if (out.back() != '{') out += ',';
    out.append("\"").append(name).append("\":");
}

}  // namespace

Composer::Composer(const WorkloadSpec& spec)
    : sizes_(spec.payload),
      accounts_(spec.accounts),
      seed_(spec.seed),
      corpus_(spec.seed),
      signer_(spec.webhook_secret),
      random_(spec.seed) {}

void Composer::begin(const Place& place, Event& event) {
    auto size = base::Rng::at(seed_, static_cast<std::uint64_t>(Stream::size), place.index);
    payload_bytes_ = sizes_.draw(size);
    random_ = base::Rng::at(seed_, static_cast<std::uint64_t>(Stream::payload), place.index);
    event.payload.clear();
    event.payload.reserve(payload_bytes_);
}

void Composer::compose(const Place& place, Event& event) {
    begin(place, event);
    switch (event.category) {
        case Category::filesystem:
            return compose_file(place, event);
        case Category::database:
            return compose_record(place, event);
        case Category::external:
            return compose_external(place, event);
        case Category::mcp:
            return compose_mcp(place, event);
        case Category::service:
            return compose_component(place, event);
        case Category::system:
            return compose_system(place, event);
        case Category::custom:
            break;
    }
    CRUCIBLE_ASSERT(event.category != Category::custom);
}

void Composer::text_field(std::string& out, std::string_view name, std::string_view value) {
    append_name(out, name);
    out.append("\"").append(value).append("\"");
}

void Composer::number_field(std::string& out, std::string_view name, std::uint64_t value) {
    append_name(out, name);
    append_number(out, value);
}

void Composer::decimal_field(std::string& out, std::string_view name, std::uint64_t value,
                             int digits) {
    std::uint64_t unit = 1;
    for (int i = 0; i < digits; ++i) unit *= 10;
    append_name(out, name);
    append_number(out, value / unit);
    out += '.';
    append_padded(out, value % unit, digits);
}

void Composer::time_field(std::string& out, std::string_view name, const Place& place) {
    // The stream's own time: an event every 7 ms or so, whatever the rate it is sent at.
    const std::uint64_t milliseconds = place.index * 7 + random_.below(7);
    const std::uint64_t seconds = milliseconds / 1000;
    const auto day = kEpoch + std::chrono::days(seconds / 86'400);
    const std::chrono::year_month_day date(day);
    append_name(out, name);
    out += '"';
    append_padded(out, static_cast<std::uint64_t>(int{date.year()}), 4);
    out += '-';
    append_padded(out, unsigned{date.month()}, 2);
    out += '-';
    append_padded(out, unsigned{date.day()}, 2);
    out += 'T';
    append_padded(out, seconds / 3600 % 24, 2);
    out += ':';
    append_padded(out, seconds / 60 % 60, 2);
    out += ':';
    append_padded(out, seconds % 60, 2);
    out += '.';
    append_padded(out, milliseconds % 1000, 3);
    out += "Z\"";
}

void Composer::pad(std::string& out, std::size_t closing_bytes) {
    const std::size_t wanted = payload_bytes_;
    if (out.size() + closing_bytes < wanted) {
        corpus_.append(out, wanted - closing_bytes - out.size(), random_);
    }
}

void Composer::content_fields(std::string& out, std::string_view closing) {
    text_field(out, "content_hash", "0123456789abcdef");
    const std::size_t hash_at = out.size() - 17;
    append_name(out, "content");
    out += '"';
    const std::size_t start = out.size();
    pad(out, closing.size() + 1);
    const auto hash = runtime::content_hash(std::string_view(out).substr(start));
    out.replace(hash_at, hash.size(), hash.data(), hash.size());
    out.append("\"").append(closing);
}

void Composer::padding_field(std::string& out, std::string_view name, std::string_view closing) {
    append_name(out, name);
    out += '"';
    pad(out, closing.size() + 1);
    out.append("\"").append(closing);
}

std::string_view Composer::noun() {
    return kWords[kFirstNoun + random_.below(kWords.size() - kFirstNoun)];
}

void Composer::file_path(std::string& out, const Place& place, std::uint64_t cycle,
                         std::uint64_t slot, bool moved) {
    auto random = base::Rng::at(seed_, static_cast<std::uint64_t>(Stream::file),
                                (cycle * 2 + slot) * place.clients + place.client);
    const auto draw = [&random] {
        return kWords[kFirstNoun + random.below(kWords.size() - kFirstNoun)];
    };
    static constexpr std::array<std::string_view, 4> kKinds = {".md", ".txt", ".json", ".csv"};
    // Eight directories per client and stage.
    out.append(moved ? "archive/" : "projects/").append(kWords[kFirstNoun + random.below(8)]);
    out.append("/").append(draw()).append("-").append(draw()).append("-");
    append_padded(out, cycle * 2 + slot, 7);
    out.append(kKinds[random.below(kKinds.size())]);
}

}  // namespace crucible::lab
