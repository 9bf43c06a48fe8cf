/*
 * fetch: one GET from a web server, over TLS or not: the shell of http_reply. Nothing of it blocks;
 * it has a time for all of it, names and handshakes included. Redirects are not followed.
 */
#ifndef SERVER_RESOLVER_FETCH_H
#define SERVER_RESOLVER_FETCH_H

#include "base/io.h"

#define FETCH_WHY_SIZE 320u

struct fetch;
struct tls_context;

/* Those that are under way. All zeros but for the io. */
struct fetches {
    struct io *io;
    struct fetch *all;
};

struct fetch_site {
    const char *host;
    uint16_t port;
    const char *path;        /* begins and ends with a slash; what is fetched stands below */
    struct tls_context *tls; /* NULL: it is not encrypted */
    int64_t timeout_ns;
    size_t size_max; /* of a body */
};

/* Told once, from the io's turn. `why`: NULL for a status of 200, else a sentence, and no body. */
typedef void fetch_done_fn(void *owner, struct bytes body, const char *why);

/* The site outlives it. */
void fetch_begin(struct fetches *fetches, const struct fetch_site *site, struct bytes name,
                 fetch_done_fn *done, void *owner);
/* Nobody waits for any of them, and the io turns no more. */
void fetches_deinit(struct fetches *fetches);

#endif
