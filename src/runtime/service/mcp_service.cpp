#include <algorithm>

#include "base/planted_leak.h"
#include "runtime/service/payload.h"
#include "runtime/service/services.h"

namespace crucible::runtime {
namespace {

// JSON-RPC 2.0's own error codes.
constexpr int kParseError = -32700;
constexpr int kInvalidRequest = -32600;
constexpr int kMethodNotFound = -32601;
constexpr int kInvalidParams = -32602;
constexpr int kInternalError = -32603;

constexpr std::size_t kSearchFilesMax = 64;
constexpr std::size_t kSearchBytesMax = 1u << 20;
constexpr std::string_view kResourcePrefix = "vault:///";
constexpr std::string_view kContextDirectory = "context/";

/// Why a call has no result.
struct CallError {
    int code;
    std::string message;
};
using CallResult = std::expected<void, CallError>;

std::unexpected<CallError> call_error(int code, std::string message) {
    return std::unexpected(CallError{code, std::move(message)});
}

/// An error below JSON-RPC, in its terms: what is wrong with the arguments, and what with us.
std::unexpected<CallError> call_error(const Error& error) {
    const bool input = error.code == Errc::invalid_argument || error.code == Errc::not_found;
    return call_error(input ? kInvalidParams : kInternalError, error.message);
}

class McpService final : public NamedService {
public:
    McpService(std::string name, Workshop& shop)
        : NamedService(std::move(name), Category::mcp),
          vault_(shop.vault),
          database_(*shop.database) {}

    void handle(std::span<const Event* const> events, std::span<HandleResult> results) override {
        for (std::size_t i = 0; i < events.size(); ++i) {
            reset(results[i]);
            CRUCIBLE_LEAK_POINT("mcp");
            answer(*events[i], results[i]);
        }
    }

private:
    void answer(const Event& event, HandleResult& result) {
        const auto fields = parser_.parse(event.payload);
        if (!fields) {
            return respond_error(result, "null", {kParseError, fields.error().message});
        }
        const auto version = string_field(*fields, "jsonrpc");
        const auto method = string_field(*fields, "method");
        const auto params = object_field(*fields, "params");
        const auto id = read_id(*fields);
        if (!version || *version != "2.0" || !method || !params || !id) {
            return respond_error(result, "null", {kInvalidRequest, "not a JSON-RPC 2.0 call"});
        }
        content_.clear();
        const auto done = call(event, *method, *params);
        if (!done) return respond_error(result, *id, done.error());
        if (!simdjson::validate_utf8(content_)) {
            return respond_error(result, *id, {kInvalidParams, "the content is not text"});
        }
        result.response.append(R"({"jsonrpc":"2.0","id":)").append(*id);
        result.response.append(R"(,"result":{"content":[{"type":"text","text":)");
        append_json_string(result.response, content_);
        result.response.append("}]}}");
    }

    static Result<std::string> read_id(const simdjson::dom::object& fields) {
        simdjson::dom::element id;
        if (fields.at_key("id").get(id) != simdjson::SUCCESS) return invalid("no id");
        if (!id.is_string() && !id.is_number()) return invalid("an id is a string or a number");
        return std::string(simdjson::minify(id));
    }

    static void respond_error(HandleResult& result, std::string_view id, const CallError& error) {
        const bool no_call = error.code == kParseError || error.code == kInvalidRequest;
        result.outcome = no_call ? Outcome::rejected : Outcome::failed;
        result.for_good = !no_call && error.code != kInternalError;
        result.reason = error.message;
        result.response.append(R"({"jsonrpc":"2.0","id":)").append(id);
        result.response.append(R"(,"error":{"code":)").append(std::to_string(error.code));
        result.response.append(R"(,"message":)");
        append_json_string(result.response, error.message);
        result.response.append("}}");
    }

