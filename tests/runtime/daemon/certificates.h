#pragma once

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "runtime/daemon/server_options.h"

namespace crucible::runtime::testing {

/// What a certificate that a test makes says.
struct Wanted {
    std::string common_name;
    std::string alternative = {};  ///< as in OpenSSL's configuration: "DNS:localhost,IP:127.0.0.1"
    long valid_from_s = -3600;     ///< from now on
    long valid_until_s = 3600;
};

struct KeyPair {
    std::filesystem::path certificate;
    std::filesystem::path key;
};

/// An authority of a test's own, with its files in a folder.
class Authority {
public:
    Authority(std::filesystem::path folder, const std::string& name)
        : folder_(std::move(folder)), name_(name), key_(EVP_EC_gen("P-256")) {
        certificate_.reset(make({.common_name = name}, key_.get(), /*is_authority=*/true));
        write_certificate(folder_ / (name_ + ".pem"), certificate_.get());
    }
    std::filesystem::path certificate() const { return folder_ / (name_ + ".pem"); }

    /// Files named `name`.pem and `name`.key; one that is there is replaced.
    KeyPair issue(const std::string& name, const Wanted& wanted) const {
        const std::unique_ptr<EVP_PKEY, Free> key(EVP_EC_gen("P-256"));
        const std::unique_ptr<X509, Free> made(make(wanted, key.get(), false));
        KeyPair pair{folder_ / (name + ".pem"), folder_ / (name + ".key")};
        write_certificate(pair.certificate, made.get());
        const std::unique_ptr<FILE, Free> file(std::fopen(pair.key.c_str(), "w"));
        EXPECT_EQ(
            PEM_write_PrivateKey(file.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr), 1);
        return pair;
    }

private:
    struct Free {
        void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
        void operator()(X509* certificate) const { X509_free(certificate); }
        void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
        void operator()(FILE* file) const { std::fclose(file); }
    };

    static void write_certificate(const std::filesystem::path& path, X509* certificate) {
        const std::unique_ptr<FILE, Free> file(std::fopen(path.c_str(), "w"));
        EXPECT_EQ(PEM_write_X509(file.get(), certificate), 1);
    }

    static void extend(X509* certificate, int kind, const std::string& value) {
        const std::unique_ptr<X509_EXTENSION, Free> extension(
            X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str()));
        ASSERT_NE(extension, nullptr) << value;
        X509_add_ext(certificate, extension.get(), -1);
    }

    X509* make(const Wanted& wanted, EVP_PKEY* key, bool is_authority) const {
        X509* made = X509_new();
        X509_set_version(made, X509_VERSION_3);
        static long serial = 0;
        ASN1_INTEGER_set(X509_get_serialNumber(made), ++serial);
        X509_gmtime_adj(X509_getm_notBefore(made), wanted.valid_from_s);
        X509_gmtime_adj(X509_getm_notAfter(made), wanted.valid_until_s);
        X509_set_pubkey(made, key);
        X509_NAME* subject = X509_get_subject_name(made);
        X509_NAME_add_entry_by_txt(
            subject, "CN", MBSTRING_UTF8,
            reinterpret_cast<const unsigned char*>(wanted.common_name.c_str()), -1, -1, 0);
        X509_set_issuer_name(made,
                             is_authority ? subject : X509_get_subject_name(certificate_.get()));
        if (is_authority) extend(made, NID_basic_constraints, "critical,CA:TRUE");
        if (!wanted.alternative.empty()) extend(made, NID_subject_alt_name, wanted.alternative);
        X509_sign(made, key_.get(), EVP_sha256());
        return made;
    }

    std::filesystem::path folder_;
    std::string name_;
    std::unique_ptr<EVP_PKEY, Free> key_;
    std::unique_ptr<X509, Free> certificate_;
};

}  // namespace crucible::runtime::testing
