/*
 * settings: where the servers are, who we are and how we speak to them, from (each over the next)
 * flags, the environment (NATS_URL, NATS_USER, NATS_PASSWORD, NATS_CREDS, NATS_NKEY, NATS_CERT,
 * NATS_KEY, NATS_CA, NATS_TIMEOUT, NATS_SOCKS_PROXY, NATS_CONTEXT) and a context as the `nats`
 * command keeps them.
 */
#ifndef CLI_SETTINGS_H
#define CLI_SETTINGS_H

#include "cli/args.h"

#define SETTINGS_TIMEOUT_NS INT64_C(5000000000)

struct settings {
    const char *url; /* one or more, separated by commas */
    const char *user;
    const char *password;
    const char *token;
    const char *creds; /* files */
    const char *nkey;
    const char *jwt; /* the text itself */
    const char *tls_cert;
    const char *tls_key;
    const char *tls_ca;
    bool tls_first;
    const char *socks_proxy; /* socks5://..., or NULL */
    const char *name;        /* of the connection */
    int64_t timeout_ns;
    const char *api_prefix;   /* "$JS.API", without a dot behind it */
    const char *event_prefix; /* "$JS.EVENT" */
    const char *inbox_prefix; /* "_INBOX" */
    const char *context;      /* the one that was used, or NULL */
    bool trace;
};

/* The flags of every command. */
extern const struct flag settings_flags[];
extern const size_t settings_flag_count;

#define SETTINGS_ERROR_SIZE 512u

/* False: `error` says which file or value is wrong. What settings point at lives in `arena`, argv
 * and the environment. */
bool settings_read(struct settings *settings, const struct args *args, struct arena *arena,
                   char error[static SETTINGS_ERROR_SIZE]);

#endif
