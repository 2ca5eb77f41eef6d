#include "runtime/daemon/metrics_text.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "base/file.h"
#include "base/process.h"

namespace crucible::runtime {
namespace {

std::string example() {
    ExchangeReport report;
    report.events = {
        .published = 10, .handled = 5, .rejected = 1, .failed = 2, .expired = 0, .queued = 2};
    report.queued_bytes = 4096;
    report.shed = 3;
    report.dead_letters.held = 2;
    const std::vector<InstanceReport> instances{
        {.name = "database-1",
         .breaker = CircuitBreaker::State::open,
         .events = 2,
         .handed_over = 9,
         .failed = 4},
        {.index = 1, .name = "odd \"name\"\\", .events = 0, .handed_over = 1, .failed = 0}};
    ClientCounts clients;
    clients.connected = 7;
    clients.rate_limited = 11;
    clients.count(ClosedFor::slow);
    return open_metrics_text(report, instances, {.queue_events_max = 100}, clients,
                             {{.index = 1,
                               .connected = true,
                               .pid = 71,
                               .credits = 8,
                               .open = 3,
                               .delivered = 20,
                               .redelivered = 2,
                               .late = 1}});
}

TEST(MetricsText, SaysWhatTheExchangeSays) {
    const auto text = example();
    for (const char* line :
         {"crucible_events_published_total 10\n",
          "crucible_events_ended_total{outcome=\"failed\"} 2\n", "crucible_queue_events 2\n",
          "crucible_queue_events_max 100\n", "crucible_queue_bytes 4096\n",
          "crucible_events_shed_total 3\n", "crucible_dead_letters 2\n", "crucible_clients 7\n",
          "crucible_clients_rate_limited_total 11\n",
          "crucible_clients_closed_total{reason=\"slow\"} 1\n",
          "crucible_clients_closed_total{reason=\"handshake\"} 0\n",
          "crucible_service_attempts_total{service=\"database-1\"} 9\n",
          "crucible_service_breaker{service=\"database-1\",crucible_service_breaker=\"open\"} 1\n",
          "crucible_service_breaker{service=\"database-1\",crucible_service_breaker=\"closed\"} "
          "0\n",
          "crucible_service_attempts_total{service=\"odd \\\"name\\\"\\\\\"} 1\n",
          "crucible_external_open{service=\"odd \\\"name\\\"\\\\\"} 3\n",
          "crucible_external_redeliveries_total{service=\"odd \\\"name\\\"\\\\\"} 2\n"}) {
        EXPECT_NE(text.find(line), std::string::npos) << line << text;
    }
    EXPECT_TRUE(text.ends_with("# EOF\n"));
}

// The parser of Prometheus's own client takes it as OpenMetrics, and finds the values.
TEST(MetricsText, IsOpenMetrics) {
    const auto directory = *base::TempDir::make("metrics");
    const auto file = directory.path() / "metrics.txt";
    ASSERT_TRUE(base::write_file(file, example()));
    constexpr const char* script =
        "import sys\n"
        "from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse\n"
        "samples = {(s.name, tuple(sorted(s.labels.items()))): s.value\n"
        "           for f in parse(open(sys.argv[1]).read()) for s in f.samples}\n"
        "assert samples[('crucible_events_published_total', ())] == 10\n"
        "assert samples[('crucible_service_attempts_total', (('service', 'odd \"name\"\\\\'),))] "
        "== 1\n"
        "print(len(samples))\n";
    auto python = base::Process::start({.arguments = {"/usr/bin/python3", "-c", script, file},
                                        .inherit = {},
                                        .standard_output = directory.path() / "out",
                                        .standard_error = directory.path() / "err"});
    ASSERT_TRUE(python) << python.error().message;
    const auto status = python->wait(std::chrono::seconds(60));
    ASSERT_TRUE(status);
    EXPECT_EQ(status->exit_code, 0) << base::read_file(directory.path() / "err").value_or("");
}

}  // namespace
}  // namespace crucible::runtime
