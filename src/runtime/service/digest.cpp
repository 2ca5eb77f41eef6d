#include "runtime/service/digest.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/assert.h"

namespace crucible::runtime {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

}  // namespace

ContentHash content_hash(std::string_view content) noexcept {
    std::uint64_t hash = XXH3_64bits(content.data(), content.size());
    ContentHash text;
    for (std::size_t i = text.size(); i-- > 0; hash >>= 4) text[i] = kHexDigits[hash & 15];
    return text;
}

struct Signer::State {
    EVP_MAC* mac = nullptr;
    EVP_MAC_CTX* context = nullptr;

    ~State() {
        EVP_MAC_CTX_free(context);
        EVP_MAC_free(mac);
    }
};

Signer::Signer(std::string_view key) : state_(std::make_unique<State>()) {
    // OpenSSL takes a null key for "keep the key", so an empty one must point somewhere.
    const std::string owned(key);
    std::string digest = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), digest.size()),
        OSSL_PARAM_construct_end()};
    state_->mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    CRUCIBLE_ASSERT(state_->mac != nullptr);
    state_->context = EVP_MAC_CTX_new(state_->mac);
    CRUCIBLE_ASSERT(state_->context != nullptr);
    CRUCIBLE_ASSERT(EVP_MAC_init(state_->context,
                                 reinterpret_cast<const unsigned char*>(owned.c_str()),
                                 owned.size(), parameters) == 1);
}

Signer::~Signer() = default;
Signer::Signer(Signer&&) noexcept = default;
Signer& Signer::operator=(Signer&&) noexcept = default;

Signer::Signature Signer::sign(std::string_view body) {
    unsigned char bytes[32];
    std::size_t size = 0;
    // A null key restarts with the key already set.
    CRUCIBLE_ASSERT(EVP_MAC_init(state_->context, nullptr, 0, nullptr) == 1);
    CRUCIBLE_ASSERT(EVP_MAC_update(state_->context,
                                   reinterpret_cast<const unsigned char*>(body.data()),
                                   body.size()) == 1);
    CRUCIBLE_ASSERT(EVP_MAC_final(state_->context, bytes, &size, sizeof bytes) == 1);
    CRUCIBLE_ASSERT(size == sizeof bytes);
    Signature text;
    for (std::size_t i = 0; i < sizeof bytes; ++i) {
        text[2 * i] = kHexDigits[bytes[i] >> 4];
        text[2 * i + 1] = kHexDigits[bytes[i] & 15];
    }
    return text;
}

bool Signer::verify(std::string_view body, std::string_view signature) {
    const Signature expected = sign(body);
    return signature.size() == expected.size() &&
           CRYPTO_memcmp(expected.data(), signature.data(), expected.size()) == 0;
}

}  // namespace crucible::runtime
