#include "server/websocket/frames.h"

#include <stdlib.h>
#include <wslay/wslay.h>

#include "base/heap.h"

#define CLOSE_REASON_MAX 123u /* a control frame has 125 bytes, two for the code */

struct frames {
    struct wslay_event_context *in;   /* reads, and writes control frames */
    struct wslay_frame_context *data; /* writes frames of data */
    struct bytes fed;                 /* what was not read yet */
    struct buf own;                   /* control frames that wait */
    struct buf *out;                  /* where data goes; during frames_write */
    struct frames_options options;
    frames_payload_fn *payload;
    void *context;
    struct inflater *inflater; /* of the message that arrives; NULL: it is not compressed */
    bool ended;
    bool in_data; /* the frame that arrives is not a control frame */
    bool in_last; /* and the last of its message */
    bool closed;  /* the last frame was written */
    bool damaged; /* a compressed message was none, or too large */
};

/* ---- what wslay calls ----------------------------------------------------------------------- */

static ssize_t read_fed(struct wslay_event_context *in, uint8_t *to, size_t size, int flags,
                        void *user)
{
    struct frames *frames = user;

    (void)flags;
    if (frames->fed.size == 0) {
        wslay_event_set_error(in, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    if (size > frames->fed.size)
        size = frames->fed.size;
    memcpy(to, frames->fed.at, size);
    frames->fed = bytes_skip(frames->fed, size);
    return (ssize_t)size;
}

static ssize_t write_own(struct wslay_event_context *in, const uint8_t *data, size_t size,
                         int flags, void *user)
{
    struct frames *frames = user;

    (void)flags;
    if (!buf_add(&frames->own, bytes_of(data, size))) {
        wslay_event_set_error(in, WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
    }
    return (ssize_t)size;
}

static void frame_begins(struct wslay_event_context *in,
                         const struct wslay_event_on_frame_recv_start_arg *frame, void *user)
{
    struct frames *frames = user;

    (void)in;
    frames->in_data = !wslay_is_ctrl_frame(frame->opcode);
    frames->in_last = frame->fin != 0;
    if (frames->in_data && wslay_get_rsv1(frame->rsv))
        frames->inflater = inflater_create(frames->options.message_max);
}

static void damaged(struct frames *frames)
{
    frames->damaged = true;
    wslay_event_shutdown_read(frames->in);
}

static void frame_goes_on(struct wslay_event_context *in,
                          const struct wslay_event_on_frame_recv_chunk_arg *chunk, void *user)
{
    struct frames *frames = user;
    struct bytes b = bytes_of(chunk->data, chunk->data_length);

    (void)in;
    if (!frames->in_data || b.size == 0 || frames->damaged)
        return;
    if (frames->inflater == NULL)
        frames->payload(frames->context, b);
    else if (!inflater_feed(frames->inflater, b, frames->payload, frames->context))
        damaged(frames);
}

static void frame_ends(struct wslay_event_context *in, void *user)
{
    struct frames *frames = user;

    (void)in;
    if (!frames->in_data || !frames->in_last || frames->inflater == NULL)
        return;
    if (!frames->damaged && !inflater_end(frames->inflater, frames->payload, frames->context))
        damaged(frames);
    inflater_destroy(frames->inflater);
    frames->inflater = NULL;
}

static void message_came(struct wslay_event_context *in,
                         const struct wslay_event_on_msg_recv_arg *message, void *user)
{
    (void)in;
    if (message->opcode == WSLAY_CONNECTION_CLOSE)
        ((struct frames *)user)->ended = true;
}

static ssize_t write_data(const uint8_t *data, size_t size, int flags, void *user)
{
    struct frames *frames = user;

    (void)flags;
    return buf_add(frames->out, bytes_of(data, size)) ? (ssize_t)size : -1;
}

/* Of control frames that are not to be masked, too: a mask of zeros is taken out of them later. */
static void make_mask(const struct frames *frames, uint8_t *at, size_t size)
{
    memset(at, 0, size);
    if (!frames->options.unmasked && frames->options.random != NULL)
        frames->options.random(frames->context, at, size);
}

static int mask_own(struct wslay_event_context *in, uint8_t *at, size_t size, void *user)
{
    (void)in;
    make_mask(user, at, size);
    return 0;
}

static int mask_data(uint8_t *at, size_t size, void *user)
{
    make_mask(user, at, size);
    return 0;
}

/* ---- one WebSocket -------------------------------------------------------------------------- */

/* The library takes masked frames as a server and others as a client. */
static bool awaits_masks(const struct frames_options *options)
{
    return options->random == NULL && !options->unmasked;
}

struct frames *frames_create(const struct frames_options *options, frames_payload_fn *payload,
                             void *context)
{
    static const struct wslay_event_callbacks events = {
        .recv_callback = read_fed,
        .send_callback = write_own,
        .genmask_callback = mask_own,
        .on_frame_recv_start_callback = frame_begins,
        .on_frame_recv_chunk_callback = frame_goes_on,
        .on_frame_recv_end_callback = frame_ends,
        .on_msg_recv_callback = message_came,
    };
    static const struct wslay_frame_callbacks writing = {.send_callback = write_data,
                                                         .genmask_callback = mask_data};
    struct frames *frames = HEAP_NEW(struct frames);
    int result;

    frames->payload = payload;
    frames->context = context;
    frames->options = *options;
    buf_init(&frames->own, FRAMES_OWN_MAX);
    result = awaits_masks(options) ? wslay_event_context_server_init(&frames->in, &events, frames)
                                   : wslay_event_context_client_init(&frames->in, &events, frames);
    /* They fail only for want of memory, which ends the process as everywhere. */
    if (result != 0 || wslay_frame_context_init(&frames->data, &writing, frames) != 0)
        abort();
    wslay_event_config_set_no_buffering(frames->in, 1);
    wslay_event_config_set_max_recv_msg_length(frames->in, options->message_max);
    if (options->deflater != NULL)
        wslay_event_config_set_allowed_rsv_bits(frames->in, WSLAY_RSV1_BIT);
    return frames;
}

bool frames_deflate(const struct frames *frames)
{
    return frames->options.deflater != NULL;
}

void frames_set_deflater(struct frames *frames, struct deflater *deflater)
{
    assert(frames_deflate(frames));
    frames->options.deflater = deflater;
}

void frames_destroy(struct frames *frames)
{
    if (frames == NULL)
        return;
    wslay_event_context_free(frames->in);
    wslay_frame_context_free(frames->data);
    inflater_destroy(frames->inflater);
    buf_deinit(&frames->own);
    heap_give(frames);
}

/* Control frames that were queued: all of them, or none. */
static bool send_own(struct frames *frames)
{
    size_t before = frames->own.size;

    if (wslay_event_send(frames->in) == 0)
        return true;
    frames->own.size = before;
    return false;
}

enum frames_state frames_feed(struct frames *frames, struct bytes b)
{
    frames->fed = b;
    while (frames->fed.size > 0 && wslay_event_get_read_enabled(frames->in)) {
        if (wslay_event_recv(frames->in) != 0 || !send_own(frames)) {
            frames->fed = bytes_of(NULL, 0);
            return FRAMES_BROKEN;
        }
    }
    frames->fed = bytes_of(NULL, 0);
    if (frames->damaged)
        return FRAMES_BROKEN;
    if (frames->ended)
        return FRAMES_ENDED;
    return wslay_event_get_read_enabled(frames->in) ? FRAMES_OPEN : FRAMES_BROKEN;
}

bool frames_has_out(const struct frames *frames)
{
    return frames->own.size > 0;
}

/* One frame; false: it did not go, as nothing behind it will. */
static bool write_frame(struct frames *frames, struct bytes payload, uint8_t opcode, uint8_t rsv,
                        bool last)
{
    struct wslay_frame_iocb frame = {
        .fin = last,
        .rsv = rsv,
        .mask = frames->options.random != NULL && !frames->options.unmasked,
        .opcode = opcode,
        .payload_length = payload.size,
        .data = payload.at,
        .data_length = payload.size,
    };

    /* `out` takes everything: the owner's buffers have no limit of their own */
    return wslay_frame_send(frames->data, &frame) == (ssize_t)payload.size;
}

static struct bytes piece_of(struct bytes payload, size_t most)
{
    return bytes_take(payload, payload.size < most ? payload.size : most);
}

/* Every frame is a message: the protocol may be cut anywhere. */
static void write_plain(struct frames *frames, struct bytes payload)
{
    while (payload.size > 0) {
        struct bytes piece = piece_of(payload, frames->options.frame_max);

        if (!write_frame(frames, piece, WSLAY_BINARY_FRAME, WSLAY_RSV_NONE, true))
            return;
        payload = bytes_skip(payload, piece.size);
    }
}

/* One message, whatever its frames. */
static bool write_message(struct frames *frames, struct bytes squeezed)
{
    size_t most = frames->options.whole ? SIZE_MAX : frames->options.frame_max;
    uint8_t opcode = WSLAY_BINARY_FRAME, rsv = WSLAY_RSV1_BIT;

    while (squeezed.size > 0) {
        struct bytes piece = piece_of(squeezed, most);

        squeezed = bytes_skip(squeezed, piece.size);
        if (!write_frame(frames, piece, opcode, rsv, squeezed.size == 0))
            return false;
        opcode = WSLAY_CONTINUATION_FRAME;
        rsv = WSLAY_RSV_NONE;
    }
    return true;
}

static void write_squeezed(struct frames *frames, struct bytes payload)
{
    struct buf squeezed;
    bool written = true;

    buf_init(&squeezed, SIZE_MAX / 2);
    while (payload.size > 0 && written) {
        struct bytes piece = piece_of(payload, FRAMES_WHOLE_MAX);

        buf_clear(&squeezed);
        deflater_write(frames->options.deflater, piece, &squeezed);
        written = write_message(frames, buf_bytes(&squeezed));
        payload = bytes_skip(payload, piece.size);
    }
    buf_deinit(&squeezed);
}

#define MASK_BIT     0x80u
#define MASK_SIZE    4u
#define CONTROL_HEAD 2u

/* Control frames, whole, without the masks of zeros that the library gave them. */
static void add_unmasked(struct bytes own, struct buf *out)
{
    while (own.size >= CONTROL_HEAD + MASK_SIZE) {
        size_t size = own.at[1] & ~MASK_BIT;

        assert((own.at[1] & MASK_BIT) != 0 && CONTROL_HEAD + MASK_SIZE + size <= own.size);
        (void)buf_add_byte(out, own.at[0]);
        (void)buf_add_byte(out, (uint8_t)size);
        own = bytes_skip(own, CONTROL_HEAD + MASK_SIZE);
        (void)buf_add(out, bytes_take(own, size));
        own = bytes_skip(own, size);
    }
}

void frames_write(struct frames *frames, struct bytes payload, struct buf *out)
{
    if (frames->options.unmasked)
        add_unmasked(buf_bytes(&frames->own), out);
    else
        (void)buf_add(out, buf_bytes(&frames->own));
    buf_clear(&frames->own);
    if (frames->closed || wslay_event_get_close_sent(frames->in))
        return;
    frames->out = out;
    if (frames->options.deflater != NULL && payload.size > FRAMES_PLAIN_MAX)
        write_squeezed(frames, payload);
    else
        write_plain(frames, payload);
    frames->out = NULL;
}

void frames_close(struct frames *frames, uint16_t code, struct bytes reason)
{
    if (frames->closed || wslay_event_get_close_sent(frames->in))
        return;
    if (reason.size > CLOSE_REASON_MAX)
        reason.size = CLOSE_REASON_MAX;
    if (wslay_event_queue_close(frames->in, code, reason.at, reason.size) == 0)
        (void)send_own(frames);
    frames->closed = true;
}

uint16_t frames_close_code(const char *reason)
{
    static const struct {
        const char *reason;
        uint16_t code;
    } codes[] = {
        {"Client Closed", 1000},
        {"Read Error", 1001},
        {"Write Error", 1001},
        {"Stale Connection", 1001},
        {"Server Shutdown", 1001},
        {"Parse Error", 1002},
        {"Protocol Violation", 1002},
        {"Bad Client Protocol Version", 1002},
        {"Authentication Timeout", 1008},
        {"Authentication Failure", 1008},
        {"Authentication Expired", 1008},
        {"Credentials Revoked", 1008},
        {"Slow Consumer (Pending Bytes)", 1008},
        {"Slow Consumer (Write Deadline)", 1008},
        {"Maximum Connections Exceeded", 1008},
        {"Maximum Account Connections Exceeded", 1008},
        {"Maximum Subscriptions Exceeded", 1008},
        {"Missing Account", 1008},
        {"Maximum Message Payload Exceeded", 1009},
        {"TLS Handshake Failure", 1015},
    };

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (reason != NULL && strcmp(reason, codes[i].reason) == 0)
            return codes[i].code;
    }
    return 1011;
}
