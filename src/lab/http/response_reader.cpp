#include "lab/http/response_reader.h"

#include <boost/asio/buffer.hpp>

namespace crucible::lab {

namespace http = boost::beast::http;

void ResponseReader::restart() {
    facts_.status = 0;
    facts_.body.clear();
    parser_.emplace(facts_, keep_body_);
    parser_->eager(true);
    // A response is as long as the server makes it: bodies are not kept.
    parser_->body_limit(boost::none);
    at_start_ = true;
}

ResponseReader::Progress ResponseReader::read(std::string_view input) {
    Progress progress;
    while (progress.taken < input.size()) {
        at_start_ = false;
        boost::beast::error_code error;
        progress.taken += parser_->put(
            boost::asio::buffer(input.data() + progress.taken, input.size() - progress.taken),
            error);
        if (error == http::error::need_more) break;
        if (error) {
            progress.broken = true;
            error_ = error.message();
            break;
        }
        if (!parser_->is_done()) continue;
        if (facts_.status >= 200) {
            progress.complete = true;
            break;
        }
        restart();  // an interim response (100 Continue): the real one follows
    }
    return progress;
}

ResponseReader::Progress ResponseReader::end() {
    Progress progress;
    if (at_start_) return progress;
    boost::beast::error_code error;
    parser_->put_eof(error);
    progress.complete = !error && parser_->is_done();
    progress.broken = !progress.complete;
    return progress;
}

}  // namespace crucible::lab
