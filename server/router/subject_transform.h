/*
 * subject_transform: how a subject becomes another (reference core 2.5, streams 2.3). A source with
 * wildcards takes a subject apart, a destination puts the parts together:
 *
 *     orders.*.*  ->  shop.{{partition(8,2)}}.$2.$1
 *
 * Streams use it for what they store, republish and take from other streams, accounts for what
 * clients publish. The grammar, its oddities among them, is the reference's, asked of a running
 * server: what stands between "{{" and "}}" is searched for the functions one after the other, a
 * wildcard index below one is the first token of the subject, a function that the source has no
 * token for is an error.
 *
 * Pure. A compiled transform is a value whose arrays and texts lie in the caller's arena; it is
 * good as long as that is, and may be used by many at a time.
 */
#ifndef SERVER_ROUTER_SUBJECT_TRANSFORM_H
#define SERVER_ROUTER_SUBJECT_TRANSFORM_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/prng.h"

/* Of a source or destination; more are refused as invalid. */
#define SUBJECT_TRANSFORM_TOKENS_MAX 256u

struct subject_transform_part;

struct subject_transform {
    struct bytes source;                  /* as given; empty: everything */
    struct bytes destination;             /* as given; empty: subjects stay as they are */
    struct subject_transform_part *parts; /* one per token of the destination */
    size_t count;
    size_t tail_from; /* a destination that ends in '>' takes the subject's tokens from here on */
    bool tail;
};

/* Why one was refused, in the reference's words: "invalid subject", "invalid mapping destination:
 * unknown function in {{x}}". */
struct subject_transform_error {
    char text[384];
};

enum subject_transform_use {
    SUBJECT_TRANSFORM_ANY,
    SUBJECT_TRANSFORM_MAPPING, /* streams and accounts: no {{left()}}, {{right()}}, no blanks */
    SUBJECT_TRANSFORM_IMPORT,  /* only wildcards, and all of them: it can be reversed */
};

/* False: *error says why (also when the arena is full); *transform means nothing then. Texts are
 * copied. */
bool subject_transform_compile(struct subject_transform *transform, struct bytes source,
                               struct bytes destination, enum subject_transform_use use,
                               struct arena *arena, struct subject_transform_error *error);

/* Would it compile? */
bool subject_transform_valid(struct bytes source, struct bytes destination,
                             enum subject_transform_use use, struct subject_transform_error *error);

/* Does its source match? A subject that is not literal matches nothing, unless all stay as they
 * are. */
bool subject_transform_matches(const struct subject_transform *transform, struct bytes subject);

/*
 * Appends what a subject that the source matches becomes: one that is not literal, too, as clients
 * name filters in requests; its wildcards are tokens like others. What comes of it need not be a
 * valid subject (a part that is split may leave nothing). `prng` is asked for {{random()}}. False:
 * no room in `out`, which then holds some of it.
 */
bool subject_transform_apply(const struct subject_transform *transform, struct bytes subject,
                             struct prng *prng, struct buf *out);

#endif
