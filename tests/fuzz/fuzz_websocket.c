/*
 * Any bytes to a WebSocket port, cut anywhere: the first byte says what was agreed on, the second
 * seeds the cuts. A request is answered or refused; of the frames behind it, cut or whole, the same
 * payload comes out. That a frame is none may be noticed later in one than in the other: then what
 * came out of one is how the other begins.
 */
#include "base/http_head.h"
#include "base/prng.h"
#include "server/websocket/frames.h"
#include "server/websocket/upgrade.h"

#define MESSAGE_MAX 4096u
#define OUT_MAX     (256u << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct side {
    struct frames *frames;
    enum frames_state state;
    struct buf payload;
};

/* ---- the request ---------------------------------------------------------------------------- */

static void answer(struct bytes head, bool more, uint8_t agreed)
{
    const struct websocket_header header = {BYTES("X-Zone"), BYTES("a")};
    const struct websocket_origin origin = {
        .scheme = BYTES("http"), .host = BYTES("here"), .port = 80};
    struct websocket_options options = {
        .compression = agreed & 1,
        .same_origin = agreed & 2,
        .origins = &origin,
        .origins_count = agreed >> 2 & 1,
        .token_cookie = BYTES("token"),
        .user_cookie = BYTES("user"),
        .password_cookie = BYTES("password"),
        .headers = &header,
        .headers_count = 1,
    };
    struct upgrade upgrade;
    struct buf out;
    bool taken;

    buf_init(&out, 4 * UPGRADE_HEAD_MAX);
    taken = upgrade_answer(head, more, &options, agreed & 8, &out, &upgrade);
    assert(out.size > 12);
    assert(taken == (memcmp(out.at, "HTTP/1.1 101", 12) == 0));
    if (taken) {
        assert(!upgrade.compressed || options.compression);
        assert(memchr(upgrade.forwarded_for, 0, sizeof(upgrade.forwarded_for)) != NULL);
    } else {
        assert(upgrade.refusal != NULL);
    }
    buf_deinit(&out);
}

/* ---- frames --------------------------------------------------------------------------------- */

static void came(void *context, struct bytes payload)
{
    struct side *side = context;

    assert(payload.size <= 64u << 10); /* piece by piece */
    (void)buf_add(&side->payload, payload);
}

static void side_begin(struct side *side, struct deflater *deflater)
{
    struct frames_options options = {
        .message_max = MESSAGE_MAX, .frame_max = FRAME_BROWSER_MAX, .deflater = deflater};

    *side = (struct side){.state = FRAMES_OPEN};
    buf_init(&side->payload, OUT_MAX);
    side->frames = frames_create(&options, came, side);
}

/* What is written back stays well formed enough to be written, whatever came. */
static void side_end(struct side *side)
{
    struct buf out;

    buf_init(&out, OUT_MAX);
    frames_write(side->frames, BYTES("PONG\r\n"), &out);
    frames_close(side->frames, frames_close_code("Protocol Violation"), BYTES("no"));
    frames_write(side->frames, BYTES("never"), &out);
    buf_deinit(&out);
    frames_destroy(side->frames);
    buf_deinit(&side->payload);
}

static void side_feed(struct side *side, struct bytes b)
{
    if (side->state == FRAMES_OPEN)
        side->state = frames_feed(side->frames, b);
}

static void feed_cut(struct side *side, struct bytes b, uint8_t seed)
{
    struct prng prng;

    prng_seed(&prng, seed);
    while (b.size > 0) {
        size_t piece = 1 + prng_below(&prng, prng_chance(&prng, 1, 2) ? 3 : 64);
        struct bytes taken = bytes_take(b, piece < b.size ? piece : b.size);

        side_feed(side, taken);
        b = bytes_skip(b, taken.size);
    }
}

static void compare(const struct side *whole, const struct side *cut)
{
    struct bytes a = buf_bytes(&whole->payload), b = buf_bytes(&cut->payload);
    size_t common = a.size < b.size ? a.size : b.size;

    assert(bytes_equal(bytes_take(a, common), bytes_take(b, common)));
    if (whole->state == FRAMES_OPEN && cut->state == FRAMES_OPEN)
        assert(a.size == b.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes rest = bytes_of(data, size);
    struct deflater *deflater;
    struct side whole, cut;
    size_t head;

    if (size < 2)
        return 0;
    rest = bytes_skip(rest, 2);
    head = http_head_size(rest);
    assert(head <= rest.size);
    if (head > 0 && head <= UPGRADE_HEAD_MAX) {
        answer(bytes_take(rest, head), rest.size > head, data[0]);
        rest = bytes_skip(rest, head);
    }
    deflater = data[0] & 1 ? deflater_create() : NULL;
    side_begin(&whole, deflater);
    side_begin(&cut, deflater);
    side_feed(&whole, rest);
    feed_cut(&cut, rest, data[1]);
    compare(&whole, &cut);
    side_end(&whole);
    side_end(&cut);
    deflater_destroy(deflater);
    return 0;
}
