/*
 * frames: the frames of one WebSocket, seen from the server or from who dialled (RFC 6455 5): those
 * that arrive are unmasked and their payload handed on as it comes, pings are answered, what is
 * sent is put into binary frames, masked by who dialled, unless both agreed that nobody masks. The
 * library wslay does the framing; this is its one door. Where both sides have agreed on it (RFC
 * 7692) messages may be compressed. No I/O.
 */
#ifndef SERVER_WEBSOCKET_FRAMES_H
#define SERVER_WEBSOCKET_FRAMES_H

#include "base/buf.h"
#include "server/websocket/deflate.h"

#define FRAME_BROWSER_MAX  4096u       /* the payload of a frame to a browser (core.md 6.5) */
#define FRAME_MAX          (64u << 10) /* to others: clients refuse frames that are much longer */
#define FRAMES_OWN_MAX     (64u << 10) /* of pongs that wait to leave; then the peer is given up */
#define FRAMES_MESSAGE_MAX (64u << 20)
#define FRAMES_WHOLE_MAX   (1u << 20) /* of what is compressed into one message: the same */
#define FRAMES_PLAIN_MAX   64u        /* shorter payloads are not worth compressing (core.md 6.5) */

enum frames_state {
    FRAMES_OPEN,
    FRAMES_ENDED,  /* the peer has said that it closes; its answer is in `out` */
    FRAMES_BROKEN, /* it does not keep to the protocol; what there is to say of it is in `out` */
};

struct frames;

typedef void frames_payload_fn(void *context, struct bytes payload);
typedef void frames_random_fn(void *context, uint8_t *at, size_t size);

struct frames_options {
    size_t message_max; /* of one that arrives, decompressed */
    size_t frame_max;   /* of one that is sent */
    /* What compresses messages, and outlives the frames; NULL: that was not agreed on. */
    struct deflater *deflater;
    bool whole; /* compressed messages are not split: the peer cannot read them (core.md 6.5) */
    frames_random_fn *random; /* this side dialled: of masks, called with the context; else NULL */
    bool unmasked;            /* nobody masks */
};

/* `payload` is called with what arrives. */
struct frames *frames_create(const struct frames_options *options, frames_payload_fn *payload,
                             void *context);
void frames_destroy(struct frames *frames); /* NULL is fine */

/* Does it compress? Then another may do it from here on. */
bool frames_deflate(const struct frames *frames);
void frames_set_deflater(struct frames *frames, struct deflater *deflater);

enum frames_state frames_feed(struct frames *frames, struct bytes b);

/* Appends `payload` in frames to `out`, behind the control frames that wait. */
void frames_write(struct frames *frames, struct bytes payload, struct buf *out);
/* Control frames that wait. */
bool frames_has_out(const struct frames *frames);
/* The last frame: why it is closed. Nothing is written behind it. */
void frames_close(struct frames *frames, uint16_t code, struct bytes reason);

/* By the reason that a client ended for (core.md 1.13, 6.5). */
uint16_t frames_close_code(const char *reason);

#endif
