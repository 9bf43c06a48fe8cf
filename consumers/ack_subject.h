/*
 * ack_subject: the reply subject of a delivered message (reference consumers 4.2), written and
 * read.
 *
 *     v1  $JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<consumer sequence>.<time>.<pending>
 *     v2  $JS.ACK.<domain>.<account hash>.<the same>[.<anything>]
 *
 * We write v1. Both are read: what we read comes from clients, and is only ever a hint which
 * message is meant; nothing in it is trusted.
 */
#ifndef CONSUMERS_ACK_SUBJECT_H
#define CONSUMERS_ACK_SUBJECT_H

#include "base/bytes.h"

struct ack_subject {
    uint64_t deliveries;
    uint64_t sequence;
    uint64_t consumer_sequence;
    int64_t time_ns;
    uint64_t pending;
};

/* Names are at most 255 bytes each; five numbers of at most 20 digits, four dots between them, and
 * what may be overwritten behind them. */
#define ACK_SUBJECT_PREFIX_MAX (8u + 255u + 1u + 255u + 1u)
#define ACK_SUBJECT_MAX        (ACK_SUBJECT_PREFIX_MAX + 5u * 20u + 4u + 7u)

/* "$JS.ACK.<stream>.<consumer>."; returns its length, 0 when the names are too long. */
size_t ack_subject_prefix(char out[static ACK_SUBJECT_PREFIX_MAX], struct bytes stream,
                          struct bytes consumer);
/* Appends the numbers behind a prefix of `prefix_size` bytes in `out`; returns the whole length.
 * Up to seven bytes behind that are overwritten. */
size_t ack_subject_write(char out[static ACK_SUBJECT_MAX], size_t prefix_size,
                         const struct ack_subject *ack);
/* The length ack_subject_write would return. */
size_t ack_subject_size(size_t prefix_size, const struct ack_subject *ack);

/* ---- of deliveries in a row -------------------------------------------------------------------
 * Most numbers of one are those of the one before, or one more or less.
 */

struct ack_number {
    uint64_t value;
    uint64_t above;  /* value / 10^8 */
    uint64_t digits; /* the lower eight, the first in the lowest byte */
    size_t size;     /* of the text of `above` */
    char text[16];
};

struct ack_series {
    struct ack_number sequence, consumer_sequence, time, pending;
    size_t prefix_size;
    char text[ACK_SUBJECT_MAX];
};

/* The prefix is copied. */
void ack_series_begin(struct ack_series *series, struct bytes prefix);
/* The same as ack_subject_write; good until the next call. */
struct bytes ack_series_next(struct ack_series *series, const struct ack_subject *ack);

/* ---- reading -------------------------------------------------------------------------------- */

/* False: not an ack subject, or its stream sequence is no number. Other bad numbers read as 0,
 * which no delivery has. */
bool ack_subject_read(struct bytes subject, struct ack_subject *ack);
/* The same, fast for what was written behind `prefix`. */
bool ack_subject_read_own(struct bytes subject, struct bytes prefix, struct ack_subject *ack);

#endif
