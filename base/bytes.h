/*
 * bytes: a borrowed view of memory. Good until the call it was passed to returns, unless the header
 * that hands it out says until when. Views own nothing and are passed by value.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const uint8_t *at;
    size_t size;
};

/* A string literal as bytes, without its zero. */
#define BYTES(literal) ((struct bytes){(const uint8_t *)("" literal), sizeof(literal) - 1})
/* For printf: "%.*s", BYTES_ARG(b). */
#define BYTES_ARG(b) (int)(b).size, (const char *)(b).at

static inline struct bytes bytes_of(const void *at, size_t size)
{
    return (struct bytes){(const uint8_t *)at, size};
}

static inline struct bytes bytes_of_text(const char *text)
{
    return bytes_of(text, strlen(text));
}

/* What follows the first `count` bytes. Nothing may be nowhere: a null pointer has no offsets. */
static inline struct bytes bytes_skip(struct bytes b, size_t count)
{
    assert(count <= b.size);
    return (struct bytes){count > 0 ? b.at + count : b.at, b.size - count};
}

/* The first `count` bytes. */
static inline struct bytes bytes_take(struct bytes b, size_t count)
{
    assert(count <= b.size);
    return (struct bytes){b.at, count};
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

static inline bool bytes_starts(struct bytes b, struct bytes prefix)
{
    return b.size >= prefix.size && bytes_equal(bytes_take(b, prefix.size), prefix);
}

/* Byte-wise order, the shorter first when one is a prefix of the other: <0, 0, >0. */
int bytes_compare(struct bytes a, struct bytes b);

/* ASCII case-insensitive equality. */
bool bytes_equal_nocase(struct bytes a, struct bytes b);

/* The offset of the first `byte`, or b.size. */
size_t bytes_find(struct bytes b, uint8_t byte);

/* Removes ASCII blanks (space, tab, CR, LF) at both ends. */
struct bytes bytes_trim(struct bytes b);

/* Decimal digits only, at least one, no sign; false on anything else or past UINT64_MAX. */
bool bytes_read_u64(struct bytes b, uint64_t *value);

/* Keyed 64-bit hash (XXH3 with a seed): for tables that clients can fill, seed it at random. */
uint64_t bytes_hash(struct bytes b, uint64_t seed);

#endif
