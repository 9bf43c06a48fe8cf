/*
 * leaf_wire: the lines that a leaf and its hub say to each other, as bytes. Pure: parsers take
 * bytes and give views, and whoever has half a line asks again with more.
 *
 *     INFO {json}                                 who answers, once at the beginning and once more
 *                                                 when it has let the other in
 *     CONNECT {json}                              who dials
 *     LS+ subject [queue weight]                  what is wanted from now on; weights are absolute
 *     LS- subject [queue]                         and no longer
 *     LMSG subject [reply] size                   a message, and its payload in the next line;
 *     LMSG subject +|| [reply] queue... size      + with a reply, | without: one member of each of
 *                                                 these groups gets it, too
 *     HMSG ... header-size size                   the same with headers
 *     PING, PONG, +OK, -ERR 'text'
 */
#ifndef SERVER_LEAF_LEAF_WIRE_H
#define SERVER_LEAF_LEAF_WIRE_H

#include "base/buf.h"
#include "server/clients/proto.h"

#define LEAF_WEIGHT_MAX (1u << 24)

enum leaf_verb {
    LEAF_VERB_SUB,
    LEAF_VERB_UNSUB,
    LEAF_VERB_MESSAGE,
    LEAF_VERB_MESSAGE_HEADERS,
    LEAF_VERB_INFO,
    LEAF_VERB_CONNECT,
    LEAF_VERB_PING,
    LEAF_VERB_PONG,
    LEAF_VERB_OK,
    LEAF_VERB_ERR,
};

struct leaf_line {
    enum leaf_verb verb;
    struct bytes args; /* without blanks around them */
    size_t size;       /* of the line with its end */
};

/* The line that `in` begins with. BAD: no verb of these, as soon as that shows; LONG: longer than
 * `limit`. */
enum parse leaf_line_read(struct bytes in, size_t limit, struct leaf_line *line);

struct leaf_interest {
    struct bytes subject;
    struct bytes queue; /* empty: plain */
    uint32_t weight;    /* 0: not any more */
};

/* False: malformed, or a subject that nobody may subscribe to. */
bool leaf_sub_read(struct bytes args, struct leaf_interest *interest);
bool leaf_unsub_read(struct bytes args, struct leaf_interest *interest);

struct leaf_message {
    struct bytes subject;
    struct bytes reply;  /* may be empty */
    struct bytes queues; /* with blanks between them; leaf_queue_next */
    uint32_t header_size;
    uint32_t size; /* headers and payload */
};

/* False: malformed; *why says what, for the peer. */
bool leaf_message_read(struct bytes args, bool headers, struct leaf_message *message,
                       const char **why);
/* Of a consumer's delivery the reply is where it is acknowledged, '@', and the subject that is
 * shown: that, and *reply without it; empty: it is none. */
struct bytes leaf_reply_shown(struct bytes *reply);
/* Takes the first queue out of `queues`; false: there is none. */
bool leaf_queue_next(struct bytes *queues, struct bytes *queue);

/* ---- writing: to buffers that have no limit of their own ------------------------------------ */

void leaf_write_interest(struct buf *out, const struct leaf_interest *interest);
/* The line before headers and payload of these sizes. */
void leaf_write_message(struct buf *out, struct bytes subject, struct bytes reply,
                        const struct bytes *queues, size_t queues_count, size_t header_size,
                        size_t size);
void leaf_write_error(struct buf *out, struct bytes text);

#endif
