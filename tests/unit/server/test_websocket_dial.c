#include "base/http_head.h"
#include "server/websocket/dial.h"

#include "server/websocket/frames.h"
#include "tests/unit/unit.h"

static const struct websocket_options compressing = {.compression = true};

/* What one asks and what is answered, as both sides have it. */
static bool meet(struct dial_wish *wish, const struct websocket_options *options,
                 struct upgrade *upgrade)
{
    char reason[DIAL_REASON_SIZE];
    struct buf asked, answer;
    bool met;

    buf_init(&asked, UPGRADE_HEAD_MAX);
    buf_init(&answer, UPGRADE_HEAD_MAX);
    dial_ask(wish, &asked);
    ck_assert_uint_eq(http_head_size(buf_bytes(&asked)), asked.size);
    ck_assert(upgrade_answer(buf_bytes(&asked), false, options, false, &answer, upgrade));
    ck_assert_uint_eq(http_head_size(buf_bytes(&answer)), answer.size);
    met = dial_answered(buf_bytes(&answer), wish, reason);
    wish->key[0] ^= 1;
    ck_assert(!dial_answered(buf_bytes(&answer), wish, reason)); /* another's */
    wish->key[0] ^= 1;
    buf_deinit(&asked);
    buf_deinit(&answer);
    return met;
}

START_TEST(both_sides_agree_on_what_one_asks_for_and_the_other_has)
{
    struct upgrade upgrade;

    for (unsigned i = 0; i < 8; i++) {
        struct websocket_options options = {.compression = (i & 4) != 0};
        struct dial_wish wish = {.host = "::1",
                                 .port = 80,
                                 .path = "/a/leafnode",
                                 .key = {1, 2, 3},
                                 .compressed = (i & 1) != 0,
                                 .unmasked = (i & 2) != 0};

        upgrade = (struct upgrade){0};
        ck_assert(meet(&wish, &options, &upgrade));
        ck_assert(upgrade.leaf);
        ck_assert_int_eq(wish.compressed, (i & 5) == 5);
        ck_assert_int_eq(upgrade.compressed, wish.compressed);
        ck_assert_int_eq(wish.unmasked, (i & 2) != 0);
        ck_assert_int_eq(upgrade.unmasked, wish.unmasked);
    }
}
END_TEST

START_TEST(a_client_is_not_let_off_masking)
{
    struct dial_wish wish = {.host = "h", .port = 1, .path = "/", .unmasked = true};
    struct upgrade upgrade = {0};

    ck_assert(meet(&wish, &compressing, &upgrade));
    ck_assert(!upgrade.leaf && !upgrade.unmasked && !wish.unmasked);
}
END_TEST

START_TEST(what_is_no_websocket_is_refused)
{
    static const char *const heads[] = {
        "",
        "\r\n\r\n",
        "HTTP/1.1\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    };
    char reason[DIAL_REASON_SIZE];

    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        struct dial_wish wish = {.host = "h", .port = 1, .path = "/"};

        ck_assert(!dial_answered(bytes_of_text(heads[i]), &wish, reason));
        ck_assert_str_eq(reason, "invalid websocket connection");
    }
}
END_TEST

START_TEST(what_a_proxy_says_is_told_in_plain_letters)
{
    char reason[DIAL_REASON_SIZE];

    ck_assert(dial_proxy_answered(BYTES("HTTP/1.0 200 fine\r\n\r\n"), reason));
    ck_assert(!dial_proxy_answered(BYTES("HTTP/1.1 502 B\x1b[1mad\r\n\r\n"), reason));
    ck_assert_str_eq(reason, "proxy CONNECT failed: 502 B?[1mad");
    ck_assert(!dial_proxy_answered(BYTES("SSH-2.0\r\n\r\n"), reason));
}
END_TEST

START_TEST(a_status_is_three_digits_between_blanks)
{
    static const struct {
        const char *head;
        bool good;
    } rows[] = {
        {"HTTP/1.1 200 Connection established\r\n\r\n", true},
        {"HTTP/1.0 200 \r\n\r\n", true},
        {"HTTP/1.1 200\r\n\r\n", true},
        {"HTTP/1.1 2000 OK\r\n\r\n", false},
        {"HTTP/1. 1200 OK\r\n\r\n", false},
        {"HTTP/1.1_200 OK\r\n\r\n", false},
        {"HTTP/1.x 200 OK\r\n\r\n", false},
        {"HTTP/1.1 20\r\n\r\n", false},
        {"HTTP/1.1 200OK\r\n\r\n", false},
    };
    char reason[DIAL_REASON_SIZE];

    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        ck_assert_msg(dial_proxy_answered(bytes_of_text(rows[i].head), reason) == rows[i].good,
                      "%s", rows[i].head);
}
END_TEST

/* ---- frames --------------------------------------------------------------------------------- */

static void came(void *context, struct bytes payload)
{
    (void)buf_add(context, payload);
}

