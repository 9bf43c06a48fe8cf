/*
 * stem: how the subjects begin that have one result in an index of subscriptions (sublist.h), and
 * how many tokens follow. Acks are such subjects: nobody subscribes to one of their numbers, so
 * that all of one stream go to the same receivers. Pure text and no memory but its own: who keeps a
 * stem says when its result is no longer true.
 */
#ifndef SERVER_ROUTER_SUBLIST_STEM_H
#define SERVER_ROUTER_SUBLIST_STEM_H

#include "server/router/sublist.h"

#define STEM_HEAD     8u /* bytes that every stem has, to be told from others by */
#define STEM_MAX      320u
#define STEM_TAIL_MIN 4u /* tokens behind it; with fewer it is not worth it */
#define STEMS_MAX     4u

struct stem {
    uint64_t generation; /* of the index when it was true; 0: never */
    uint64_t head;       /* its first bytes */
    uint32_t size;
    uint32_t tail;          /* tokens behind it, none of them empty */
    uint8_t text[STEM_MAX]; /* ends with a dot */
    struct match match;
};

/* The stem of a subject without empty tokens: its first `depth` tokens. False: it has none, it is
 * too short or too long, or too little follows. Sets neither generation nor match. */
bool stem_cut(struct stem *stem, struct bytes subject, uint32_t depth);
bool stem_same(const struct stem *a, const struct stem *b);
/* Does the subject begin so, with as many tokens behind it, none of them empty? */
bool stem_takes(const struct stem *stem, struct bytes subject);

#endif
