/*
 * certificates: an authority and certificates that it signed, made for a test and written to files
 * of a directory that goes when the test ends.
 */
#ifndef TESTS_UNIT_SERVER_CERTIFICATES_H
#define TESTS_UNIT_SERVER_CERTIFICATES_H

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/bytes.h"

struct certificates {
    char directory[64];
    EVP_PKEY *key; /* of the authority */
    X509 *authority;
};

static inline const char *certificates_path(const struct certificates *all, const char *name,
                                            char path[128])
{
    snprintf(path, 128, "%s/%s", all->directory, name);
    return path;
}

static inline void certificates_add_extension(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    bool ok;

    assert(extension != NULL);
    ok = X509_add_ext(certificate, extension, -1) == 1;
    assert(ok);
    X509_EXTENSION_free(extension);
}

/* "OU=a/CN=b": parts in that order. */
static inline void certificates_set_subject(X509 *certificate, const char *subject)
{
    X509_NAME *name = X509_get_subject_name(certificate);
    char text[128], *rest = text, *part;

    snprintf(text, sizeof(text), "%s", subject);
    while ((part = strsep(&rest, "/")) != NULL) {
        char *value = strchr(part, '=');
        bool ok;

        *value++ = 0;
        ok = X509_NAME_add_entry_by_txt(name, part, MBSTRING_ASC, (const unsigned char *)value, -1,
                                        -1, 0) == 1;
        assert(ok);
    }
}

static inline void certificates_write(const struct certificates *all, const char *name,
                                      const X509 *certificate, EVP_PKEY *key)
{
    char file[64], path[128];
    bool ok;
    FILE *out;

    snprintf(file, sizeof(file), "%s.pem", name);
    out = fopen(certificates_path(all, file, path), "we");
    assert(out != NULL);
    ok = PEM_write_X509(out, certificate) == 1;
    assert(ok);
    fclose(out);
    snprintf(file, sizeof(file), "%s-key.pem", name);
    out = fopen(certificates_path(all, file, path), "we");
    assert(out != NULL);
    ok = PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1;
    assert(ok);
    fclose(out);
}

/* NAME.pem and NAME-key.pem. `names`: alternative ones, NULL: none. */
static inline void certificates_make(const struct certificates *all, const char *name,
                                     const char *subject, const char *names)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    int signature;

    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 2);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    certificates_set_subject(certificate, subject);
    X509_set_pubkey(certificate, key);
    if (names != NULL)
        certificates_add_extension(certificate, NID_subject_alt_name, names);
    X509_set_issuer_name(certificate, all->authority != NULL ? X509_get_subject_name(all->authority)
                                                             : X509_get_subject_name(certificate));
    signature = X509_sign(certificate, all->key != NULL ? all->key : key, EVP_sha256());
    assert(signature > 0);
    certificates_write(all, name, certificate, key);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static inline void certificates_init(struct certificates *all)
{
    const char *made;
    int signature;

    *all = (struct certificates){.directory = "/tmp/millrace-tls-XXXXXX"};
    made = mkdtemp(all->directory);
    assert(made != NULL);
    all->key = EVP_EC_gen("P-256");
    all->authority = X509_new();
    X509_set_version(all->authority, 2);
    X509_gmtime_adj(X509_getm_notBefore(all->authority), -3600);
    X509_gmtime_adj(X509_getm_notAfter(all->authority), 3600);
    certificates_set_subject(all->authority, "CN=authority");
    X509_set_issuer_name(all->authority, X509_get_subject_name(all->authority));
    X509_set_pubkey(all->authority, all->key);
    certificates_add_extension(all->authority, NID_basic_constraints, "critical,CA:TRUE");
    signature = X509_sign(all->authority, all->key, EVP_sha256());
    assert(signature > 0);
    certificates_write(all, "ca", all->authority, all->key);
}

static inline void certificates_deinit(struct certificates *all)
{
    char command[128];
    int result;

    X509_free(all->authority);
    EVP_PKEY_free(all->key);
    snprintf(command, sizeof(command), "rm -rf %s", all->directory);
    result = system(command);
    assert(result == 0);
}

#endif
