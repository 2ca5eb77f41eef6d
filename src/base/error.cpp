#include "crucible/error.h"

namespace crucible {

std::string_view to_string(Errc code) noexcept {
    switch (code) {
        case Errc::invalid_argument:
            return "invalid_argument";
        case Errc::not_found:
            return "not_found";
        case Errc::already_exists:
            return "already_exists";
        case Errc::permission_denied:
            return "permission_denied";
        case Errc::io:
            return "io";
        case Errc::corrupt:
            return "corrupt";
        case Errc::unsupported:
            return "unsupported";
        case Errc::overloaded:
            return "overloaded";
        case Errc::closed:
            return "closed";
        case Errc::timeout:
            return "timeout";
        case Errc::failed:
            return "failed";
    }
    return "unknown";
}

}  // namespace crucible
