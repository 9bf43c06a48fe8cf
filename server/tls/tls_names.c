/* The names that configuration files use for ciphers and curves, and what OpenSSL calls them. */
#include "server/tls/tls_options.h"

struct cipher {
    const char *name;
    const char *openssl; /* NULL: it has none, or only with what nobody should allow */
    bool insecure;
};

static const struct cipher ciphers[] = {
    {"TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256", false},
    {"TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384", false},
    {"TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256", false},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA", false},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA", false},
    {"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA", false},
    {"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA", false},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256", false},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384", false},
    {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256", false},
    {"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384", false},
    {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305", false},
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305", false},
    {"TLS_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA", true},
    {"TLS_RSA_WITH_AES_256_CBC_SHA", "AES256-SHA", true},
    {"TLS_RSA_WITH_AES_128_GCM_SHA256", "AES128-GCM-SHA256", true},
    {"TLS_RSA_WITH_AES_256_GCM_SHA384", "AES256-GCM-SHA384", true},
    {"TLS_RSA_WITH_AES_128_CBC_SHA256", "AES128-SHA256", true},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", "ECDHE-ECDSA-AES128-SHA256", true},
    {"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "ECDHE-RSA-AES128-SHA256", true},
    {"TLS_RSA_WITH_RC4_128_SHA", NULL, true},
    {"TLS_RSA_WITH_3DES_EDE_CBC_SHA", NULL, true},
    {"TLS_ECDHE_ECDSA_WITH_RC4_128_SHA", NULL, true},
    {"TLS_ECDHE_RSA_WITH_RC4_128_SHA", NULL, true},
    {"TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", NULL, true},
};

static const struct cipher *cipher_find(struct bytes name)
{
    for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++) {
        if (bytes_equal(bytes_of_text(ciphers[i].name), name))
            return &ciphers[i];
    }
    return NULL;
}

bool tls_cipher_known(struct bytes name)
{
    return cipher_find(name) != NULL;
}

bool tls_cipher_insecure(struct bytes name)
{
    const struct cipher *cipher = cipher_find(name);

    return cipher != NULL && cipher->insecure;
}

const char *tls_cipher_openssl(struct bytes name)
{
    const struct cipher *cipher = cipher_find(name);

    return cipher != NULL ? cipher->openssl : NULL;
}

struct curve {
    const char *name;
    const char *openssl; /* NULL: this version has none */
};

static const struct curve curves[] = {
    {"X25519", "X25519"},         {"CurveP256", "P-256"},   {"CurveP384", "P-384"},
    {"CurveP521", "P-521"},       {"X25519MLKEM768", NULL}, {"SecP256r1MLKEM768", NULL},
    {"SecP384r1MLKEM1024", NULL},
};

static const struct curve *curve_find(struct bytes name)
{
    for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
        if (bytes_equal(bytes_of_text(curves[i].name), name))
            return &curves[i];
    }
    return NULL;
}

bool tls_curve_known(struct bytes name)
{
    return curve_find(name) != NULL;
}

const char *tls_curve_openssl(struct bytes name)
{
    const struct curve *curve = curve_find(name);

    return curve != NULL ? curve->openssl : NULL;
}
