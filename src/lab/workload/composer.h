#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/rng.h"
#include "crucible/event.h"
#include "lab/workload/corpus.h"
#include "lab/workload/streams.h"
#include "lab/workload/workload.h"
#include "runtime/service/digest.h"

namespace crucible::lab {

/// Writes type, priority and payload of events. What a client's events of one category do follows a
/// table of ten steps (a cycle), so that the n-th can be written without the ones before it and
/// still fits them. docs/formats/payloads.md shows every type.
class Composer {
public:
    explicit Composer(const WorkloadSpec& spec);

    /// Fills event.type, event.priority and event.payload for event.category.
    void compose(const Place& place, Event& event);

    /// Fills category, type, priority and payload with what must be rejected.
    void compose_malformed(const Place& place, Event& event);
    /// The same with what is well-formed and cannot be done.
    void compose_failing(const Place& place, Event& event);

private:
    void begin(const Place& place, Event& event);
    void compose_file(const Place& place, Event& event);
    void compose_record(const Place& place, Event& event);
    void compose_transaction(const Place& place, Event& event);
    void compose_external(const Place& place, Event& event);
    void compose_call(const Place& place, std::string& out);
    void compose_webhook(const Place& place, std::string& out);
    void compose_notification(const Place& place, std::string& out);
    void compose_mcp(const Place& place, Event& event);
    void compose_tool_call(const Place& place, std::string_view document, std::string& out);
    void compose_component(const Place& place, Event& event);
    void compose_system(const Place& place, Event& event);
    void compose_metrics(const Place& place, std::string& out);

    // Building blocks: each appends. `name` is the field's.
    void text_field(std::string& out, std::string_view name, std::string_view value);
    void number_field(std::string& out, std::string_view name, std::uint64_t value);
    /// A number with `digits` decimals: value 1234 and 2 digits make 12.34.
    void decimal_field(std::string& out, std::string_view name, std::uint64_t value, int digits);
    void time_field(std::string& out, std::string_view name, const Place& place);
    /// `"content_hash":"…","content":"` and text up to the size asked, then `closing`.
    void content_fields(std::string& out, std::string_view closing);
    /// `"name":"` and text up to the size asked, then `"` and `closing`. Always the last field.
    void padding_field(std::string& out, std::string_view name, std::string_view closing);
    void pad(std::string& out, std::size_t closing_bytes);
    void file_path(std::string& out, const Place& place, std::uint64_t cycle, std::uint64_t slot,
                   bool moved);
    std::string_view noun();

    const PayloadSizes sizes_;
    const Popularity accounts_;
    const std::uint64_t seed_;
    const Corpus corpus_;
    runtime::Signer signer_;
    base::Rng random_;               ///< for the event being composed
    std::size_t payload_bytes_ = 0;  ///< of that event
    std::string scratch_;
    std::string key_;
};

}  // namespace crucible::lab
