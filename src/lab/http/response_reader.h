#pragma once

#include <boost/beast/http/basic_parser.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace crucible::lab {

/// Takes HTTP/1.x responses out of what has arrived, one after the other. Keeps of a body what it
/// is asked to keep; the rest is counted and dropped.
class ResponseReader {
public:
    /// Beyond it a body is not kept: what is looked for in it must stand before.
    static constexpr std::size_t kKeptMax = std::size_t{1} << 20;

    explicit ResponseReader(bool keep_body) : keep_body_(keep_body) { restart(); }

    struct Progress {
        std::size_t taken = 0;  ///< bytes of the input that are done with
        bool complete = false;  ///< a response has ended; read its facts, then restart()
        bool broken = false;    ///< this is no HTTP
    };
    /// Call again with what is left and what has arrived since.
    Progress read(std::string_view input);
    /// The peer sends no more. Complete when that is how this response ends.
    Progress end();
    void restart();

    std::uint16_t status() const noexcept { return facts_.status; }
    /// The connection may be used again after it.
    bool keep_alive() const { return parser_->keep_alive(); }
    const std::string& body() const noexcept { return facts_.body; }
    /// Nothing of a response has been read yet.
    bool at_start() const noexcept { return at_start_; }
    std::string error() const { return error_; }

private:
    struct Facts {
        std::uint16_t status = 0;
        std::string body;
    };

    /// Beast's parser without its containers: no memory is allocated for headers nobody reads.
    class Parser final : public boost::beast::http::basic_parser<false> {
    public:
        Parser(Facts& facts, bool keep_body) : facts_(facts), keep_body_(keep_body) {}

    private:
        using error_code = boost::beast::error_code;
        using string_view = boost::beast::string_view;
        void on_request_impl(boost::beast::http::verb, string_view, string_view, int,
                             error_code&) override {}
        void on_response_impl(int status, string_view, int, error_code&) override {
            facts_.status = static_cast<std::uint16_t>(status);
        }
        void on_field_impl(boost::beast::http::field, string_view, string_view,
                           error_code&) override {}
        void on_header_impl(error_code&) override {}
        void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
        std::size_t on_body_impl(string_view body, error_code&) override {
            keep(body);
            return body.size();
        }
        void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
        std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code&) override {
            keep(body);
            return body.size();
        }
        void on_finish_impl(error_code&) override {}
        void keep(string_view body) {
            if (keep_body_ && facts_.body.size() < kKeptMax)
                facts_.body.append(body.data(), body.size());
        }

        Facts& facts_;
        bool keep_body_;
    };

    bool keep_body_;
    Facts facts_;
    std::optional<Parser> parser_;
    bool at_start_ = true;
    std::string error_;
};

}  // namespace crucible::lab
