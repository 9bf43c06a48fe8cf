/* A stream's state as a section of a state block, and back. */
#include <stdio.h>

#include "base/heap.h"
#include "base/prng.h"
#include "server/stream/stream_state.h"
#include "tests/unit/unit.h"

#define SECOND INT64_C(1000000000)

static struct stream_state state;

static void apply(struct stream_state *to, const struct effect *effect)
{
    struct apply_result result;

    ck_assert_int_eq(stream_state_apply(to, effect, 77, 100, &result), OK);
}

static void configure(struct stream_state *to, const char *json)
{
    struct effect effect = {.type = EFFECT_CONFIG,
                            .config = {.created_ns = 5, .version = 3, .json = bytes_of_text(json)}};

    apply(to, &effect);
}

static void store(struct stream_state *to, const char *id, int64_t expires_ns, bool marker)
{
    uint64_t sequence = to->last_seq + 1;
    struct effect effect = {.type = EFFECT_MESSAGE,
                            .message = {.sequence = sequence,
                                        .time_ns = (int64_t)sequence * SECOND,
                                        .subject = BYTES("s.a"),
                                        .id = bytes_of_text(id),
                                        .expires_ns = expires_ns,
                                        .marker = marker}};

    apply(to, &effect);
}

static struct buf encoded(const struct stream_state *of)
{
    struct buf out;

    buf_init(&out, SIZE_MAX);
    stream_state_encode(of, &out);
    return out;
}

/* The messages are the block's other part. */
static void copy_messages(const struct stream_state *from, struct stream_state *to)
{
    struct index_entry entry;

    for (uint64_t at = 0; index_next(from->index, NULL, at, &entry); at = entry.sequence + 1)
        index_add(to->index, &entry);
}

static struct stream_state put_back(void)
{
    struct buf bytes = encoded(&state), again;
    struct stream_state back;

    stream_state_init(&back, 12345);
    copy_messages(&state, &back);
    ck_assert_int_eq(stream_state_decode(&back, buf_bytes(&bytes)), OK);
    again = encoded(&back);
    ck_assert_uint_eq(again.size, bytes.size);
    ck_assert_mem_eq(again.at, bytes.at, again.size);
    buf_deinit(&again);
    buf_deinit(&bytes);
    return back;
}

static void begin(const char *json)
{
    static const uint8_t key[16] = "the key of a log";

    stream_state_init(&state, 1);
    dedup_key(&state.dedup, key);
    configure(&state, json);
}

#define CONFIG                                                                                     \
    "{\"name\":\"S\",\"subjects\":[\"s.>\"],\"duplicate_window\":100000000000,\"max_msgs\":50}"

START_TEST(a_state_is_as_it_was_and_goes_on_as_it_would_have)
{
    struct stream_state back;
    struct buf a, b;

    begin(CONFIG);
    for (int i = 0; i < 80; i++) {
        char id[16];

        snprintf(id, sizeof id, "id-%d", i);
        store(&state, i % 3 == 0 ? "" : id, i % 5 == 0 ? (100 + i) * SECOND : 0, i % 10 == 0);
    }
    back = put_back();
    ck_assert_uint_eq(back.first_seq, 31);
    ck_assert_uint_eq(back.last_seq, 80);
    ck_assert_int_eq(back.config.max_msgs, 50);
    ck_assert_uint_eq(back.config_version, 3);
    ck_assert_uint_eq(dedup_find(&back.dedup, BYTES("id-79"), 90 * SECOND), 80);
    ck_assert_uint_eq(dedup_find(&back.dedup, BYTES("id-2"), 90 * SECOND), 3);
    for (int i = 80; i < 300; i++) {
        char id[16];

        snprintf(id, sizeof id, "id-%d", i);
        store(&state, id, 0, false);
        store(&back, id, 0, false);
    }
    a = encoded(&state);
    b = encoded(&back);
    ck_assert_uint_eq(a.size, b.size);
    ck_assert_mem_eq(a.at, b.at, a.size);
    buf_deinit(&a);
    buf_deinit(&b);
    stream_state_deinit(&back);
    stream_state_deinit(&state);
}
END_TEST

