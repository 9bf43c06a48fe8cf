/*
 * Any bytes as the frames of a server to who dialled it: they are not masked, ours are, unless
 * nobody masks. The first byte says what was agreed on, the second seeds the cuts. Cut or whole the
 * same payload comes out, as far as both got; and what is said back, pongs and the last frame among
 * it, is what a server reads, whatever came.
 */
#include "base/prng.h"
#include "server/websocket/frames.h"

#define MESSAGE_MAX 4096u
#define OUT_MAX     (4u << 20)
#define REPEATS_MAX 600u /* of the largest ping: more than there is room for pongs */

enum agreed { COMPRESSED = 1, UNMASKED = 2, TALKS = 4, REPEATS = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct side {
    struct frames *frames;
    enum frames_state state;
    struct buf payload; /* that came */
    struct buf said;    /* that was to be written */
    struct buf out;     /* as frames */
    struct prng prng;
    bool talks;
};

static void came(void *context, struct bytes payload)
{
    struct side *side = context;

    assert(payload.size <= 64u << 10); /* piece by piece */
    (void)buf_add(&side->payload, payload);
}

static void make_random(void *context, uint8_t *at, size_t size)
{
    struct side *side = context;

    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)prng_next(&side->prng);
}

static void side_begin(struct side *side, const struct frames_options *options, bool talks)
{
    *side = (struct side){.state = FRAMES_OPEN, .talks = talks};
    buf_init(&side->payload, OUT_MAX);
    buf_init(&side->said, OUT_MAX);
    buf_init(&side->out, OUT_MAX);
    prng_seed(&side->prng, 7);
    side->frames = frames_create(options, came, side);
}

static void side_end(struct side *side)
{
    frames_destroy(side->frames);
    buf_deinit(&side->payload);
    buf_deinit(&side->said);
    buf_deinit(&side->out);
}

static void say(struct side *side, struct bytes payload)
{
    size_t before = side->out.size;

    frames_write(side->frames, payload, &side->out);
    assert(!frames_has_out(side->frames));
    if (side->state == FRAMES_OPEN) {
        assert(side->out.size > before + payload.size / 8);
        (void)buf_add(&side->said, payload);
    }
}

static void side_feed(struct side *side, struct bytes b)
{
    static const char text[] = "MSG a 1 100\r\n.................................................."
                               "..................................................\r\n";

    if (side->state != FRAMES_OPEN)
        return;
    side->state = frames_feed(side->frames, b);
    if (side->state == FRAMES_OPEN && side->talks)
        say(side, bytes_of(text, prng_chance(&side->prng, 1, 2) ? 6 : sizeof(text) - 1));
}

static void feed_cut(struct side *side, struct bytes b, struct prng *cuts)
{
    while (b.size > 0) {
        size_t piece = 1 + prng_below(cuts, prng_chance(cuts, 1, 2) ? 3 : 200);
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

/* As the server does that is dialled. */
static void read_back(struct side *side, const struct frames_options *options)
{
    const struct frames_options server = {
        .message_max = OUT_MAX,
        .frame_max = FRAME_MAX,
        .deflater = options->deflater,
        .unmasked = options->unmasked,
    };
    struct side reader;

    if (side->state == FRAMES_OPEN)
        say(side, BYTES("PONG\r\n"));
    frames_close(side->frames, frames_close_code("Client Closed"), BYTES("Client Closed"));
    frames_write(side->frames, BYTES("never"), &side->out);
    side_begin(&reader, &server, false);
    side_feed(&reader, buf_bytes(&side->out));
    /* who closes gets its own reason back, of which the library lets pass what is no text */
    assert(reader.state != FRAMES_BROKEN || side->state == FRAMES_ENDED);
    /* nothing but a pong that found no room keeps the last frame from leaving, and then all frames
     * are whole: another is read behind them */
    assert(reader.state != FRAMES_OPEN || side->state == FRAMES_BROKEN);
    side_feed(&reader, options->unmasked ? BYTES("\x88\x00") : BYTES("\x88\x80\x00\x00\x00\x00"));
    assert(reader.state != FRAMES_OPEN);
    assert(bytes_equal(buf_bytes(&reader.payload), buf_bytes(&side->said)));
    side_end(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frames_options options = {
        .message_max = MESSAGE_MAX, .frame_max = FRAME_MAX, .random = make_random};
    struct side whole, cut;
    struct prng cuts;
    unsigned fed = 0;

    if (size < 3)
        return 0;
    options.deflater = data[0] & COMPRESSED ? deflater_create() : NULL;
    options.unmasked = data[0] & UNMASKED;
    prng_seed(&cuts, data[1]);
    side_begin(&whole, &options, data[0] & TALKS);
    side_begin(&cut, &options, data[0] & TALKS);
    do {
        struct bytes rest = bytes_of(data + 2, size - 2);

        side_feed(&whole, rest);
        feed_cut(&cut, rest, &cuts);
    } while (data[0] & REPEATS && ++fed < REPEATS_MAX && whole.state == FRAMES_OPEN);
    compare(&whole, &cut);
    read_back(&whole, &options);
    read_back(&cut, &options);
    side_end(&whole);
    side_end(&cut);
    deflater_destroy(options.deflater);
    return 0;
}
