#pragma once

#include <string>

#include "base/rng.h"
#include "crucible/event.h"
#include "runtime/event/uuid.h"

namespace crucible::runtime {

/// Any bytes, mostly few: the interesting lengths of encodings are the short ones.
inline std::string random_bytes(base::Rng& random, std::size_t size_max) {
    std::string bytes(random.below(size_max + 1), '\0');
    for (auto& byte : bytes) byte = static_cast<char>(random.below(256));
    return bytes;
}

/// Printable ASCII with the characters that encodings treat specially; never empty.
inline std::string random_text(base::Rng& random, std::size_t size_max) {
    static constexpr std::string_view kCharacters = "abcXYZ019 ,%\"\\/{}[]:.-_\n\t";
    std::string text(1 + random.below(size_max), '\0');
    for (auto& c : text) c = kCharacters[random.below(kCharacters.size())];
    return text;
}

inline WallTime random_time(base::Rng& random) {
    return WallTime(Duration(static_cast<std::int64_t>(random.below(9'000'000'000'000'000'000u))));
}

inline Uuid random_uuid(base::Rng& random) {
    return make_uuid_v7(random_time(random), random);
}

/// An event in which every field takes all its forms: absent, empty where it may be, short, long.
inline Event random_event(base::Rng& random) {
    static constexpr std::string_view kContentTypes[] = {"application/json", "text/plain",
                                                         "application/octet-stream",
                                                         "application/ld+json; a=b", ""};
    static constexpr std::string_view kPayloads[] = {
        "",
        "{}",
        R"({"a": [1, 2.50, "x\"}]"], "b":{"c" : null}})",
        " {}",
        "{} ",
        "null",
        "\"text\"",
        "-1.5e3",
        "[]",
        "{",
        "plain \xC3\xA9",
        "\xEF\xBB\xBF{}",
        "1e999"};
    Event event;
    event.id = random_uuid(random);
    event.category = static_cast<Category>(random.below(kCategoryCount));
    event.priority = static_cast<Priority>(random.below(kPriorityCount));
    event.type = random_text(random, 30);
    event.source = random_text(random, 30);
    for (std::uint64_t i = random.below(4); i > 0; --i)
        event.targets.push_back(random.below(4) == 0 ? "" : random_text(random, 12));
    event.payload = random.below(2) == 0
                        ? std::string(kPayloads[random.below(std::size(kPayloads))])
                        : random_bytes(random, 70);
    event.content_type = kContentTypes[random.below(std::size(kContentTypes))];
    event.created = random_time(random);
    if (random.below(2) == 0) event.correlation_id = random_uuid(random);
    if (random.below(2) == 0) event.causation_id = random_uuid(random);
    event.attempt = static_cast<std::uint32_t>(random.next());
    if (random.below(2) == 0) event.deadline = random_time(random);
    if (random.below(2) == 0) event.not_before = random_time(random);
    return event;
}

}  // namespace crucible::runtime
