/* What raft/wire.h and raft/cache.h promise. */
#include "raft/cache.h"
#include "raft/members.h"
#include "raft/wire.h"
#include "tests/unit/unit.h"

static void content_at(struct buf *out, uint64_t index)
{
    struct raft_config members = {.at = {{.node = 1, .incarnation = 2}}, .count = 1};
    uint8_t incarnation[16] = {9};

    members_bootstrap(out, incarnation, 42, &members);
    memcpy(out->at + 24, &index, sizeof index); /* formats.md, Content */
}

static void write_append(struct buf *frame, uint64_t previous, uint32_t entries)
{
    struct raft_message message = {
        .type = RAFT_APPEND,
        .from = {.incarnation = 7},
        .to = {.incarnation = 8},
        .term = 3,
        .previous = previous,
        .previous_term = 2,
        .commit = 5,
        .probe = 6,
        .damaged = 4,
        .removed = true,
        .entry_count = entries,
    };
    uint8_t head[WIRE_HEAD], entry_head[WIRE_ENTRY_HEAD];
    struct buf contents;

    buf_init(&contents, 1u << 20);
    for (uint32_t i = 0; i < entries; i++) {
        struct buf content;

        buf_init(&content, 4096);
        content_at(&content, previous + 1 + i);
        wire_write_entry(entry_head, content.size);
        ck_assert(buf_add(&contents, bytes_of(entry_head, sizeof entry_head)));
        ck_assert(buf_add(&contents, buf_bytes(&content)));
        buf_deinit(&content);
    }
    wire_write(head, 16, &message, entries, contents.size);
    ck_assert(buf_add(frame, bytes_of(head, sizeof head)));
    ck_assert(buf_add(frame, buf_bytes(&contents)));
    buf_deinit(&contents);
}

START_TEST(messages_arrive_as_they_were_written)
{
    struct wire_message *in = malloc(sizeof *in);
    struct buf frame;
    struct bytes rest;
    uint64_t group;
    size_t size;

    buf_init(&frame, 1u << 20);
    write_append(&frame, 10, 3);
    write_append(&frame, 20, 0);
    rest = buf_bytes(&frame);
    ck_assert(wire_peek(rest, &group, &size));
    ck_assert_uint_eq(group, 16);
    ck_assert(!wire_peek(bytes_of(rest.at, size - 1), &group, &size));
    ck_assert_int_eq(wire_take(&rest, in), OK);
    ck_assert_uint_eq(size, frame.size - rest.size);
    ck_assert_uint_eq(in->group, 16);
    ck_assert_int_eq(in->message.type, RAFT_APPEND);
    ck_assert_uint_eq(in->message.from.incarnation, 7);
    ck_assert_uint_eq(in->message.previous, 10);
    ck_assert_uint_eq(in->message.damaged, 4);
    ck_assert(in->message.removed && !in->message.granted);
    ck_assert_uint_eq(in->message.entry_count, 3);
    ck_assert_uint_eq(in->message.entries[2].index, 13);
    ck_assert_ptr_nonnull(in->message.entries[0].config);
    ck_assert_int_eq(wire_take(&rest, in), OK);
    ck_assert_uint_eq(in->message.entry_count, 0);
    ck_assert_uint_eq(rest.size, 0);
    buf_deinit(&frame);
    free(in);
}
END_TEST

START_TEST(entries_that_do_not_follow_each_other_are_refused)
{
    struct wire_message *in = malloc(sizeof *in);
    struct buf frame;
    struct bytes rest;
    uint64_t wrong = 40;

    buf_init(&frame, 1u << 20);
    write_append(&frame, 10, 2);
    memcpy(frame.at + WIRE_HEAD + WIRE_ENTRY_HEAD + 24, &wrong, sizeof wrong);
    rest = buf_bytes(&frame);
    ck_assert_int_eq(wire_take(&rest, in), ERR_CORRUPT);
    buf_deinit(&frame);
    free(in);
}
END_TEST

