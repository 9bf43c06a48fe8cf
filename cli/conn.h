/*
 * conn: a client's connection, used by one thread that waits for what it asked for.
 *
 * What is sent is gathered and leaves when something is waited for, or when there is much of it.
 * While we send we also read, so that two full sides never wait for each other.
 *
 * A server that refuses a subject says so beside the stream of answers (-ERR); conn remembers the
 * last such word, and a request that waits ends with it at once instead of with a timeout.
 */
#ifndef CLI_CONN_H
#define CLI_CONN_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/nuid.h"
#include "cli/settings.h"

struct tls_client;

struct msg {
    uint64_t sid;
    struct bytes subject;
    struct bytes reply;  /* empty: none */
    struct bytes header; /* whole, with its first line; empty: none */
    struct bytes payload;
};

enum conn_verdict {
    CONN_OK,
    CONN_TIMEOUT,
    CONN_UNREACHABLE, /* nobody there, or no NATS server */
    CONN_REFUSED,     /* wrong credentials */
    CONN_DENIED,      /* permissions */
    CONN_LOST,        /* the connection ended */
    CONN_INTERRUPTED, /* interrupt.h: somebody wants us to end; the connection is as it was */
    CONN_WRONG,       /* our own settings are unusable: files, addresses */
};

#define CONN_ERROR_SIZE  512u
#define CONN_HOST_SIZE   256u
#define CONN_SERVERS_MAX 64u

/* What the server said of itself (INFO); texts live in the conn's arena. */
struct conn_info {
    const char *server_id, *server_name, *version, *cluster, *client_ip, *nonce;
    const char *millrace; /* its own version, if it is one; else empty */
    uint64_t max_payload, client_id;
    bool headers, tls_required, auth_required, jetstream;
};

/*
 * Who wants large payloads of a subscription in memory of its own, into which they are read without
 * a copy in between. Not all come so: over TLS, with headers, or when they were read already, the
 * payload stands elsewhere; the message tells where.
 */
struct conn_placing {
    uint64_t sid;
    size_t size_max;
    uint8_t *(*room)(void *owner, size_t size); /* the same until that message was handed out */
    void *owner;
};

/* One that is on its way. */
struct conn_large {
    uint8_t *at; /* NULL: none is */
    size_t got;
    struct msg msg;
    uint8_t names[1024]; /* its subject and reply */
};

struct conn {
    const struct settings *settings;
    struct conn_info info;
    char error[CONN_ERROR_SIZE];   /* what the last failure was */
    char url[CONN_HOST_SIZE + 64]; /* the server that we are with, without its secrets */
    char address[80];              /* the same as an address */
    struct bytes info_text;        /* INFO as it came */

    /* For conn*.c only. */
    struct arena arena;
    int fd;
    int wake; /* becomes readable when we are to end; -1: never, or it was told */
    struct tls_client *tls;
    bool tls_over; /* what it brought is in `in`, and nothing more will come */
    struct buf in; /* plain text, from `head` on not yet parsed */
    size_t head;
    struct buf out;  /* plain text */
    struct buf wire; /* its cipher text */
    uint64_t sid_last;
    uint64_t mux_sid; /* of the inbox for requests; 0: not yet */
    char inbox[128];  /* "_INBOX.<22>.", what every request adds a number to */
    uint64_t request_last;
    struct nuid nuid;
    struct prng prng;
    struct stash *stash_first, *stash_last; /* messages that came while another was awaited */
    struct stash *handed;                   /* the one that the caller looks at */
    size_t stash_size;                      /* of all in line */
    uint64_t pongs_due, pongs;
    bool denied;                        /* `error` holds a -ERR that nobody was told */
    const struct conn_placing *placing; /* or NULL */
    struct conn_large large;
};

/* The monotonic clock, and a moment `after` from now. */
int64_t conn_now(void);

/* Tries each server in turn. On failure there is nothing to close. */
enum conn_verdict conn_open(struct conn *conn, const struct settings *settings);
/* Sends what is left, as far as that goes within a second. */
void conn_close(struct conn *conn);

/* Gathers; `header` is a whole header block or empty. CONN_WRONG, and nothing gathered: a subject
 * with spaces or line ends in it, or more than the server takes. */
enum conn_verdict conn_publish(struct conn *conn, struct bytes subject, struct bytes reply,
                               struct bytes header, struct bytes payload);
/* `queue` may be empty. */
uint64_t conn_subscribe(struct conn *conn, struct bytes subject, struct bytes queue);
/* `max` 0: at once; otherwise after so many messages. */
void conn_unsubscribe(struct conn *conn, uint64_t sid, uint64_t max);

/* Sends all that is gathered. */
enum conn_verdict conn_flush(struct conn *conn);
/* Sends, and waits until the server has processed it. A refusal on the way is CONN_DENIED. */
enum conn_verdict conn_sync(struct conn *conn, int64_t timeout_ns);

/*
 * The next message, until the moment `until` (conn_now); INT64_MAX: for ever. `msg` is good until
 * the next call on this connection. CONN_DENIED: the server refused something, the connection
 * goes on.
 */
enum conn_verdict conn_next(struct conn *conn, int64_t until, struct msg *msg);
/* As conn_next, for one subscription; others wait in line. */
enum conn_verdict conn_next_of(struct conn *conn, uint64_t sid, int64_t until, struct msg *msg);
/* From now on; NULL: no more. While a payload is on its way (conn_next has not handed it out) its
 * memory must stay. */
void conn_place(struct conn *conn, const struct conn_placing *placing);
/* True when conn_next has something without waiting. */
bool conn_has_more(const struct conn *conn);

/* A fresh subject for answers, copied into `arena`. */
struct bytes conn_inbox(struct conn *conn, struct arena *arena);
/* One answer, copied into `arena`; CONN_TIMEOUT: none came. No responders: an answer with the
 * status 503 (msg_status). */
enum conn_verdict conn_request(struct conn *conn, struct bytes subject, struct bytes header,
                               struct bytes payload, int64_t timeout_ns, struct arena *arena,
                               struct msg *answer);
/* Several requests at once: begin each, then take answers in any order; `number` tells whose. */
uint64_t conn_ask(struct conn *conn, struct bytes subject, struct bytes header,
                  struct bytes payload, enum conn_verdict *verdict);
enum conn_verdict conn_answer(struct conn *conn, int64_t until, uint64_t *number, struct msg *msg);

void msg_copy(struct msg *to, const struct msg *from, struct arena *arena);
/* The status in the header's first line ("NATS/1.0 503"), or 0; its words go to *text. */
unsigned msg_status(const struct msg *msg, struct bytes *text);
/* The value of a header field (its case as written), or empty with .at NULL. */
struct bytes msg_header(const struct msg *msg, const char *name);
/* Field by field behind the first line; false: no more. */
bool msg_header_next(struct bytes *rest, struct bytes *name, struct bytes *value);
struct bytes msg_header_fields(const struct msg *msg);

#endif