static void random_bytes(void *context, uint8_t *at, size_t size)
{
    (void)context;
    memset(at, 0x5a, size);
}

static void check_way(struct frames *from, struct frames *to, struct buf *got, bool masked)
{
    uint8_t payload[300];
    struct buf out;

    memset(payload, 'x', sizeof(payload));
    buf_init(&out, 1u << 20);
    frames_write(from, bytes_of(payload, sizeof(payload)), &out);
    ck_assert_int_eq((out.at[1] & 0x80) != 0, masked);
    ck_assert_int_eq(frames_feed(to, buf_bytes(&out)), FRAMES_OPEN);
    ck_assert_uint_eq(got->size, sizeof(payload));
    ck_assert(memcmp(got->at, payload, sizeof(payload)) == 0);
    buf_clear(got);
    buf_clear(&out);
    frames_close(from, 1001, BYTES("Server Shutdown"));
    frames_write(from, bytes_of(NULL, 0), &out);
    ck_assert_int_eq((out.at[1] & 0x80) != 0, masked);
    ck_assert_int_eq(frames_feed(to, buf_bytes(&out)), FRAMES_ENDED);
    buf_clear(&out);
    frames_write(to, bytes_of(NULL, 0), &out); /* it is answered */
    ck_assert_uint_gt(out.size, 2);
    ck_assert_int_eq(frames_feed(from, buf_bytes(&out)), FRAMES_ENDED);
    buf_deinit(&out);
}

/* i & 1: compressed, i & 2: nobody masks, i & 4: who dialled says it. */
START_TEST(frames_of_either_side_are_read_by_the_other)
{
    struct deflater *deflater = deflater_create();
    struct buf got[2];

    buf_init(&got[0], 1u << 20);
    buf_init(&got[1], 1u << 20);
    for (unsigned i = 0; i < 8; i++) {
        struct frames_options options = {.message_max = 1u << 20,
                                         .frame_max = FRAME_MAX,
                                         .deflater = (i & 1) != 0 ? deflater : NULL,
                                         .unmasked = (i & 2) != 0};
        struct frames *accepted = frames_create(&options, came, &got[0]), *dialled;

        options.random = random_bytes;
        dialled = frames_create(&options, came, &got[1]);
        if ((i & 4) != 0)
            check_way(dialled, accepted, &got[0], !options.unmasked);
        else
            check_way(accepted, dialled, &got[1], false);
        frames_destroy(accepted);
        frames_destroy(dialled);
    }
    buf_deinit(&got[0]);
    buf_deinit(&got[1]);
    deflater_destroy(deflater);
}
END_TEST

START_TEST(a_frame_of_the_wrong_kind_breaks_it)
{
    static const uint8_t masked[] = {0x82, 0x81, 0, 0, 0, 0, 'x'}, plain[] = {0x82, 0x01, 'x'};

    for (unsigned i = 0; i < 4; i++) {
        struct frames_options options = {.message_max = 100,
                                         .frame_max = 100,
                                         .random = (i & 1) != 0 ? random_bytes : NULL,
                                         .unmasked = (i & 2) != 0};
        struct buf got;
        struct frames *frames = frames_create(&options, came, &got);
        bool wants_masked = i == 0;

        buf_init(&got, 100);
        ck_assert_int_eq(frames_feed(frames, wants_masked ? bytes_of(plain, sizeof(plain))
                                                          : bytes_of(masked, sizeof(masked))),
                         FRAMES_BROKEN);
        frames_destroy(frames);
        buf_deinit(&got);
    }
}
END_TEST

/* Of a peer that asks much and reads nothing. */
START_TEST(pongs_that_find_no_room_are_not_written_in_part)
{
    static const uint8_t ping[2 + 125] = {0x89, 125};
    struct frames_options options = {.message_max = 1000, .frame_max = 1000, .unmasked = true};
    struct buf got, out;
    struct frames *frames = frames_create(&options, came, &got);
    size_t count = 0;

    buf_init(&got, 1000);
    buf_init(&out, 1u << 20);
    while (frames_feed(frames, bytes_of(ping, sizeof(ping))) == FRAMES_OPEN)
        count++;
    frames_close(frames, 1002, BYTES("Protocol Violation"));
    frames_write(frames, bytes_of(NULL, 0), &out);
    ck_assert_uint_gt(count, 100);
    ck_assert_uint_eq(out.size, count * sizeof(ping));
    frames_destroy(frames);
    buf_deinit(&got);
    buf_deinit(&out);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        both_sides_agree_on_what_one_asks_for_and_the_other_has,
        a_client_is_not_let_off_masking,
        what_is_no_websocket_is_refused,
        what_a_proxy_says_is_told_in_plain_letters,
        a_status_is_three_digits_between_blanks,
        frames_of_either_side_are_read_by_the_other,
        a_frame_of_the_wrong_kind_breaks_it,
        pongs_that_find_no_room_are_not_written_in_part,
    };

    return UNIT_RUN_PLAIN("websocket_dial", tests);
}
