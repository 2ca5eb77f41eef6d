#include <gtest/gtest.h>

#include <string>

#include "lab/target/system.h"

namespace crucible::lab {
namespace {

std::string error_of(std::string_view text) {
    const auto url = parse_target(text);
    if (url) return "accepted";
    EXPECT_EQ(url.error().code, Errc::invalid_argument);
    return url.error().message;
}

// The parts are what the user wrote, in order: reports show `text`, systems read the options.
TEST(ParseTarget, TakesAUrlApart) {
    const auto url = parse_target("coordinator:?work=none&durability=full&workers=4&queue=100");
    ASSERT_TRUE(url) << url.error().message;
    EXPECT_EQ(url->scheme, "coordinator");
    EXPECT_EQ(url->path, "");
    EXPECT_EQ(url->text, "coordinator:?work=none&durability=full&workers=4&queue=100");
    ASSERT_EQ(url->options.size(), 4u);
    EXPECT_EQ(*url->option("durability"), "full");
    EXPECT_EQ(url->option("clients"), nullptr);

    const auto running = parse_target("daemon:/run/crucible/d.sock?clients=8");
    ASSERT_TRUE(running) << running.error().message;
    EXPECT_EQ(running->path, "/run/crucible/d.sock");
    EXPECT_EQ(client_count(*running, 4), 8u);
    EXPECT_EQ(client_count(*url, 4), 4u);
}

// Every target that the documentation names is accepted.
TEST(ParseTarget, AcceptsEveryScheme) {
    for (const auto* text :
         {"coordinator:",
          "router:",
          "daemon:",
          "daemon:?shared_memory=yes&work=none",
          "daemon:/tmp/x.sock",
          "daemon:/tmp/x.sock?shared_memory=no&clients=2",
          "daemon://127.0.0.1:7420?plain=yes&pid=7&clients=2",
          "daemon://[::1]:7420?ca=ca.pem&certificate=me.pem&key=me.key&server_name=d",
          "null:",
          "null:?clients=2",
          "synthetic:",
          "synthetic:?service=1ms&workers=2&queue=1000&latency=500us&clients=3",
          "synthetic:?distribution=lognormal&capacity=5k/s&stall=200ms@5s&slowdown=5%&errors=0.1%"
          "&loss=1%&duplicates=1%&reorder=1%&leak=64B&retry=100ms",
          "http://127.0.0.1:8080/a?b=c&d#connections=3&pipeline=2&expect=200-204&pid=1",
          "https://example.org",
          "exec:python3 a.py --b?c&d=e#clients=2",
          "nats://127.0.0.1",
          "nats://u:p@h:4222/a.b?mode=jetstream&storage=memory&format=payload",
          "nats://h/a?mode=jetstream&stream=S&pid=1&clients=2",
          "redis://127.0.0.1:6379",
          "redis://:p@[::1]/k?mode=stream&maxlen=5&format=cloudevents",
          "redis://h/k?mode=pubsub",
          "router:?services=10&clients=1"}) {
        EXPECT_EQ(error_of(text), "accepted") << text;
    }
}

// One clear line with the nearest known word: a typing error must not cost a look into the manual.
TEST(ParseTarget, SuggestsTheNearestKnownWord) {
    EXPECT_EQ(error_of("deamon:"), "deamon:: unknown target 'deamon'; did you mean 'daemon'?");
    EXPECT_EQ(error_of("coordinator:?wrok=none"),
              "coordinator:?wrok=none: unknown option 'wrok'; did you mean 'work'?");
    EXPECT_EQ(error_of("kafka:"),
              "kafka:: unknown target 'kafka'; known: coordinator, router, daemon, null, "
              "synthetic, exec, http, https, nats, redis");
    EXPECT_EQ(error_of("null"), "target 'null': did you mean 'null:'?");
}

// A wrong value is found before anything is started, and its option is named.
TEST(ParseTarget, ChecksEveryValue) {
    EXPECT_EQ(error_of("coordinator:?workers=0"),
              "coordinator:?workers=0: option workers: '0' must be a whole number from 1 to 1024");
    EXPECT_EQ(error_of("null:?clients=4x"),
              "null:?clients=4x: option clients: '4x' must be a whole number from 1 to 1000");
    EXPECT_EQ(error_of("synthetic:?service=2m"),
              "synthetic:?service=2m: option service: '2m' must be from 0s to 60s");
    EXPECT_EQ(error_of("nats:?mode=core"),
              "nats:?mode=core: must be nats://[USER:PASSWORD@]HOST[:PORT][/SUBJECT]"
              "[?OPTION=VALUE&...]");
    EXPECT_EQ(error_of("nats://h/a.*"),
              "nats://h/a.*: must be nats://[USER:PASSWORD@]HOST[:PORT][/SUBJECT]"
              "[?OPTION=VALUE&...]");
    EXPECT_EQ(error_of("nats://h?mode=push"),
              "nats://h?mode=push: option mode: 'push' must be core or request or jetstream");
    EXPECT_EQ(error_of("nats://h?stream=S"),
              "nats://h?stream=S: option stream needs mode=jetstream");
    EXPECT_EQ(error_of("nats://h?mode=jetstream&stream=S&storage=file"),
              "nats://h?mode=jetstream&stream=S&storage=file: storage is of a private stream; 'S' "
              "has its own");
    EXPECT_EQ(error_of("redis://h?mode=pubsub&maxlen=5"),
              "redis://h?mode=pubsub&maxlen=5: option maxlen needs mode=stream");
    EXPECT_EQ(error_of("synthetic:?stall=5s@1s"),
              "synthetic:?stall=5s@1s: option stall: stall '5s@1s': must be LENGTH@PERIOD, e.g. "
              "200ms@5s");
    EXPECT_EQ(error_of("synthetic:?loss=101%"),
              "synthetic:?loss=101%: option loss: '101%' must be from 0% to 100%");
    EXPECT_EQ(error_of("exec:"), "exec:: a command is missing, e.g. exec:./program");
    EXPECT_EQ(error_of("http://h:x/"),
              "http://h:x/: must be http://HOST[:PORT][/PATH][#OPTION=VALUE&...]");
    EXPECT_EQ(error_of("http://h/#connection=1"),
              "http://h/#connection=1: unknown option 'connection'; did you mean 'connections'?");
    EXPECT_EQ(error_of("http://h/#request=/nowhere"),
              "http://h/#request=/nowhere: option request: /nowhere: No such file or directory");
    EXPECT_TRUE(error_of("synthetic:?service=5").starts_with("synthetic:?service=5: option "));
    EXPECT_TRUE(error_of("daemon:?work=some").starts_with("daemon:?work=some: option work: "));
    EXPECT_TRUE(
        error_of("router:?durability=").starts_with("router:?durability=: option durability: "));
}

// What a running daemon was started with cannot be chosen any more.
TEST(ParseTarget, RefusesWhatTheTargetCannotTake) {
    EXPECT_EQ(error_of("daemon:/tmp/x.sock?work=none"),
              "daemon:/tmp/x.sock?work=none: unknown option 'work'; known: clients, shared_memory");
    EXPECT_EQ(error_of("coordinator:/tmp"),
              "coordinator:/tmp: '/tmp' is not expected after coordinator:");
    EXPECT_EQ(error_of("daemon://host:7000"),
              "daemon://host:7000: needs ca=FILE, certificate=FILE and key=FILE, or plain=yes on "
              "loopback");
    EXPECT_EQ(error_of("daemon://host?plain=yes"),
              "daemon://host?plain=yes: 'host' must be a host and a port, e.g. 127.0.0.1:7420 or "
              "[::1]:7420");
    EXPECT_EQ(error_of("daemon://h:1?ca=a&certificate=b"),
              "daemon://h:1?ca=a&certificate=b: options certificate and key go together");
    EXPECT_EQ(error_of("daemon://h:1?plain=yes&ca=a"),
              "daemon://h:1?plain=yes&ca=a: either plain=yes or certificates");
    EXPECT_EQ(error_of("daemon:/tmp/x.sock?ca=a"),
              "daemon:/tmp/x.sock?ca=a: unknown option 'ca'; known: clients, shared_memory");
    // There is none to share with another host.
    EXPECT_TRUE(error_of("daemon://h:1?plain=yes&shared_memory=yes")
                    .starts_with("daemon://h:1?plain=yes&shared_memory=yes: unknown option "
                                 "'shared_memory'"));
    EXPECT_EQ(error_of("daemon:?shared_memory=on"),
              "daemon:?shared_memory=on: option shared_memory: 'on' must be yes or no");
    EXPECT_EQ(error_of("null:?clients=1&clients=2"),
              "null:?clients=1&clients=2: option clients is given twice");
    EXPECT_EQ(error_of("null:?clients"), "null:?clients: 'clients' must be OPTION=VALUE");
    EXPECT_NE(error_of(""), "accepted");
    EXPECT_NE(error_of(":x"), "accepted");
}

}  // namespace
}  // namespace crucible::lab
