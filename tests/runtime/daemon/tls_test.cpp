// A daemon over TCP with TLS, and who gets in.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "acknowledgements.h"
#include "base/clock.h"
#include "certificates.h"
#include "raw_client.h"
#include "runtime/daemon/acceptor.h"
#include "runtime/daemon/connect.h"
#include "runtime/daemon/server.h"
#include "runtime/daemon/tcp_socket.h"
#include "server_fixture.h"

namespace crucible::runtime {
namespace {

using testing::Authority;
using testing::KeyPair;
using testing::kGenerousLimit;
using testing::make_event;
using testing::RawClient;

class TlsTest : public testing::ServerTest {
protected:
    ListenOptions listen() const {
        return {.tcp = "127.0.0.1:0",
                .tls_certificate = daemon_.certificate,
                .tls_key = daemon_.key,
                .client_ca = authority_.certificate()};
    }
    void start_secured(ClientLimits limits = {}) { start({}, std::move(limits), listen()); }

    DaemonClientOptions options(const KeyPair& client) const {
        return {.address = server_->tcp_address()->text(),
                .tls = {.ca = authority_.certificate(),
                        .certificate = client.certificate,
                        .key = client.key}};
    }
    Result<std::unique_ptr<DaemonClient>> connect_as(const KeyPair& client) {
        return DaemonClient::connect(options(client), acknowledgements_.handler());
    }
    /// Why it is not let in.
    Error refusal_of(const DaemonClientOptions& options) {
        const auto client = DaemonClient::connect(options, {});
        EXPECT_FALSE(client) << "it was let in";
        return client ? Error{} : client.error();
    }
    base::UniqueFd connect_plainly() const {
        auto socket = connect_tcp({"127.0.0.1", server_->tcp_address()->port()}, true,
                                  base::monotonic_now() + kGenerousLimit);
        EXPECT_TRUE(socket) << socket.error().message;
        return std::move(*socket);
    }

    Authority authority_{directory_.path(), "authority"};
    Authority stranger_{directory_.path(), "stranger"};
    KeyPair daemon_ = authority_.issue("daemon", {"daemon", "DNS:localhost,IP:127.0.0.1"});
    KeyPair publisher_ = authority_.issue("publisher", {"publisher-1"});
};

TEST_F(TlsTest, HandlesEventsOfAClientWithACertificate) {
    start_secured();
    auto client = connect_as(publisher_);
    ASSERT_TRUE(client) << client.error().message;
    for (std::uint64_t token = 0; token < 1000; ++token)
        ASSERT_TRUE((*client)->publish(make_event("a"), token));
    ASSERT_TRUE((*client)->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), 1000u);
    EXPECT_TRUE((*client)->request(make_event("b"), kGenerousLimit));
    EXPECT_EQ((*client)->daemon_pid(), 0) << "TCP does not tell";
}

// By its subject a client can be told from the others; where the daemon listens can be asked for.
TEST_F(TlsTest, TellsWhoIsConnected) {
    start_secured();
    auto client = connect_as(publisher_);
    ASSERT_TRUE(client) << client.error().message;
    const auto queues = ask_daemon(options(publisher_), R"({"about":"queues"})");
    ASSERT_TRUE(queues) << queues.error().message;
    EXPECT_NE(queues->find("CN=publisher-1"), std::string::npos) << *queues;
    const auto status = ask_daemon({.socket = socket_}, R"({"about":"status"})");
    ASSERT_TRUE(status);
    EXPECT_NE(status->find(server_->tcp_address()->text() + " (TLS)"), std::string::npos)
        << *status;
}

// Larger than any buffer on the way, with others around it.
TEST_F(TlsTest, CarriesLargeEvents) {
    start_secured();
    auto client = connect_as(publisher_);
    ASSERT_TRUE(client) << client.error().message;
    for (std::uint64_t token = 0; token < 8; ++token)
        ASSERT_TRUE((*client)->publish(
            make_event(std::string(token % 2 == 0 ? 9'000'000 : 10, 'x')), token));
    ASSERT_TRUE((*client)->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), 8u);
}

TEST_F(TlsTest, RefusesAClientOfAnotherAuthority) {
    start_secured();
    const auto error = refusal_of(options(stranger_.issue("other", {"publisher-1"})));
    EXPECT_EQ(error.code, Errc::permission_denied);
    EXPECT_NE(error.message.find("TLS: the daemon refuses: "), std::string::npos) << error.message;
    EXPECT_TRUE(wait_for_closed(ClosedFor::handshake, 1));
    EXPECT_TRUE(connect_as(publisher_)) << "others are let in";
}

