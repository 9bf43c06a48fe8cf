#include <zlib.h>

#include "base/prng.h"
#include "server/backup/s2.h"
#include "server/monitor/content_encoding.h"
#include "tests/unit/unit.h"

#define SIZE_MOST 200000u

static uint8_t memory[SIZE_MOST];

static struct bytes content(struct prng *prng, size_t size)
{
    for (size_t i = 0; i < size; i++)
        memory[i] = (uint8_t)(prng_below(prng, 4) + 'a');
    return bytes_of(memory, size);
}

START_TEST(the_best_that_is_known_of_what_is_asked_for_counts)
{
    ck_assert_int_eq(content_encoding_asked(BYTES("")), CONTENT_PLAIN);
    ck_assert_int_eq(content_encoding_asked(BYTES("br")), CONTENT_IDENTITY);
    ck_assert_int_eq(content_encoding_asked(BYTES("br, GZip;q=1")), CONTENT_GZIP);
    ck_assert_int_eq(content_encoding_asked(BYTES("gzip, Snappy")), CONTENT_SNAPPY);
    ck_assert_int_eq(content_encoding_asked(BYTES("s2")), CONTENT_SNAPPY);
    ck_assert_uint_eq(content_encoding_headers(CONTENT_PLAIN).size, 0);
}
END_TEST

START_TEST(what_was_packed_with_gzip_is_what_it_was)
{
    static uint8_t back[SIZE_MOST];
    struct prng prng;

    prng_seed(&prng, 1);
    for (size_t size = 0; size <= SIZE_MOST; size += 1 + size * 3) {
        struct bytes said = content(&prng, size);
        z_stream stream = {0};
        struct buf out;

        buf_init(&out, SIZE_MAX / 2);
        ck_assert(content_encode(CONTENT_GZIP, said, &out));
        ck_assert_int_eq(inflateInit2(&stream, 15 + 16), Z_OK);
        stream.next_in = out.at;
        stream.avail_in = (uInt)out.size;
        stream.next_out = back;
        stream.avail_out = SIZE_MOST;
        ck_assert_int_eq(inflate(&stream, Z_FINISH), Z_STREAM_END);
        ck_assert(bytes_equal(bytes_of(back, stream.total_out), said));
        ck_assert_uint_eq(stream.avail_in, 0);
        (void)inflateEnd(&stream);
        buf_deinit(&out);
    }
}
END_TEST

START_TEST(what_was_framed_as_snappy_is_what_it_was)
{
    struct prng prng;

    prng_seed(&prng, 2);
    for (size_t size = 0; size <= SIZE_MOST; size += 1 + size * 3) {
        struct bytes said = content(&prng, size), in;
        struct s2_reader reader = {0};
        struct buf out, back;

        buf_init(&out, SIZE_MAX / 2);
        buf_init(&back, SIZE_MAX / 2);
        ck_assert(content_encode(CONTENT_SNAPPY, said, &out));
        in = buf_bytes(&out);
        while (in.size > 0)
            ck_assert_int_eq(s2_read(&reader, &in, &back), S2_OK);
        ck_assert(bytes_equal(buf_bytes(&back), said));
        buf_deinit(&back);
        buf_deinit(&out);
    }
}
END_TEST

START_TEST(what_does_not_fit_is_not_said)
{
    static const enum content_encoding all[] = {CONTENT_PLAIN, CONTENT_IDENTITY, CONTENT_GZIP,
                                                CONTENT_SNAPPY};
    struct prng prng;

    prng_seed(&prng, 3);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct buf out;

        buf_init(&out, 100);
        ck_assert(!content_encode(all[i], content(&prng, 1000), &out));
        buf_deinit(&out);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        the_best_that_is_known_of_what_is_asked_for_counts,
        what_was_packed_with_gzip_is_what_it_was,
        what_was_framed_as_snappy_is_what_it_was,
        what_does_not_fit_is_not_said,
    };

    return UNIT_RUN_PLAIN("content_encoding", tests);
}
