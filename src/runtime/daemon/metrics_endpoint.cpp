#include "runtime/daemon/metrics_endpoint.h"

#include <fmt/format.h>
#include <pthread.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <charconv>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "base/text.h"

namespace crucible::runtime {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;

constexpr std::size_t kRequestBytesMax = 16u << 10;
/// A client that says nothing, or does not read, holds the endpoint up for no longer.
constexpr auto kVisitMax = std::chrono::seconds(2);
constexpr auto kPause = std::chrono::milliseconds(100);
constexpr const char* kContentType = "application/openmetrics-text; version=1.0.0; charset=utf-8";

std::optional<tcp::endpoint> parse_address(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    auto host = text.substr(0, colon);
    const auto digits = text.substr(colon + 1);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    std::uint16_t port = 0;
    const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (status != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    boost::system::error_code failed;
    const auto address = asio::ip::make_address(std::string(host), failed);
    if (failed) return std::nullopt;
    return tcp::endpoint(address, port);
}

/// All but the constructor and the destructor run in thread_.
class Endpoint final : public MetricsEndpoint {
public:
    explicit Endpoint(std::function<std::string()> text) : text_(std::move(text)) {}

    ~Endpoint() override {
        context_.stop();
        if (thread_.joinable()) thread_.join();
    }

    Result<> listen(const tcp::endpoint& endpoint) {
        boost::system::error_code failed;
        acceptor_.open(endpoint.protocol(), failed);
        if (!failed) acceptor_.set_option(tcp::acceptor::reuse_address(true), failed);
        if (!failed) acceptor_.bind(endpoint, failed);
        if (!failed) acceptor_.listen(asio::socket_base::max_listen_connections, failed);
        if (failed) {
            const bool taken = failed == asio::error::address_in_use;
            const bool denied = failed == asio::error::access_denied;
            return std::unexpected(Error{taken    ? Errc::already_exists
                                         : denied ? Errc::permission_denied
                                                  : Errc::io,
                                         failed.message()});
        }
        port_ = acceptor_.local_endpoint().port();
        accept();
        thread_ = std::thread([this] {
            ::pthread_setname_np(::pthread_self(), "metrics");
            context_.run();
        });
        return {};
    }

    std::uint16_t port() const noexcept override { return port_; }

private:
    /// Of one client at a time; the others wait in the backlog.
    struct Visit {
        explicit Visit(tcp::socket socket) : stream(std::move(socket)) {}
        boost::beast::tcp_stream stream;
        boost::beast::flat_buffer buffer{kRequestBytesMax};
        http::request<http::empty_body> request;
        http::response<http::string_body> response{http::status::ok, 11};
    };

    void accept() {
        acceptor_.async_accept([this](boost::system::error_code failed, tcp::socket socket) {
            if (!failed) return read(std::make_shared<Visit>(std::move(socket)));
            // Out of descriptors, say: not in a spin.
            pause_.expires_after(kPause);
            pause_.async_wait([this](boost::system::error_code) { accept(); });
        });
    }

    void read(std::shared_ptr<Visit> visit) {
        visit->stream.expires_after(kVisitMax);
        auto& whole = *visit;
        http::async_read(whole.stream, whole.buffer, whole.request,
                         [this, visit = std::move(visit)](boost::system::error_code failed,
                                                          std::size_t) mutable {
                             if (failed) return accept();
                             answer(std::move(visit));
                         });
    }

    void answer(std::shared_ptr<Visit> visit) {
        auto& response = visit->response;
        response.keep_alive(false);
        if (visit->request.target() != "/metrics") {
            response.result(http::status::not_found);
            response.body() = "only /metrics is here\n";
        } else if (visit->request.method() != http::verb::get) {
            response.result(http::status::method_not_allowed);
            response.set(http::field::allow, "GET");
        } else {
            response.set(http::field::content_type, kContentType);
            response.body() = text_();
        }
        response.prepare_payload();
        auto& stream = visit->stream;
        http::async_write(
            stream, response,
            [this, visit = std::move(visit)](boost::system::error_code, std::size_t) { accept(); });
    }

    const std::function<std::string()> text_;
    asio::io_context context_{1};
    tcp::acceptor acceptor_{context_};
    asio::steady_timer pause_{context_};
    std::uint16_t port_ = 0;
    std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::open(std::string_view address,
                                                               std::function<std::string()> text) {
    const auto endpoint = parse_address(address);
    if (!endpoint) {
        return std::unexpected(
            Error{Errc::invalid_argument,
                  fmt::format("{} must be an address and a port, e.g. 127.0.0.1:9464",
                              base::in_quotes(address))});
    }
    auto opened = std::make_unique<Endpoint>(std::move(text));
    if (auto listening = opened->listen(*endpoint); !listening) {
        return std::unexpected(
            Error{listening.error().code,
                  fmt::format("metrics on {}: {}", address, listening.error().message)});
    }
    return opened;
}

}  // namespace crucible::runtime
