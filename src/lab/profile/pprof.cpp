#include "lab/profile/pprof.h"

#include <zlib.h>

#include <cstdint>
#include <map>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "base/assert.h"
#include "lab/profile/protobuf.h"
#include "lab/profile/utf8.h"

namespace crucible::lab {
namespace {

// The fields of github.com/google/pprof/proto/profile.proto, by message.
namespace field {
enum Profile : std::uint32_t {
    sample_type = 1,
    sample = 2,
    mapping = 3,
    location = 4,
    function = 5,
    string_table = 6,
    time_nanos = 9,
    duration_nanos = 10,
    period_type = 11,
    period = 12,
    comment = 13,
    default_sample_type = 14,
};
enum ValueType : std::uint32_t { type = 1, unit = 2 };
enum Sample : std::uint32_t { location_id = 1, value = 2, label = 3 };
enum Label : std::uint32_t { key = 1, str = 2 };
enum Mapping : std::uint32_t {
    mapping_id = 1,
    memory_start = 2,
    memory_limit = 3,
    file_offset = 4,
    mapping_filename = 5,
    build_id = 6,
    has_functions = 7,
    has_filenames = 8,
    has_line_numbers = 9,
    has_inline_frames = 10,
};
enum Location : std::uint32_t { own_id = 1, location_mapping = 2, address = 3, line = 4 };
enum Line : std::uint32_t { function_id = 1, line_number = 2 };
enum Function : std::uint32_t {
    function_own_id = 1,
    name = 2,
    system_name = 3,
    function_filename = 4,
    start_line = 5,
};
}  // namespace field

/// gzip, with no time in its header.
std::string gzip(const std::string& plain) {
    constexpr int kGzipWindow = 15 + 16;
    z_stream stream{};
    CRUCIBLE_ASSERT(deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindow, 8,
                                 Z_DEFAULT_STRATEGY) == Z_OK);
    std::string packed(deflateBound(&stream, plain.size()), '\0');
    // zlib does not write to its input, but its interface says so only with a macro set.
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
    stream.avail_in = static_cast<uInt>(plain.size());
    stream.next_out = reinterpret_cast<Bytef*>(packed.data());
    stream.avail_out = static_cast<uInt>(packed.size());
    CRUCIBLE_ASSERT(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    packed.resize(stream.total_out);
    deflateEnd(&stream);
    return packed;
}

class PprofWriter {
public:
    explicit PprofWriter(const SymbolizedProfile& profile) : profile_(profile) { text(""); }

    std::string write(std::size_t first_kind) {
        for (const auto& kind : profile_.kinds) out_.bytes(field::sample_type, value_type(kind));
        for (const auto& sample : profile_.samples) write_sample(sample);
        for (std::size_t i = 0; i < profile_.modules.size(); ++i) write_mapping(i);
        for (std::size_t i = 0; i < profile_.locations.size(); ++i) write_location(i);
        out_.number(field::time_nanos, profile_.capture.start.time_since_epoch().count());
        out_.number(field::duration_nanos, profile_.capture.duration.count());
        out_.bytes(field::period_type, value_type(profile_.capture.period_kind));
        out_.number(field::period, profile_.capture.period);
        std::vector<std::uint64_t> comments;
        for (const auto& remark : profile_.remarks) comments.push_back(text(remark));
        out_.packed(field::comment, comments);
        if (first_kind < profile_.kinds.size())
            out_.number(field::default_sample_type, text(profile_.kinds[first_kind].name));
        // Last, when all of them are known: fields may come in any order.
        for (const auto& string : strings_) out_.bytes(field::string_table, string);
        return gzip(out_.message());
    }

private:
    /// The index of `string` in the table of strings.
    std::uint64_t text(std::string_view string) {
        const auto [entry, is_new] = indices_.try_emplace(std::string(string), strings_.size());
        if (is_new) strings_.push_back(valid_utf8(string));
        return entry->second;
    }
    std::string value_type(const ValueKind& kind) {
        ProtobufWriter type;
        type.number(field::type, text(kind.name));
        type.number(field::unit, text(kind.unit));
        return type.message();
    }
    std::string label(std::string_view key, std::string_view value) {
        ProtobufWriter label;
        label.number(field::key, text(key));
        label.number(field::str, text(value));
        return label.message();
    }