    /// Leaves the result's text in content_.
    CallResult call(const Event& event, std::string_view method,
                    const simdjson::dom::object& params) {
        if (event.type == "tool.called" && method == "tools/call") return call_tool(event, params);
        if (event.type == "resource.requested" && method == "resources/read") {
            return read_resource(event, params);
        }
        if (event.type == "context.updated" && method == "context/update") {
            return update_context(event, params);
        }
        return call_error(kMethodNotFound,
                          "no method " + std::string(method) + " for " + event.type);
    }

    CallResult call_tool(const Event& event, const simdjson::dom::object& params) {
        const auto name = string_field(params, "name");
        if (!name) return call_error(name.error());
        const auto arguments = object_field(params, "arguments");
        if (!arguments) return call_error(arguments.error());
        if (*name == "search") return search(event, *arguments);
        if (*name == "read_file") {
            const auto path = string_field(*arguments, "path");
            if (!path) return call_error(path.error());
            return read_file(event, *path);
        }
        if (*name == "query") {
            const auto key = string_field(*arguments, "key");
            if (!key) return call_error(key.error());
            const auto found = database_.find(event.source, *key, content_);
            // No such record is an answer: nobody promised that it exists.
            if (!found && found.error().code == Errc::not_found) return {};
            if (!found) return call_error(found.error());
            return {};
        }
        return call_error(kInvalidParams, "unknown tool " + std::string(*name));
    }

    CallResult read_file(const Event& event, std::string_view path) {
        const auto done = vault_.read(event.source, path, Vault::kReadBytesMax, content_);
        if (!done) return call_error(done.error());
        return {};
    }

    CallResult read_resource(const Event& event, const simdjson::dom::object& params) {
        const auto uri = string_field(params, "uri");
        if (!uri) return call_error(uri.error());
        if (!uri->starts_with(kResourcePrefix)) {
            return call_error(kInvalidParams, "unknown resource " + std::string(*uri));
        }
        return read_file(event, uri->substr(kResourcePrefix.size()));
    }

    /// The files of one directory that contain the text, a line each: "<path>: <number of places>".
    CallResult search(const Event& event, const simdjson::dom::object& arguments) {
        const auto text = string_field(arguments, "text");
        if (!text) return call_error(text.error());
        if (text->empty()) return call_error(kInvalidParams, "nothing to search for");
        const auto directory = string_field(arguments, "directory");
        if (!directory) return call_error(directory.error());
        const auto names = vault_.list(event.source, *directory, kSearchFilesMax);
        if (!names) return call_error(names.error());
        std::size_t bytes = 0;
        for (const auto& name : *names) {
            const std::string path = std::string(*directory) + "/" + name;
            const auto done = vault_.read(event.source, path, kSearchBytesMax - bytes, searched_);
            // Removed meanwhile, or over what one search may read.
            if (!done && done.error().code == Errc::not_found) continue;
            if (!done && done.error().code == Errc::invalid_argument) break;
            if (!done) return call_error(done.error());
            bytes += searched_.size();
            std::size_t places = 0;
            for (auto at = searched_.find(*text); at != std::string::npos;
                 at = searched_.find(*text, at + text->size())) {
                ++places;
            }
            if (places > 0) content_.append(path + ": " + std::to_string(places) + "\n");
        }
        return {};
    }

    CallResult update_context(const Event& event, const simdjson::dom::object& params) {
        const auto name = string_field(params, "name");
        if (!name) return call_error(name.error());
        const auto text = string_field(params, "content");
        if (!text) return call_error(text.error());
        const auto hash = string_field(params, "content_hash");
        if (!hash) return call_error(hash.error());
        path_.assign(kContextDirectory).append(*name);
        const auto done = vault_.put(event.source, path_, *text, *hash);
        if (!done) return call_error(done.error());
        content_.assign(path_);
        return {};
    }

    Vault& vault_;
    Database& database_;
    PayloadParser parser_;
    std::string content_;
    std::string searched_;
    std::string path_;
};

}  // namespace

std::unique_ptr<Service> make_mcp_service(std::string name, Workshop& shop) {
    return std::make_unique<McpService>(std::move(name), shop);
}

}  // namespace crucible::runtime
