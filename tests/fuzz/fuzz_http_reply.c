/*
 * Any bytes as the reply of a web server that is asked for an account, cut anywhere: the first byte
 * seeds the cuts. It is what it is, however it was cut, and stays within its bounds.
 */
#include "base/prng.h"
#include "server/resolver/http_reply.h"

#define BODY_MAX  4096u
#define PIECE_MAX 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(struct http_reply *reply, struct bytes b)
{
    http_reply_feed(reply, b);
    assert(reply->body.size <= BODY_MAX);
    assert((reply->state == HTTP_BAD) == (reply->wrong != NULL));
}

static void feed_cut(struct http_reply *reply, struct bytes b, uint8_t seed)
{
    struct prng prng;

    prng_seed(&prng, seed);
    while (b.size > 0) {
        size_t piece = 1 + prng_below(&prng, prng_chance(&prng, 1, 2) ? 3 : PIECE_MAX);
        struct bytes taken = bytes_take(b, piece < b.size ? piece : b.size);

        feed(reply, taken);
        if (reply->state < HTTP_DONE)
            assert(reply->in.size <= HTTP_HEAD_MAX + PIECE_MAX);
        b = bytes_skip(b, taken.size);
    }
}

static void compare(const struct http_reply *whole, const struct http_reply *cut)
{
    assert(whole->state == cut->state);
    if (whole->state == HTTP_BAD)
        return;
    assert(whole->status == cut->status);
    assert(bytes_equal(buf_bytes(&whole->body), buf_bytes(&cut->body)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_reply whole, cut;
    struct bytes rest;

    if (size < 1)
        return 0;
    rest = bytes_of(data + 1, size - 1);
    http_reply_init(&whole, BODY_MAX);
    http_reply_init(&cut, BODY_MAX);
    feed(&whole, rest);
    feed_cut(&cut, rest, data[0]);
    compare(&whole, &cut);
    http_reply_end(&whole);
    http_reply_end(&cut);
    assert(whole.state >= HTTP_DONE);
    compare(&whole, &cut);
    http_reply_deinit(&whole);
    http_reply_deinit(&cut);
    return 0;
}
