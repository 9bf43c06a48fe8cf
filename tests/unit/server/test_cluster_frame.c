#include "server/cluster/frame.h"
#include "tests/unit/unit.h"

static struct buf frame_of(uint8_t kind, uint8_t class, const struct bytes *pieces, size_t count)
{
    struct buf out;

    buf_init(&out, 1u << 20);
    ck_assert(frame_add(&out, kind, class, pieces, count));
    return out;
}

START_TEST(what_is_added_is_read_back_as_one_body)
{
    struct bytes pieces[] = {BYTES("one "), BYTES(""), BYTES("body")};
    struct buf out = frame_of(77, 2, pieces, 3);
    struct frame frame;
    size_t used;

    ck_assert_uint_eq(out.size, FRAME_HEAD + 8);
    ck_assert_int_eq(frame_read(buf_bytes(&out), 8, &frame, &used), FRAME_WHOLE);
    ck_assert_uint_eq(used, out.size);
    ck_assert_uint_eq(frame.kind, 77);
    ck_assert_uint_eq(frame.class, 2);
    ck_assert(bytes_equal(frame.body, BYTES("one body")));
    buf_deinit(&out);
}
END_TEST

START_TEST(a_frame_cut_anywhere_asks_for_what_it_lacks_and_never_for_less_than_there_is)
{
    struct bytes piece = BYTES("a body");
    struct buf out = frame_of(20, 0, &piece, 1);
    struct frame frame;
    size_t used;

    for (size_t cut = 0; cut < out.size; cut++) {
        ck_assert_int_eq(frame_read(bytes_of(out.at, cut), 100, &frame, &used), FRAME_MORE);
        ck_assert_uint_eq(used, cut < FRAME_HEAD ? FRAME_HEAD : out.size);
    }
    buf_deinit(&out);
}
END_TEST

START_TEST(a_bit_that_flipped_anywhere_is_noticed)
{
    struct bytes piece = BYTES("a body");
    struct buf out = frame_of(20, 0, &piece, 1);
    struct frame frame;
    size_t used;

    for (size_t bit = 0; bit < out.size * 8; bit++) {
        out.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_int_ne(frame_read(buf_bytes(&out), 100, &frame, &used), FRAME_WHOLE);
        out.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    ck_assert_int_eq(frame_read(buf_bytes(&out), 100, &frame, &used), FRAME_WHOLE);
    buf_deinit(&out);
}
END_TEST

START_TEST(a_body_larger_than_allowed_is_bad_before_it_is_there)
{
    struct bytes piece = BYTES("a body");
    struct buf out = frame_of(20, 0, &piece, 1);
    struct frame frame;
    size_t used;

    ck_assert_int_eq(frame_read(bytes_of(out.at, FRAME_HEAD), 5, &frame, &used), FRAME_BAD);
    ck_assert_int_eq(frame_read(bytes_of(out.at, FRAME_HEAD), 6, &frame, &used), FRAME_MORE);
    buf_deinit(&out);
}
END_TEST

START_TEST(a_full_buffer_takes_no_part_of_a_frame)
{
    struct bytes piece = BYTES("a body");
    struct buf out;

    buf_init(&out, FRAME_HEAD + piece.size);
    ck_assert(frame_add(&out, 20, 0, &piece, 1));
    ck_assert(!frame_add(&out, 20, 0, NULL, 0));
    ck_assert_uint_eq(out.size, FRAME_HEAD + piece.size);
    buf_deinit(&out);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_is_added_is_read_back_as_one_body,
        a_frame_cut_anywhere_asks_for_what_it_lacks_and_never_for_less_than_there_is,
        a_bit_that_flipped_anywhere_is_noticed,
        a_body_larger_than_allowed_is_bad_before_it_is_there,
        a_full_buffer_takes_no_part_of_a_frame,
    };

    return UNIT_RUN_PLAIN("cluster_frame", tests);
}