TEST_F(TlsTest, RefusesAnExpiredCertificate) {
    start_secured();
    const auto old = authority_.issue(
        "old", {.common_name = "old", .valid_from_s = -7200, .valid_until_s = -3600});
    const auto error = refusal_of(options(old));
    EXPECT_EQ(error.code, Errc::permission_denied);
    EXPECT_NE(error.message.find("certificate expired"), std::string::npos) << error.message;
    EXPECT_TRUE(wait_for_closed(ClosedFor::handshake, 1));
}

TEST_F(TlsTest, RefusesAClientWithoutACertificate) {
    start_secured();
    const auto error = refusal_of(options({}));
    EXPECT_EQ(error.code, Errc::permission_denied);
    EXPECT_NE(error.message.find("certificate required"), std::string::npos) << error.message;
    EXPECT_TRUE(wait_for_closed(ClosedFor::handshake, 1));
}

// A client talks to no daemon that it has no reason to trust.
TEST_F(TlsTest, ClientsRefuseADaemonThatIsNotTheirs) {
    start_secured();
    auto wrong = options(publisher_);
    wrong.tls.ca = stranger_.certificate();
    auto error = refusal_of(wrong);
    EXPECT_EQ(error.code, Errc::permission_denied);
    EXPECT_NE(error.message.find("the daemon's certificate is not accepted"), std::string::npos)
        << error.message;
    EXPECT_TRUE(wait_for_closed(ClosedFor::handshake, 1));

    auto named = options(publisher_);
    named.tls.server_name = "daemon.example";
    error = refusal_of(named);
    EXPECT_EQ(error.code, Errc::permission_denied);
    EXPECT_NE(error.message.find("hostname mismatch"), std::string::npos) << error.message;
    named.tls.server_name = "localhost";
    EXPECT_TRUE(DaemonClient::connect(named, {}));
}

TEST_F(TlsTest, LetsInTheNamesItIsTold) {
    start_secured({.allowed_names = {"publisher-1", "urn:crucible:two"}});
    EXPECT_TRUE(connect_as(publisher_));
    EXPECT_TRUE(connect_as(authority_.issue("two", {"somebody", "URI:urn:crucible:two"})));
    const auto error = refusal_of(options(authority_.issue("three", {"publisher-11"})));
    EXPECT_EQ(error.code, Errc::permission_denied);
    EXPECT_NE(error.message.find("the names of your certificate are not among those"),
              std::string::npos)
        << error.message;
}

// All that hold one certificate are one client. One of the same name with another key is another,
// and so is a process on the Unix socket.
TEST_F(TlsTest, LimitsTheConnectionsOfOneCertificate) {
    start_secured({.per_client_max = 2});
    auto first = connect_as(publisher_);
    ASSERT_TRUE(first) << first.error().message;
    const auto second = connect_as(publisher_);
    ASSERT_TRUE(second) << second.error().message;
    const auto error = refusal_of(options(publisher_));
    EXPECT_EQ(error.code, Errc::overloaded);
    EXPECT_NE(error.message.find("CN=publisher-1 (key "), std::string::npos) << error.message;
    EXPECT_NE(error.message.find(") has 2 connections, the limit for one client ([clients] "
                                 "max_per_client)"),
              std::string::npos)
        << error.message;
    EXPECT_TRUE(wait_for_closed(ClosedFor::refused, 1));
    EXPECT_TRUE(connect_as(authority_.issue("namesake", {"publisher-1"})));
    EXPECT_TRUE(DaemonClient::connect({.socket = socket_}, {}));

    first->reset();
    const TimePoint until = base::monotonic_now() + kGenerousLimit;
    bool connected = false;
    while (!connected && base::monotonic_now() < until)
        connected = connect_as(publisher_).has_value();
    EXPECT_TRUE(connected);
}

TEST_F(TlsTest, RefusesTls12) {
    start_secured();
    const base::UniqueFd socket = connect_plainly();
    ::fcntl(socket.get(), F_SETFL, 0);
    SSL_CTX* context = SSL_CTX_new(TLS_method());
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    SSL* ssl = SSL_new(context);
    SSL_set_fd(ssl, socket.get());
    EXPECT_NE(SSL_connect(ssl), 1);
    EXPECT_TRUE(wait_for_closed(ClosedFor::handshake, 1));
    SSL_free(ssl);
    SSL_CTX_free(context);
}

