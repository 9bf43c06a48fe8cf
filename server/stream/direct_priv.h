/* direct_priv: between direct.c (requests, answers) and direct_many.c (answers of many messages).
 */
#ifndef SERVER_STREAM_DIRECT_PRIV_H
#define SERVER_STREAM_DIRECT_PRIV_H

#include "server/stream/message_get.h"
#include "server/stream/stream_priv.h"

#define DIRECT_NOT_FOUND  BYTES("NATS/1.0 404 Message Not Found\r\n\r\n")
#define DIRECT_UNREADABLE BYTES("NATS/1.0 500 Index Unreadable\r\n\r\n")
#define DIRECT_DAMAGED    BYTES("NATS/1.0 500 Message Damaged\r\n\r\n")

/* What of an answer with many messages stands among the headers of each. */
struct direct_progress {
    uint64_t pending; /* how many follow this one */
    uint64_t last;    /* sequence of the one before, 0: none */
};

void direct_answer_status(struct stream *stream, struct bytes to, struct bytes headers);
/* The message with what identifies it among its headers, or, if asked for so, without any.
 * `progress`: NULL for the only message. */
void direct_answer_message(struct stream *stream, struct bytes reply, bool no_headers,
                           const struct stream_message *message,
                           const struct direct_progress *progress);

/* Is there room for one more that is answered by and by? */
bool direct_many_room(const struct stream *stream);
/* Begins to answer a request with batch or multi_last, which is copied; stream_direct_turn goes
 * on. */
void direct_many_begin(struct stream *stream, struct bytes reply, const struct message_get *get);
/* A turn's part of each. */
void direct_many_turn(struct stream *stream);

#endif
