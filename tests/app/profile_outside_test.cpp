// What a profile says of a server that others run.
#include <gtest/gtest.h>

#include <fstream>

#include "base/file.h"
#include "base/process.h"
#include "real_binary.h"

namespace crucible::app {
namespace {

/// A server that takes every request.
struct Server {
    std::optional<base::Process> process;
    std::string port;

    explicit Server(const std::filesystem::path& folder) {
        const auto program = folder / "server.py";
        std::ofstream(program)
            << "import http.server, os, sys\n"
               "class Handler(http.server.BaseHTTPRequestHandler):\n"
               "    protocol_version = 'HTTP/1.1'\n"
               "    disable_nagle_algorithm = True\n"
               "    def do_POST(self):\n"
               "        self.rfile.read(int(self.headers['Content-Length']))\n"
               "        self.send_response(204)\n"
               "        self.end_headers()\n"
               "    def log_message(self, *words):\n"
               "        pass\n"
               "server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)\n"
               "with open(sys.argv[1] + '.new', 'w') as file:\n"
               "    file.write(str(server.server_address[1]))\n"
               "os.rename(sys.argv[1] + '.new', sys.argv[1])\n"
               "server.serve_forever()\n";
        const auto told = folder / "port";
        auto started = base::Process::start({.arguments = {"/usr/bin/python3", program, told}});
        EXPECT_TRUE(started) << started.error().message;
        if (!started) return;
        process.emplace(*std::move(started));
        const auto deadline = base::monotonic_now() + 60s;
        base::SteadyClock clock;
        while (!std::filesystem::exists(told) && base::monotonic_now() < deadline)
            clock.sleep_until(clock.now() + 5ms);
        port = base::read_file(told).value_or("");
    }
};

class ProfileOutside : public RealBinary {
protected:
    void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
        GTEST_SKIP() << "a sanitizer has a malloc of its own, which has to come first";
#endif
    }

    /// What is not counted of it.
    std::vector<std::string> missing(const std::string& target) {
        std::filesystem::remove_all(out());
        EXPECT_EQ(run({"profile", target, "--clients", "1", "--ladder", "none", "--rounds", "1",
                       "--rate", "100", "--warmup", "0s", "--duration", "100ms", "--in-flight",
                       "none", "--stacks", "none", "--quiet"}),
                  0)
            << errors();
        EXPECT_EQ(complaints("memory.schema.json"), "");
        return result().at("targets").at(0).at("missing");
    }
};

// Beside a coordinator it would look frugal: what clients hold for it is not the system's. Nor is
// anything known of the server itself where nobody says which process it is.
TEST_F(ProfileOutside, TellsWhatOfAServerIsNotCounted) {
    const Server server(out().parent_path());
    ASSERT_NE(server.port, "");
    const auto url = "http://127.0.0.1:" + server.port + "/";
    const std::string clients =
        "its clients: what they hold for it (connections, buffers, events under way) is the "
        "measurement's own here, and is counted of coordinator: and of daemon: on this host";
    EXPECT_EQ(missing(url), (std::vector<std::string>{
                                clients,
                                "its own processes: none is known; the option pid names one",
                            }));
    const auto named = missing(url + "#pid=" + std::to_string(server.process->pid()));
    ASSERT_EQ(named.size(), 2U);
    EXPECT_NE(named[0].find("was started without the allocation tracker"), std::string::npos)
        << named[0];
    EXPECT_EQ(named[1], clients);
}

}  // namespace
}  // namespace crucible::app