START_TEST(what_was_never_configured_and_what_was_emptied_come_back_too)
{
    struct effect purge = {.type = EFFECT_PURGE};
    struct stream_state back;

    stream_state_init(&state, 1);
    back = put_back();
    ck_assert(!back.configured);
    ck_assert_uint_eq(back.first_seq, 0);
    stream_state_deinit(&back);
    stream_state_deinit(&state);

    begin(CONFIG);
    for (int i = 0; i < 5; i++)
        store(&state, "", 0, false);
    purge.purge.last = 5;
    apply(&state, &purge);
    back = put_back();
    ck_assert_uint_eq(back.first_seq, 6);
    ck_assert_uint_eq(back.last_seq, 5);
    stream_state_deinit(&back);
    stream_state_deinit(&state);
}
END_TEST

START_TEST(damage_is_an_answer)
{
    struct prng prng;
    struct buf bytes;

    begin(CONFIG);
    for (int i = 0; i < 40; i++)
        store(&state, i % 2 == 0 ? "x" : "yy", i % 4 == 0 ? 1000 * SECOND : 0, false);
    bytes = encoded(&state);
    prng_seed(&prng, 1);
    for (int i = 0; i < 4000; i++) {
        size_t at = prng_below(&prng, (uint32_t)bytes.size);
        uint8_t was = bytes.at[at];
        struct stream_state back;

        bytes.at[at] ^= (uint8_t)(1 + prng_below(&prng, 255));
        stream_state_init(&back, 1);
        (void)stream_state_decode(&back,
                                  bytes_take(buf_bytes(&bytes), i % 2 == 0 ? at : bytes.size));
        stream_state_deinit(&back);
        bytes.at[at] = was;
    }
    buf_deinit(&bytes);
    stream_state_deinit(&state);
}
END_TEST

START_TEST(schedules_fire_when_they_would_have)
{
    uint8_t entry[SCHEDULE_ENTRY_SIZE];
    struct effect effect = {.type = EFFECT_SCHEDULE,
                            .schedule = {.entries = bytes_of(entry, sizeof entry)}};
    struct stream_state back;
    struct expiry first;

    begin(CONFIG);
    store(&state, "", 0, false);
    (void)effect_schedule_entry(entry, 1, 77 * SECOND);
    apply(&state, &effect);
    back = put_back();
    ck_assert(expiries_first(&back.schedules, &first));
    ck_assert_int_eq(first.expires_ns, 77 * SECOND);
    ck_assert_uint_eq(first.sequence, 1);
    stream_state_deinit(&back);
    stream_state_deinit(&state);
}
END_TEST

#define MANY 5000u
#define PART 64u

static uint64_t items(const struct stream_state *of)
{
    return of->dedup.count + of->expiries.count;
}

/* A stream with many ids and ends is opened beside others: none of its steps is longer for them. */
START_TEST(ids_and_ends_come_in_parts)
{
    struct stream_state_decoding decoding;
    struct buf bytes, again;
    struct stream_state back;
    uint64_t steps = 0, before, left;
    enum err err;

    begin("{\"name\":\"S\",\"subjects\":[\"s.>\"],\"duplicate_window\":10000000000000,"
          "\"allow_msg_ttl\":true}");
    for (unsigned i = 0; i < MANY; i++) {
        char id[16];

        snprintf(id, sizeof id, "%u", i);
        store(&state, id, (int64_t)(2 * MANY + i) * SECOND, false);
    }
    ck_assert_uint_eq(items(&state), 2 * MANY);
    bytes = encoded(&state);
    stream_state_init(&back, 12345);
    copy_messages(&state, &back);
    ck_assert_int_eq(stream_state_decode_begin(&back, buf_bytes(&bytes), &decoding), OK);
    ck_assert_uint_eq(items(&back), 0);
    do {
        before = items(&back);
        left = PART;
        err = stream_state_decode_part(&back, &decoding, &left);
        ck_assert(err == OK || err == ERR_AGAIN);
        ck_assert_uint_le(items(&back) - before, PART);
        steps++;
    } while (err == ERR_AGAIN);
    ck_assert_uint_ge(steps, 2 * MANY / PART);
    ck_assert_uint_le(steps, 2 * MANY / PART + 2);
    again = encoded(&back);
    ck_assert_uint_eq(again.size, bytes.size);
    ck_assert_mem_eq(again.at, bytes.at, again.size);
    buf_deinit(&again);
    buf_deinit(&bytes);
    stream_state_deinit(&back);
    stream_state_deinit(&state);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        ids_and_ends_come_in_parts,
        schedules_fire_when_they_would_have,
        a_state_is_as_it_was_and_goes_on_as_it_would_have,
        what_was_never_configured_and_what_was_emptied_come_back_too,
        damage_is_an_answer,
    };

    return UNIT_RUN_PLAIN("state_block", tests);
}