/* Whatever a peer sends is read within its bounds (the sanitizers watch). */
START_TEST(cut_and_changed_frames_do_no_harm)
{
    struct wire_message *in = malloc(sizeof *in);
    struct buf frame;

    buf_init(&frame, 1u << 20);
    write_append(&frame, 10, 2);
    for (size_t cut = 1; cut < frame.size; cut++) {
        struct bytes rest = bytes_take(buf_bytes(&frame), cut);

        ck_assert_int_eq(wire_take(&rest, in), ERR_CORRUPT);
    }
    for (size_t at = 0; at < frame.size; at++) {
        struct bytes rest = buf_bytes(&frame);
        uint8_t was = frame.at[at];

        frame.at[at] ^= 0xff;
        (void)wire_take(&rest, in);
        frame.at[at] = was;
    }
    buf_deinit(&frame);
    free(in);
}
END_TEST

/* ---- the cache ------------------------------------------------------------------------------ */

static void add(struct cache *cache, uint64_t index, size_t size)
{
    struct log_content *content = log_content_make(size);

    memset(log_content_memory(content), (int)index, size);
    cache_add(cache, index, content);
    log_content_drop(content);
}

START_TEST(the_cache_keeps_what_is_not_done_with_and_drops_the_oldest)
{
    struct cache cache;

    cache_init(&cache, 1000);
    for (uint64_t index = 1; index <= 40; index++)
        add(&cache, index, 100);
    cache_trim(&cache, 20);
    ck_assert_ptr_null(cache_find(&cache, 20));
    for (uint64_t index = 21; index <= 40; index++)
        ck_assert_ptr_nonnull(cache_find(&cache, index));
    cache_trim(&cache, 40);
    ck_assert_ptr_null(cache_find(&cache, 30));
    ck_assert_ptr_nonnull(cache_find(&cache, 31));
    cache_deinit(&cache);
}
END_TEST

START_TEST(a_cut_forgets_what_is_above_it_and_a_jump_everything)
{
    struct cache cache;

    cache_init(&cache, 100000);
    for (uint64_t index = 5; index <= 9; index++)
        add(&cache, index, 100);
    cache_cut(&cache, 7);
    ck_assert_ptr_null(cache_find(&cache, 8));
    ck_assert_ptr_nonnull(cache_find(&cache, 7));
    add(&cache, 8, 50);
    ck_assert_uint_eq(log_content_bytes(cache_find(&cache, 8)->content).size, 50);
    add(&cache, 100, 50);
    ck_assert_ptr_null(cache_find(&cache, 8));
    ck_assert_ptr_nonnull(cache_find(&cache, 100));
    cache_deinit(&cache);
}
END_TEST

START_TEST(a_message_of_catch_up_comes_back_with_its_payload_or_not_at_all)
{
    static struct wire_message out;
    struct raft_message message = {.from.incarnation = 5,
                                   .to.incarnation = 6,
                                   .term = 3,
                                   .previous = 9,
                                   .previous_term = 2,
                                   .last = 77};
    uint8_t frame[WIRE_HEAD + 11];
    struct bytes rest;

    wire_write_catch(frame, 16, WIRE_BODY, &message, BYTES("hello block"));
    memcpy(frame + WIRE_HEAD, "hello block", 11);
    rest = bytes_of(frame, sizeof frame);
    ck_assert_int_eq(wire_take(&rest, &out), OK);
    ck_assert_uint_eq(rest.size, 0);
    ck_assert_int_eq(out.catch, WIRE_BODY);
    ck_assert_uint_eq(out.group, 16);
    ck_assert_uint_eq(out.message.previous, 9);
    ck_assert_uint_eq(out.message.last, 77);
    ck_assert(bytes_equal(out.payload, BYTES("hello block")));
    for (size_t i = WIRE_HEAD; i < sizeof frame; i++) {
        frame[i] ^= 1;
        rest = bytes_of(frame, sizeof frame);
        ck_assert_int_eq(wire_take(&rest, &out), ERR_CORRUPT);
        frame[i] ^= 1;
    }
    rest = bytes_of(frame, sizeof frame - 1);
    ck_assert_int_eq(wire_take(&rest, &out), ERR_CORRUPT);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        messages_arrive_as_they_were_written,
        entries_that_do_not_follow_each_other_are_refused,
        cut_and_changed_frames_do_no_harm,
        the_cache_keeps_what_is_not_done_with_and_drops_the_oldest,
        a_cut_forgets_what_is_above_it_and_a_jump_everything,
        a_message_of_catch_up_comes_back_with_its_payload_or_not_at_all,
    };

    return UNIT_RUN_PLAIN("wire", tests);
}