TEST_F(TlsTest, RefusesPlainBytes) {
    start_secured();
    RawClient client(connect_plainly());
    EXPECT_FALSE(client.greet());
    EXPECT_TRUE(wait_for_closed(ClosedFor::handshake, 1));
}

// Neither does whoever stops in the middle of TLS stay.
TEST_F(TlsTest, SendsAwayWhoDoesNotFinishTheHandshake) {
    start_secured({.handshake_limit = std::chrono::milliseconds(200)});
    RawClient silent(connect_plainly());
    EXPECT_TRUE(silent.ended());
    EXPECT_TRUE(wait_for_closed(ClosedFor::handshake, 1));
}

// A plain daemon and a client that wants TLS: each says what is wrong.
TEST_F(TlsTest, ClientsSayThatTheDaemonHasNoTls) {
    start({}, {}, {.tcp = "127.0.0.1:0", .plain_tcp_on_loopback = true});
    const auto error = refusal_of(options(publisher_));
    EXPECT_EQ(error.code, Errc::corrupt);
    EXPECT_NE(error.message.find("what the daemon sends is no TLS"), std::string::npos)
        << error.message;
}

// After a reload new clients see the new certificate; those that are connected go on.
TEST_F(TlsTest, ReadsItsCertificatesAgain) {
    start_secured();
    auto before = connect_as(publisher_);
    ASSERT_TRUE(before) << before.error().message;
    stranger_.issue("daemon", {"daemon", "IP:127.0.0.1"});
    auto after = options(publisher_);
    after.tls.ca = stranger_.certificate();
    ASSERT_FALSE(DaemonClient::connect(after, {}));

    server_->request_reload();
    const TimePoint until = base::monotonic_now() + kGenerousLimit;
    bool connected = false;
    while (!connected && base::monotonic_now() < until)
        connected = DaemonClient::connect(after, {}).has_value();
    EXPECT_TRUE(connected);
    EXPECT_TRUE((*before)->request(make_event("a"), kGenerousLimit));
}

// Files that are no good change nothing: who comes then is shown the certificate from before.
TEST_F(TlsTest, KeepsItsCertificatesWhenTheNewAreNoGood) {
    const auto acceptor =
        Acceptor::open({.socket = directory_.path() / "other.sock", .listen = listen()});
    ASSERT_TRUE(acceptor) << acceptor.error().message;
    ASSERT_TRUE(base::write_file(daemon_.key, "no key"));
    const auto loaded = (*acceptor)->reload_certificates();
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().code, Errc::invalid_argument);
    EXPECT_TRUE(loaded.error().message.starts_with(daemon_.key.string() + ": no private key"))
        << loaded.error().message;

    const DaemonClientOptions options{.address = (*acceptor)->tcp_address()->text(),
                                      .tls = {.ca = authority_.certificate(),
                                              .certificate = publisher_.certificate,
                                              .key = publisher_.key}};
    const std::jthread client([&] { EXPECT_FALSE(DaemonClient::connect(options, {})); });
    std::optional<Newcomer> newcomer;
    while (!newcomer) newcomer = (*acceptor)->next(1);
    std::array<std::byte, 64> hello;
    Result<std::size_t> read = 0;
    while (read && *read == 0) read = newcomer->transport->read(hello);
    EXPECT_TRUE(read) << read.error().message;
    EXPECT_TRUE(newcomer->transport->peer().ends_with(", CN=publisher-1"));
    newcomer.reset();
}

