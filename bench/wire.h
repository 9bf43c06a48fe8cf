/*
 * wire: the text protocol, both directions, as frames in a byte stream.
 *
 * The parser takes bytes and gives views into them; it keeps no state. One parser serves the load
 * generator (MSG, HMSG, ...) and the floor (PUB, SUB, ...), so neither has an advantage of its own.
 */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrowed bytes: good until the buffer they lie in is read into again. */
struct span {
    const char *at;
    size_t size;
};

enum wire_op {
    WIRE_INFO,
    WIRE_CONNECT,
    WIRE_PING,
    WIRE_PONG,
    WIRE_OK,
    WIRE_ERR,
    WIRE_SUB,
    WIRE_UNSUB,
    WIRE_PUB,
    WIRE_HPUB,
    WIRE_MSG,
    WIRE_HMSG,
};

/* What an operation does not have is an empty span. */
struct frame {
    enum wire_op op;
    struct span line; /* without the line end */
    struct span subject;
    struct span sid;
    struct span reply;
    struct span header;
    struct span payload;
};

enum wire { WIRE_DONE, WIRE_MORE, WIRE_BAD };

/* Reads the first frame of `in`. On WIRE_DONE, *used bytes are consumed; payload and its line end
 * are part of the frame. On WIRE_MORE and WIRE_BAD nothing is written that may be used. */
enum wire wire_read(struct span in, struct frame *frame, size_t *used);

struct span span_of(const char *text);
bool span_equal(struct span a, struct span b);
bool span_starts(struct span s, const char *prefix);
bool span_contains(struct span s, const char *text);
struct span span_skip(struct span s, size_t size);

/* Decimal digits, all of them, at most 19. False: `out` is not written. */
bool span_u64(struct span s, uint64_t *out);

/* The number behind the first `"key":` of a JSON text; spaces may precede it. The benchmark asks
 * only for keys that are unique in the answers it reads, so no more of JSON is needed. */
bool json_u64(struct span json, const char *key, uint64_t *out);

/* Writers: put the value at `at`, return the place after it. The caller made room. */
char *put_text(char *at, const char *text);
char *put_span(char *at, struct span s);
char *put_u64(char *at, uint64_t value);

#endif
