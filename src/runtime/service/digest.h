#pragma once

#include <array>
#include <memory>
#include <string_view>

namespace crucible::runtime {

/// XXH3 (64 bits) of `content` as 16 lower-case hex digits: what payloads carry to have content
/// verified. Guards against damage, not against an attacker.
using ContentHash = std::array<char, 16>;
ContentHash content_hash(std::string_view content) noexcept;

/// Makes and checks HMAC-SHA256 signatures with one key. Keeps the key's prepared state, so that a
/// signature costs no set-up. Not thread-safe.
class Signer {
public:
    using Signature = std::array<char, 64>;  ///< lower-case hex

    explicit Signer(std::string_view key);
    ~Signer();
    Signer(Signer&&) noexcept;
    Signer& operator=(Signer&&) noexcept;

    Signature sign(std::string_view body);
    /// Takes the same time wherever the first difference is.
    bool verify(std::string_view body, std::string_view signature);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace crucible::runtime