    // Ids begin at 1: 0 stands for none.

    void write_sample(const SymbolizedSample& sample) {
        std::vector<std::uint64_t> ids;
        for (const auto index : sample.stack) ids.push_back(index + 1);
        std::vector<std::uint64_t> values;
        for (const auto value : sample.values) values.push_back(static_cast<std::uint64_t>(value));
        ProtobufWriter message;
        message.packed(field::location_id, ids);
        message.packed(field::value, values);
        if (!sample.owner.empty()) message.bytes(field::label, label("owner", sample.owner));
        if (!sample.thread.empty()) message.bytes(field::label, label("thread", sample.thread));
        out_.bytes(field::sample, message.message());
    }
    void write_mapping(std::size_t index) {
        const auto& module = profile_.modules[index];
        const auto& symbols = profile_.symbols[index];
        const bool has_lines = symbols.source == SymbolSource::debug;
        ProtobufWriter mapping;
        mapping.number(field::mapping_id, std::uint64_t{index + 1});
        mapping.number(field::memory_start, module.start);
        mapping.number(field::memory_limit, module.end);
        mapping.number(field::file_offset, module.file_offset);
        mapping.number(field::mapping_filename,
                       text(module.path.empty() ? module.name() : module.path));
        mapping.number(field::build_id, text(module.build_id));
        mapping.number(field::has_functions, std::uint64_t{symbols.source != SymbolSource::none});
        mapping.number(field::has_filenames, std::uint64_t{has_lines});
        mapping.number(field::has_line_numbers, std::uint64_t{has_lines});
        mapping.number(field::has_inline_frames, std::uint64_t{has_lines});
        out_.bytes(field::mapping, mapping.message());
    }
    void write_location(std::size_t index) {
        const auto& location = profile_.locations[index];
        ProtobufWriter message;
        message.number(field::own_id, std::uint64_t{index + 1});
        if (location.module)
            message.number(field::location_mapping, std::uint64_t{*location.module + 1});
        message.number(field::address, location.address);
        for (const auto& frame : location.frames) {
            ProtobufWriter line;
            line.number(field::function_id, function(frame));
            line.number(field::line_number, std::int64_t{frame.line});
            message.bytes(field::line, line.message());
        }
        out_.bytes(field::location, message.message());
    }
    /// The id of the frame's function, which is written when it is met first.
    std::uint64_t function(const Frame& frame) {
        const auto name = text(frame.function);
        const auto symbol = text(frame.symbol.empty() ? frame.function : frame.symbol);
        const auto file = text(frame.file);
        const auto [entry, is_new] =
            functions_.try_emplace({name, symbol, file, frame.first_line}, functions_.size() + 1);
        if (!is_new) return entry->second;
        ProtobufWriter function;
        function.number(field::function_own_id, std::uint64_t{entry->second});
        function.number(field::name, name);
        function.number(field::system_name, symbol);
        function.number(field::function_filename, file);
        function.number(field::start_line, std::int64_t{frame.first_line});
        out_.bytes(field::function, function.message());
        return entry->second;
    }

    const SymbolizedProfile& profile_;
    ProtobufWriter out_;
    std::vector<std::string> strings_;
    std::unordered_map<std::string, std::uint64_t> indices_;
    std::map<std::tuple<std::uint64_t, std::uint64_t, std::uint64_t, int>, std::uint64_t>
        functions_;
};

}  // namespace

std::string write_pprof(const SymbolizedProfile& profile, std::size_t first_kind) {
    return PprofWriter(profile).write(first_kind);
}

}  // namespace crucible::lab