TEST_F(TlsTest, ServesPlainTcpOnLoopback) {
    start({}, {}, {.tcp = "127.0.0.1:0", .plain_tcp_on_loopback = true});
    const DaemonClientOptions plain{.address = server_->tcp_address()->text(), .plain_tcp = true};
    auto client = DaemonClient::connect(plain, acknowledgements_.handler());
    ASSERT_TRUE(client) << client.error().message;
    for (std::uint64_t token = 0; token < 100; ++token)
        ASSERT_TRUE((*client)->publish(make_event(std::string(100'000, 'x')), token));
    ASSERT_TRUE((*client)->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), 100u);
}

std::string listen_error_of(const ListenOptions& options) {
    const auto checked = check_listen(options);
    if (checked) return "accepted";
    EXPECT_EQ(checked.error().code, Errc::invalid_argument);
    return checked.error().message;
}

TEST(CheckListen, WantsTlsBeyondLoopback) {
    EXPECT_EQ(listen_error_of({.tcp = "0.0.0.0:7420", .plain_tcp_on_loopback = true}),
              "[listen] tcp 0.0.0.0:7420: plain TCP goes on loopback alone (127.0.0.1, [::1]); "
              "elsewhere it needs tls_certificate, tls_key and client_ca");
    EXPECT_EQ(listen_error_of({.tcp = "[::]:7420", .plain_tcp_on_loopback = true}).find("[::]"),
              13u);
    EXPECT_EQ(listen_error_of({.tcp = "[::1]:7420", .plain_tcp_on_loopback = true}), "accepted");
    EXPECT_EQ(listen_error_of({.tcp = "127.0.0.1:7420"}),
              "[listen] tcp 127.0.0.1:7420: needs tls_certificate, tls_key and client_ca, and "
              "there is no tls_certificate, tls_key, client_ca; without TLS it goes on loopback "
              "alone, with plain_tcp_on_loopback");
}

TEST(CheckListen, WantsClientsToHaveCertificates) {
    const auto error =
        listen_error_of({.tcp = "0.0.0.0:7420", .tls_certificate = "c", .tls_key = "k"});
    EXPECT_NE(error.find("there is no client_ca;"), std::string::npos) << error;
}

TEST(CheckListen, RefusesOptionsThatContradict) {
    EXPECT_EQ(listen_error_of(
                  {.tcp = "127.0.0.1:0", .tls_certificate = "c", .plain_tcp_on_loopback = true}),
              "[listen] either TLS or plain_tcp_on_loopback, not both");
    EXPECT_EQ(listen_error_of({.client_ca = "ca"}),
              "[listen] is of no use without the address to listen on, tcp");
}

TEST(ConnectTcp, SendsNothingPlainBeyondLoopback) {
    const auto client = DaemonClient::connect({.address = "192.0.2.1:7420", .plain_tcp = true}, {});
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().code, Errc::permission_denied);
    EXPECT_EQ(client.error().message,
              "192.0.2.1:7420: plain TCP is for loopback addresses only; use TLS");
}

TEST(ConnectTcp, SaysWhatIsMissing) {
    const auto message_of = [](const DaemonClientOptions& options) {
        const auto client = DaemonClient::connect(options, {});
        EXPECT_FALSE(client);
        return client ? "" : client.error().message;
    };
    EXPECT_EQ(message_of({.address = "localhost"}),
              "'localhost' must be a host and a port, e.g. 127.0.0.1:7420 or [::1]:7420");
    EXPECT_NE(message_of({.address = "localhost:1"}).find("(ca)"), std::string::npos);
    EXPECT_EQ(message_of({.address = "localhost:1", .tls = {.ca = "/nowhere", .key = "/x"}}),
              "TLS: certificate and key go together");
    EXPECT_NE(message_of({.address = "localhost:1", .tls = {.ca = "/nowhere"}}).find("/nowhere"),
              std::string::npos);
    EXPECT_EQ(message_of({.socket = "/s", .address = "localhost:1"}),
              "localhost:1: either an address or a socket");
}

TEST(HostPort, ReadsHostsAndAddresses) {
    const auto read = [](std::string_view text) {
        const auto parsed = parse_host_port(text);
        return parsed ? parsed->host + " " + std::to_string(parsed->port) : "no";
    };
    EXPECT_EQ(read("example.org:7420"), "example.org 7420");
    EXPECT_EQ(read("[::1]:80"), "::1 80");
    for (const char* text : {"", ":1", "host", "host:", "host:x", "host:65536", "::1:80", "[]:1"})
        EXPECT_EQ(read(text), "no") << text;
}

TEST(TcpAddress, SaysItsHostWithoutThePort) {
    for (const auto& [text, host] :
         {std::pair{"127.0.0.1:7420", "127.0.0.1"}, {"[::1]:80", "::1"}}) {
        const auto address = TcpAddress::parse(text);
        ASSERT_TRUE(address) << address.error().message;
        EXPECT_EQ(address->text(), text);
        EXPECT_EQ(address->host(), host);
    }
}

}  // namespace
}  // namespace crucible::runtime
