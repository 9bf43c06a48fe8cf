#include "server/cluster/core_wire.h"
#include "tests/unit/unit.h"

START_TEST(interest_is_read_as_it_was_written)
{
    const struct interest said[] = {
        {1, BYTES("a.*"), BYTES("")},
        {0, BYTES("a.b"), BYTES("")},
        {7, BYTES(">"), BYTES("q")},
    };
    struct interest heard;
    struct decoder in;
    struct bytes account;
    struct buf out;

    buf_init(&out, 10000);
    interest_begin(&out, BYTES("$G"));
    for (size_t i = 0; i < UNIT_COUNT(said); i++)
        interest_add(&out, &said[i]);
    decoder_init(&in, buf_bytes(&out));
    ck_assert(interest_read_account(&in, &account));
    ck_assert(bytes_equal(account, BYTES("$G")));
    for (size_t i = 0; i < UNIT_COUNT(said); i++) {
        ck_assert(interest_read(&in, &heard));
        ck_assert_uint_eq(heard.count, said[i].count);
        ck_assert(bytes_equal(heard.subject, said[i].subject));
        ck_assert(bytes_equal(heard.queue, said[i].queue));
    }
    ck_assert(!interest_read(&in, &heard));
    ck_assert(!in.failed);
    buf_deinit(&out);
}
END_TEST

START_TEST(interest_that_is_cut_off_or_no_client_may_have_is_malformed)
{
    const struct interest bad[] = {
        {1, BYTES(""), BYTES("")},     {1, BYTES("a..b"), BYTES("")},
        {1, BYTES("a b"), BYTES("")},  {1, BYTES("a\r\nPING"), BYTES("")},
        {1, BYTES("a"), BYTES("q q")}, {CORE_WEIGHT_MAX + 1, BYTES("a"), BYTES("q")},
        {1, BYTES(">.a"), BYTES("")},
    };
    const struct interest good = {1, BYTES("a.b"), BYTES("q")};
    struct interest heard;
    struct decoder in;
    struct bytes account;
    struct buf out;

    buf_init(&out, 10000);
    for (size_t i = 0; i < UNIT_COUNT(bad); i++) {
        buf_clear(&out);
        interest_add(&out, &bad[i]);
        decoder_init(&in, buf_bytes(&out));
        ck_assert_msg(!interest_read(&in, &heard), "case %zu", i);
        ck_assert(in.failed);
    }
    buf_clear(&out);
    interest_begin(&out, BYTES("A"));
    interest_add(&out, &good);
    for (size_t cut = 0; cut < out.size; cut++) {
        decoder_init(&in, bytes_of(out.at, cut));
        if (interest_read_account(&in, &account))
            while (interest_read(&in, &heard))
                ;
        ck_assert(in.failed || cut == 3); /* an account and nothing behind it */
    }
    buf_deinit(&out);
}
END_TEST

static void encode(struct buf *out, const struct routed *said)
{
    buf_init(out, 10000);
    routed_encode(out, said);
    ck_assert(buf_add(out, said->headers));
    ck_assert(buf_add(out, said->payload));
}

static struct routed a_message(void)
{
    return (struct routed){
        .plain = true,
        .queues = {BYTES("q1"), BYTES("q2")},
        .queues_count = 2,
        .account = BYTES("$G"),
        .subject = BYTES("a.b"),
        .reply = BYTES("re.ply"),
        .route = BYTES("in.box"),
        .headers = BYTES("NATS/1.0\r\n\r\n"),
        .payload = BYTES("pay load"),
    };
}

START_TEST(a_message_is_read_as_it_was_written)
{
    struct routed said = a_message(), heard;
    struct buf out;

    encode(&out, &said);
    ck_assert(routed_decode(buf_bytes(&out), &heard));
    ck_assert(routed_sound(&heard));
    ck_assert(heard.plain);
    ck_assert_uint_eq(heard.queues_count, 2);
    ck_assert(bytes_equal(heard.queues[1], said.queues[1]));
    ck_assert(bytes_equal(heard.account, said.account));
    ck_assert(bytes_equal(heard.subject, said.subject));
    ck_assert(bytes_equal(heard.reply, said.reply));
    ck_assert(bytes_equal(heard.route, said.route));
    ck_assert(bytes_equal(heard.headers, said.headers));
    ck_assert(bytes_equal(heard.payload, said.payload));
    for (size_t cut = 0; cut < out.size - said.payload.size; cut++)
        ck_assert(!routed_decode(bytes_of(out.at, cut), &heard));
    buf_deinit(&out);
}
END_TEST

START_TEST(a_message_that_would_end_a_protocol_line_is_not_sound)
{
    static const char *const bad[] = {"a b", "a\r\nMSG", "a\tb", "\n"};

    for (size_t i = 0; i < UNIT_COUNT(bad); i++) {
        for (int field = 0; field < 3; field++) {
            struct routed said = a_message(), heard;
            struct buf out;

            *(field == 0   ? &said.subject
              : field == 1 ? &said.reply
                           : &said.route) = bytes_of_text(bad[i]);
            encode(&out, &said);
            ck_assert(routed_decode(buf_bytes(&out), &heard));
            ck_assert(!routed_sound(&heard));
            buf_deinit(&out);
        }
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        interest_is_read_as_it_was_written,
        interest_that_is_cut_off_or_no_client_may_have_is_malformed,
        a_message_is_read_as_it_was_written,
        a_message_that_would_end_a_protocol_line_is_not_sound,
    };

    return UNIT_RUN_PLAIN("cluster_core_wire", tests);
}
