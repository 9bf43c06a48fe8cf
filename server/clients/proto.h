/*
 * proto: the lines of the client protocol as bytes (reference core.md 1.2). Parsers take bytes and
 * give views; they keep no state, so a caller with half a line keeps it and asks again with more.
 *
 * A line is a verb, blanks (space, tab), arguments, and LF with at most one CR before it. A caller
 * reads the verb, then the line's arguments with the reader of that verb.
 */
#ifndef SERVER_CLIENTS_PROTO_H
#define SERVER_CLIENTS_PROTO_H

#include "base/bytes.h"

enum [[nodiscard]] parse{
    PARSE_DONE, PARSE_MORE, /* could still become whole */
    PARSE_BAD,              /* never */
    PARSE_LONG,             /* the arguments are longer than `limit`, whole or not */
};

enum proto_verb {
    PROTO_CONNECT,
    PROTO_ERR,
    PROTO_HPUB,
    PROTO_INFO,
    PROTO_OK,
    PROTO_PING,
    PROTO_PONG,
    PROTO_PUB,
    PROTO_SUB,
    PROTO_UNSUB,
};

struct proto_pub {
    struct bytes subject;
    struct bytes reply; /* may be empty */
    uint32_t header_size;
    uint32_t size; /* headers and payload, without the CR LF behind them */
};

struct proto_sub {
    struct bytes subject;
    struct bytes queue; /* may be empty */
    struct bytes sid;
};

struct proto_unsub {
    struct bytes sid;
    uint32_t max; /* 0: at once; so is a number that is none, as in the reference */
};

/* The verb at the start of `in`; *used is what it takes, with the blank that must follow some. */
enum parse proto_read_verb(struct bytes in, enum proto_verb *verb, size_t *used);

/*
 * Each of these reads from behind the verb; *used counts the LF too. `limit` bounds the arguments
 * without the blanks before them. What they hand out means something only when DONE.
 */
enum parse proto_read_args(struct bytes in, size_t limit, struct bytes *args, size_t *used);
enum parse proto_read_pub(struct bytes in, size_t limit, struct proto_pub *pub, size_t *used);
enum parse proto_read_hpub(struct bytes in, size_t limit, struct proto_pub *pub, size_t *used);
enum parse proto_read_sub(struct bytes in, size_t limit, struct proto_sub *sub, size_t *used);
enum parse proto_read_unsub(struct bytes in, size_t limit, struct proto_unsub *unsub, size_t *used);

/* Writes `value` in decimal at `at` and returns where it ends; at most PROTO_DIGITS_MAX bytes. */
#define PROTO_DIGITS_MAX 10u
uint8_t *proto_write_u32(uint8_t *at, uint32_t value);

#endif
