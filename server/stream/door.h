/*
 * door: what listens in place of a stream that is not open yet (server/jetstream/jetstream_late.c).
 * It takes what the stream would take, keeps it in the order in which it comes, and hands it over
 * when the stream is there.
 */
#ifndef SERVER_STREAM_DOOR_H
#define SERVER_STREAM_DOOR_H

#include <stdatomic.h>

#include "server/stream/stream.h"
#include "server/stream/stream_config.h"

struct door;

/* What all doors of a server keep, and may. Each has the bounds of an open stream, too. */
#define DOORS_BYTES_MAX ((size_t)256 << 20)
struct door_room {
    _Atomic size_t bytes;
    size_t most;
};

/* Of a stream of that lane, and like it on the lane's thread, or while that stands still. On what
 * one of that config listens, which stays where it is as long as the door does. `knocked`:
 * something has come; from inside a publish. */
struct door *door_open(struct stream_lane *lane, struct account *account,
                       const struct stream_config *config, struct door_room *room,
                       void (*knocked)(void *owner), void *owner);
/* Again, after it was shut. */
void door_listen(struct door *door);
/* Nothing comes any more: the stream listens from here on. Not from inside a publish. */
void door_shut(struct door *door);
bool door_waits(const struct door *door);
/* Publishers that there was no room for are told so. Not from inside a publish. */
void door_answer(struct door *door);
/* To the stream, as if it came now. */
void door_hand_over(struct door *door, struct stream *stream);
/* There will be no stream: whoever wants an answer hears that nobody listens. */
void door_refuse(struct door *door);
/* Nobody is told of what it still has. */
void door_destroy(struct door *door);

#endif
