/*
 * ahead: what the index has on the disk alone of what is about to be changed comes into memory
 * (server/stream/bring.h) before the change is decided: the subject of a message that is published,
 * and the messages that leave for a limit or for their age. Until then publishes wait, in their
 * order, and ages a millisecond; not for ever: a disk that takes longer than two seconds is waited
 * for by the loop, as is one that cannot be read.
 *
 * Followers apply what the leader decided when it comes, whatever is in memory.
 */
#ifndef SERVER_STREAM_AHEAD_H
#define SERVER_STREAM_AHEAD_H

#include <stdbool.h>

#include "base/bytes.h"

struct stream;

struct ahead_wait {
    int64_t since_ns;    /* 0: nothing is away */
    int64_t given_up_ns; /* for a second from then on nothing is asked */
};

/* A stream's. */
struct ahead {
    struct ahead_wait publish, expiry;
    /* What any publish reads is here until then, or any that removes nothing; how many were asked
     * about one by one since. */
    int64_t all_until_ns;
    bool all_removes;
    unsigned asked;
    /* What leaves for limits of the stream is here, up to that message: for so many publishes, and
     * bytes, more. */
    uint64_t front_last, left, left_bytes, step;
    int64_t asked_ns;
    /* The next expiry takes what was due then: what was too old, up to that sequence (0: nothing
     * was), and, if there is no more of that, what had ended. */
    int64_t due_ns;
    uint64_t aged_last;
    bool aged_more;
};

/* A decider's (server/stream/decide.h): may a message of that subject and stored size be decided?
 * Else the stream has another turn when it may. */
bool stream_ahead_publish(void *owner, struct bytes subject, uint64_t size);
/* May what is due at that log time be decided? */
bool stream_ahead_expiry(struct stream *stream, int64_t now_ns);

#endif
