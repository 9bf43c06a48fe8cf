/* How a mirror or a source follows its origin, and how it decides what it takes. */
#include "server/stream/decide_origin.h"
#include "server/stream/origin_headers.h"
#include "server/stream/origin_request.h"
#include "tests/unit/server/stream_rig.h"
#include "tests/unit/unit.h"

#define SECOND INT64_C(1000000000)

static struct decision decision;

/* ---- following ------------------------------------------------------------------------------- */

static struct ack_subject ack(uint64_t sequence, uint64_t consumer_sequence)
{
    return (struct ack_subject){.deliveries = 1,
                                .sequence = sequence,
                                .consumer_sequence = consumer_sequence,
                                .pending = 3};
}

static void follow(struct origin *origin, uint64_t taken)
{
    origin_init(origin, taken, 0);
    ck_assert(origin_due(origin, 0, 0));
    origin_asked(origin, 0);
    origin_accepted(origin, 5, SECOND);
}

START_TEST(messages_are_taken_in_the_order_of_the_consumer)
{
    struct origin origin;
    struct ack_subject first = ack(7, 1), third = ack(9, 3), second = ack(8, 2);

    follow(&origin, 6);
    ck_assert_int_eq(origin_came(&origin, &first), ORIGIN_NEXT);
    origin_taken(&origin, &first, SECOND);
    ck_assert_uint_eq(origin.taken, 7);
    ck_assert_uint_eq(origin.lag, 2);
    ck_assert_int_eq(origin_came(&origin, &third), ORIGIN_GAP);
    ck_assert_int_eq(origin_came(&origin, &second), ORIGIN_NEXT);
}
END_TEST

START_TEST(what_was_taken_before_is_not_taken_again)
{
    struct origin origin;
    struct ack_subject again = ack(6, 1), next = ack(7, 2);

    follow(&origin, 6);
    ck_assert_int_eq(origin_came(&origin, &again), ORIGIN_OLD);
    origin_taken(&origin, &again, SECOND);
    ck_assert_uint_eq(origin.taken, 6);
    ck_assert_int_eq(origin_came(&origin, &next), ORIGIN_NEXT);
}
END_TEST

START_TEST(what_is_damaged_at_the_origin_is_its_error_until_it_comes)
{
    struct origin origin;
    struct ack_subject next = ack(7, 1);

    follow(&origin, 6);
    ck_assert(origin_heartbeat(&origin, 0, SECOND));
    ck_assert(!origin_stands(&origin, 0));
    ck_assert(origin_stands(&origin, 7));
    ck_assert_uint_eq(origin.error_code, 500);
    ck_assert_uint_eq(origin.error, 10051);
    ck_assert_str_eq(origin.error_text, "message 7 is damaged at the origin");
    ck_assert(!origin_stands(&origin, 7)); /* it was said */
    origin_failed(&origin, SECOND, 0);     /* the origin's leader has changed */
    origin_asked(&origin, SECOND);
    origin_accepted(&origin, 5, SECOND);
    ck_assert_uint_eq(origin.error, 10051);
    origin_taken(&origin, &next, SECOND);
    ck_assert(origin_stands(&origin, 0));
    ck_assert_uint_eq(origin.error, 0);
}
END_TEST

START_TEST(what_is_refused_is_not_what_was_damaged)
{
    struct origin origin;

    follow(&origin, 6);
    ck_assert(origin_stands(&origin, 7));
    origin_failed(&origin, SECOND, 0);
    origin_asked(&origin, SECOND);
    origin_refused(&origin, SECOND, 0, 10059, "stream not found");
    ck_assert_uint_eq(origin.error, 10059);
    ck_assert_uint_eq(origin.stands, 0);
    origin_asked(&origin, SECOND);
    origin_accepted(&origin, 5, SECOND);
    ck_assert_uint_eq(origin.error, 0);
}
END_TEST

START_TEST(a_heartbeat_tells_of_a_lost_message)
{
    struct origin origin;
    struct ack_subject first = ack(1, 1);

    follow(&origin, 0);
    ck_assert(origin_heartbeat(&origin, 0, SECOND));
    origin_taken(&origin, &first, SECOND);
    ck_assert(origin_heartbeat(&origin, 1, 2 * SECOND));
    ck_assert(!origin_heartbeat(&origin, 2, 3 * SECOND));
}
END_TEST

START_TEST(silence_ends_in_asking_again)
{
    struct origin origin;
    int64_t now_ns = SECOND + ORIGIN_SILENCE_NS;

    follow(&origin, 0);
    ck_assert(!origin_due(&origin, now_ns - 1, 0));
    ck_assert_int_eq(origin.phase, ORIGIN_FOLLOWING);
    ck_assert(!origin_due(&origin, now_ns, 0));
    ck_assert_int_eq(origin.phase, ORIGIN_RESTING);
    ck_assert(origin_due(&origin, now_ns + ORIGIN_RETRY_MIN_NS, 0));
}
END_TEST

START_TEST(failures_wait_longer_up_to_a_bound_and_success_forgets_them)
{
    struct origin origin;
    int64_t now_ns = 0, last_ns = 0;
    struct ack_subject first = ack(1, 1);

    origin_init(&origin, 0, 0);
    for (unsigned i = 0; i < 100; i++) {
        int64_t wait_ns;

        ck_assert(origin_due(&origin, now_ns, i));
        origin_asked(&origin, now_ns);
        origin_failed(&origin, now_ns, 0);
        wait_ns = origin.due_ns - now_ns;
        ck_assert_int_ge(wait_ns, last_ns);
        ck_assert_int_le(wait_ns, ORIGIN_RETRY_MAX_NS);
        last_ns = wait_ns;
        now_ns = origin.due_ns;
    }
    ck_assert_int_eq(last_ns, ORIGIN_RETRY_MAX_NS);
    ck_assert(origin_due(&origin, now_ns, 0));
    origin_asked(&origin, now_ns);
    origin_accepted(&origin, 0, now_ns);
    origin_taken(&origin, &first, now_ns);
    origin_failed(&origin, now_ns, 0);
    ck_assert_int_eq(origin.due_ns - now_ns, ORIGIN_RETRY_MIN_NS);
}
END_TEST

START_TEST(an_answer_says_where_the_consumer_starts_or_what_is_wrong)
{
    struct origin origin;
    struct origin_answer answer;
    struct arena arena;

    arena_init(&arena, 1u << 16);
    origin_init(&origin, 0, 0);
    ck_assert(origin_request_answer(
        &origin, BYTES("{\"delivered\":{\"consumer_seq\":0,\"stream_seq\":12},\"num_pending\":7}"),
        &arena, &answer));
    ck_assert_uint_eq(answer.pending, 7);
    ck_assert_uint_eq(answer.behind, 12);
    ck_assert(!origin_request_answer(
        &origin,
        BYTES("{\"error\":{\"code\":404,\"err_code\":10059,\"description\":\"stream not found\"}}"),
        &arena, &answer));
    ck_assert_uint_eq(origin.error, 10059);
    ck_assert_str_eq(origin.error_text, "stream not found");
    ck_assert(!origin_request_answer(&origin, BYTES(""), &arena, &answer));
    arena_deinit(&arena);
}
END_TEST

/* ---- headers -------------------------------------------------------------------------------- */

static void check_headers(const char *block, const char *source, const char *result)
{
    struct buf scratch;
    struct bytes out;

    buf_init(&scratch, 4096);
    out = origin_headers(bytes_of_text(block), bytes_of_text(source), &scratch);
    ck_assert_msg(bytes_equal(out, bytes_of_text(result)), "%s: %.*s", block, BYTES_ARG(out));
    buf_deinit(&scratch);
}

START_TEST(what_the_publisher_expected_is_not_stored_a_second_time)
{
    check_headers("", "", "");
    check_headers("NATS/1.0\r\nA: b\r\n\r\n", "", "NATS/1.0\r\nA: b\r\n\r\n");
    check_headers("NATS/1.0\r\nA: b\r\nNats-Expected-Stream: O\r\n\r\n", "",
                  "NATS/1.0\r\nA: b\r\n\r\n");
    check_headers("NATS/1.0\r\nNats-Expected-Stream: O\r\nNats-Batch-Id: 1\r\n\r\n", "", "");
    check_headers("", "O 1 > > o", "NATS/1.0\r\nNats-Stream-Source: O 1 > > o\r\n\r\n");
    check_headers("NATS/1.0\r\nNats-Stream-Source: X\r\nA: b\r\n\r\n", "O 1 > > o",
                  "NATS/1.0\r\nA: b\r\nNats-Stream-Source: O 1 > > o\r\n\r\n");
    check_headers("no header block", "O", "NATS/1.0\r\nNats-Stream-Source: O\r\n\r\n");
}
END_TEST

START_TEST(a_block_with_no_room_for_its_source_goes_without)
{
    static char block[EFFECT_HEADERS_MAX + 1];
    struct buf scratch;
    struct bytes out;

    for (size_t size = EFFECT_HEADERS_MAX - 40; size <= EFFECT_HEADERS_MAX; size++) {
        int head = snprintf(block, sizeof block, "NATS/1.0\r\nX: ");

        memset(block + head, 'x', size - (size_t)head);
        memcpy(block + size - 4, "\r\n\r\n", 4);
        buf_init(&scratch, SIZE_MAX);
        out = origin_headers(bytes_of(block, size), BYTES("O 1 > > o"), &scratch);
        ck_assert_uint_le(out.size, EFFECT_HEADERS_MAX);
        ck_assert_uint_eq(origin_header_value(out, BYTES("X")).size, size - 17);
        ck_assert_int_eq(origin_header_value(out, BYTES("Nats-Stream-Source")).size > 0,
                         size + strlen("Nats-Stream-Source: O 1 > > o\r\n") <= EFFECT_HEADERS_MAX);
        buf_deinit(&scratch);
    }
}
END_TEST

/* ---- deciding ------------------------------------------------------------------------------- */

static struct rig *begin(const char *members)
{
    struct rig *rig = rig_create(1, 0);
    struct effect effect = {.type = EFFECT_CONFIG, .config = {.created_ns = 1}};
    char json[512];

    snprintf(json, sizeof json, "{\"name\":\"S\",%s}", members);
    effect.config.json = bytes_of_text(json);
    rig_operation(rig, &effect);
    rig_settle(rig);
    return rig;
}

static struct origin_message message(uint64_t sequence, const char *headers)
{
    return (struct origin_message){.sequence = sequence,
                                   .time_ns = INT64_C(1600000000000000000) + (int64_t)sequence,
                                   .subject = BYTES("o"),
                                   .headers = bytes_of_text(headers)};
}

static void mirror(struct rig *rig, uint64_t sequence)
{
    struct origin_message m = message(sequence, "");

    decide_mirrored(&rig->decider, &m, &rig->gather, &decision);
    rig->gathered += decision.records;
}

static void source(struct rig *rig, uint16_t number, uint64_t origin, uint64_t sequence,
                   const char *headers)
{
    struct origin_message m = message(sequence, headers);

    decide_sourced(&rig->decider, number, origin, &m, rig->now_ns, &rig->gather, &decision);
    rig->gathered += decision.records;
}

START_TEST(a_mirror_keeps_sequence_and_time_and_skips_the_gaps)
{
    struct rig *rig = begin("\"mirror\":{\"name\":\"O\"}");
    struct index_entry entry;

    mirror(rig, 3);
    ck_assert_int_eq(decision.outcome, DECIDE_STORE);
    mirror(rig, 4);
    mirror(rig, 9);
    rig_settle(rig);
    ck_assert_uint_eq(rig->state.last_seq, 9);
    ck_assert_uint_eq(rig->state.first_seq, 3);
    ck_assert_uint_eq(index_count(rig->state.index), 3);
    ck_assert_uint_eq(rig->state.lost_messages, 0);
    ck_assert(index_get(rig->state.index, 9, &entry));
    ck_assert_int_eq(entry.time_ns, INT64_C(1600000000000000009));
    mirror(rig, 9);
    ck_assert_int_eq(decision.outcome, DECIDE_DUPLICATE);
    ck_assert_uint_eq(decision.records, 0);
    rig_crash(rig, 0);
    ck_assert_uint_eq(rig->state.last_seq, 9);
    ck_assert_uint_eq(index_count(rig->state.index), 3);
    rig_destroy(rig);
}
END_TEST

START_TEST(a_skip_alone_moves_the_end_once)
{
    struct rig *rig = begin("\"mirror\":{\"name\":\"O\"}");

    decide_skip(&rig->decider, 5, &rig->gather, &decision);
    rig->gathered += decision.records;
    ck_assert_int_eq(decision.outcome, DECIDE_STORE);
    mirror(rig, 6);
    ck_assert_int_eq(decision.outcome, DECIDE_WAIT);
    rig_settle(rig);
    ck_assert_uint_eq(rig->state.first_seq, 6);
    ck_assert_uint_eq(rig->state.last_seq, 5);
    decide_skip(&rig->decider, 5, &rig->gather, &decision);
    ck_assert_int_eq(decision.outcome, DECIDE_DUPLICATE);
    mirror(rig, 6);
    rig_settle(rig);
    ck_assert_uint_eq(rig->state.last_seq, 6);
    rig_destroy(rig);
}
END_TEST

START_TEST(a_skip_waits_for_the_messages_before_it)
{
    struct rig *rig = begin("\"mirror\":{\"name\":\"O\"}");

    mirror(rig, 1);
    decide_skip(&rig->decider, 5, &rig->gather, &decision);
    ck_assert_int_eq(decision.outcome, DECIDE_WAIT);
    ck_assert_uint_eq(decision.records, 0);
    rig_propose(rig);
    decide_skip(&rig->decider, 5, &rig->gather, &decision);
    ck_assert_int_eq(decision.outcome, DECIDE_WAIT);
    rig_settle(rig);
    decide_skip(&rig->decider, 5, &rig->gather, &decision);
    rig->gathered += decision.records;
    ck_assert_int_eq(decision.outcome, DECIDE_STORE);
    rig_settle(rig);
    ck_assert_uint_eq(rig->state.last_seq, 5);
    ck_assert_uint_eq(index_count(rig->state.index), 1);
    rig_destroy(rig);
}
END_TEST

START_TEST(a_mirror_takes_again_what_a_damaged_tail_held)
{
    struct rig *rig = begin("\"mirror\":{\"name\":\"O\"}");

    mirror(rig, 1);
    rig_settle(rig);
    stream_state_lost(&rig->state, 4000);
    mirror(rig, 2);
    ck_assert_int_eq(decision.outcome, DECIDE_STORE);
    mirror(rig, 4);
    ck_assert_int_eq(decision.outcome, DECIDE_STORE);
    rig_settle(rig);
    ck_assert_uint_eq(rig->state.last_seq, 4);
    ck_assert_uint_eq(index_count(rig->state.index), 3);
    ck_assert_uint_eq(rig->state.lost_messages, 0);
    rig_destroy(rig);
}
END_TEST

START_TEST(a_skip_does_not_move_what_a_damaged_tail_may_have_used)
{
    struct rig *rig = begin("\"mirror\":{\"name\":\"O\"}");
    uint64_t taken;

    stream_state_lost(&rig->state, 4000);
    taken = stream_state_taken(&rig->state);
    decide_skip(&rig->decider, 5, &rig->gather, &decision);
    rig->gathered += decision.records;
    rig_settle(rig);
    ck_assert_uint_eq(stream_state_taken(&rig->state), taken);
    decide_skip(&rig->decider, STREAM_SEQUENCE_MAX - 1, &rig->gather, &decision);
    rig->gathered += decision.records;
    rig_settle(rig);
    ck_assert_uint_eq(stream_state_taken(&rig->state), STREAM_SEQUENCE_MAX - 1);
    rig_destroy(rig);
}
END_TEST

static uint64_t position(struct rig *rig, size_t number)
{
    return positions_of_source(&rig->state.positions, number)->sequence;
}

START_TEST(message_and_position_move_together)
{
    struct rig *rig = begin("\"sources\":[{\"name\":\"O\"},{\"name\":\"P\"}]");

    source(rig, 0, 11, 5, "");
    source(rig, 1, 12, 7, "");
    rig_propose(rig);
    source(rig, 0, 11, 6, "");
    rig_propose(rig);
    ck_assert_uint_eq(position(rig, 0), 0);
    rig_commit(rig);
    ck_assert_uint_eq(position(rig, 0), 5);
    rig_crash(rig, 0);
    ck_assert_uint_eq(index_count(rig->state.index), 2);
    ck_assert_uint_eq(position(rig, 0), 5);
    ck_assert_uint_eq(position(rig, 1), 7);
    ck_assert_uint_eq(positions_of_source(&rig->state.positions, 1)->origin, 12);
    rig_destroy(rig);
}
END_TEST

START_TEST(a_duplicate_moves_the_position_alone)
{
    struct rig *rig = begin("\"sources\":[{\"name\":\"O\"}],\"duplicate_window\":100000000000");

    source(rig, 0, 1, 1, "NATS/1.0\r\nNats-Msg-Id: a\r\n\r\n");
    source(rig, 0, 1, 2, "NATS/1.0\r\nNats-Msg-Id: a\r\n\r\n");
    ck_assert_int_eq(decision.outcome, DECIDE_DUPLICATE);
    ck_assert_uint_eq(decision.records, 1);
    rig_settle(rig);
    ck_assert_uint_eq(index_count(rig->state.index), 1);
    ck_assert_uint_eq(position(rig, 0), 2);
    rig_destroy(rig);
}
END_TEST

START_TEST(what_does_not_fit_the_batch_leaves_nothing_of_itself)
{
    struct rig *rig = begin("\"sources\":[{\"name\":\"O\"}]");
    struct origin_message m = message(1, "");
    size_t stored_at = 0;

    for (size_t room = 1; room < 200 && stored_at == 0; room++) {
        struct buf out;

        buf_init(&out, room);
        decide_sourced(&rig->decider, 0, 1, &m, rig->now_ns, &out, &decision);
        if (decision.outcome == DECIDE_STORE)
            stored_at = room;
        else
            ck_assert_int_eq(decision.outcome, DECIDE_FULL);
        ck_assert_uint_eq(out.size > 0, stored_at > 0);
        ck_assert_uint_eq(rig->decider.overlay.count, stored_at > 0);
        buf_deinit(&out);
    }
    ck_assert_uint_gt(stored_at, 32);
    rig_destroy(rig);
}
END_TEST

START_TEST(a_full_stream_takes_nothing_and_moves_no_position)
{
    struct rig *rig = begin("\"sources\":[{\"name\":\"O\"}],\"max_msgs\":1,\"discard\":\"new\"");

    source(rig, 0, 1, 1, "");
    rig_settle(rig);
    source(rig, 0, 1, 2, "");
    ck_assert_int_eq(decision.outcome, DECIDE_REFUSE);
    ck_assert_uint_eq(decision.records, 0);
    rig_settle(rig);
    ck_assert_uint_eq(position(rig, 0), 1);
    rig_destroy(rig);
}
END_TEST

static void too_large(struct rig *rig, bool sourced, uint64_t sequence, bool last_copy)
{
    struct origin_message m = message(sequence, "");

    m.payload = BYTES("eleven here");
    m.last_copy = last_copy;
    if (sourced)
        decide_sourced(&rig->decider, 0, 1, &m, rig->now_ns, &rig->gather, &decision);
    else
        decide_mirrored(&rig->decider, &m, &rig->gather, &decision);
    rig->gathered += decision.records;
}

START_TEST(a_source_passes_over_what_it_can_never_take)
{
    struct rig *rig = begin("\"sources\":[{\"name\":\"O\"}],\"max_msg_size\":10");

    too_large(rig, true, 2, false);
    ck_assert_int_eq(decision.outcome, DECIDE_DUPLICATE);
    ck_assert_uint_eq(decision.error, 10054);
    ck_assert_uint_eq(decision.records, 1);
    rig_settle(rig);
    ck_assert_uint_eq(position(rig, 0), 2);
    ck_assert_uint_eq(index_count(rig->state.index), 0);
    too_large(rig, true, 3, true);
    ck_assert_int_eq(decision.outcome, DECIDE_REFUSE);
    ck_assert_uint_eq(decision.records, 0);
    rig_destroy(rig);
}
END_TEST

START_TEST(a_mirror_passes_over_what_it_can_never_take)
{
    struct rig *rig = begin("\"mirror\":{\"name\":\"O\"},\"max_msg_size\":10");

    mirror(rig, 1);
    too_large(rig, false, 2, false);
    ck_assert_int_eq(decision.outcome, DECIDE_DUPLICATE);
    ck_assert_uint_eq(decision.error, 10054);
    ck_assert_uint_eq(decision.records, 0);
    mirror(rig, 3);
    ck_assert_int_eq(decision.outcome, DECIDE_STORE);
    rig_settle(rig);
    ck_assert_uint_eq(rig->state.last_seq, 3);
    ck_assert_uint_eq(index_count(rig->state.index), 2);
    too_large(rig, false, 4, true);
    ck_assert_int_eq(decision.outcome, DECIDE_REFUSE);
    rig_destroy(rig);
}
END_TEST

START_TEST(a_position_outlives_the_config_that_does_not_name_it)
{
    struct rig *rig = begin("\"sources\":[{\"name\":\"O\"},{\"name\":\"P\"}]");
    struct effect effect = {.type = EFFECT_CONFIG, .config = {.created_ns = 1}};

    source(rig, 0, 1, 4, "");
    source(rig, 1, 2, 9, "");
    rig_settle(rig);
    effect.config.json = BYTES("{\"name\":\"S\",\"sources\":[{\"name\":\"P\"}]}");
    rig_operation(rig, &effect);
    rig_settle(rig);
    ck_assert_uint_eq(position(rig, 0), 9);
    effect.config.json = BYTES("{\"name\":\"S\",\"sources\":[{\"name\":\"P\"},{\"name\":\"O\"},"
                               "{\"name\":\"O\",\"filter_subject\":\"x\"}]}");
    rig_operation(rig, &effect);
    rig_settle(rig);
    ck_assert_uint_eq(position(rig, 1), 4);
    ck_assert_uint_eq(position(rig, 2), 0);
    rig_destroy(rig);
}
END_TEST

START_TEST(a_state_block_keeps_positions)
{
    struct rig *rig = begin("\"sources\":[{\"name\":\"O\"},{\"name\":\"P\"}]");
    struct stream_state state;
    struct buf out;

    source(rig, 0, 11, 5, "");
    source(rig, 1, 12, 7, "");
    rig_settle(rig);
    buf_init(&out, 1u << 20);
    stream_state_encode(&rig->state, &out);
    stream_state_init(&state, 1);
    ck_assert_int_eq(stream_state_decode(&state, buf_bytes(&out)), OK);
    ck_assert_uint_eq(positions_of_source(&state.positions, 1)->sequence, 7);
    ck_assert_uint_eq(positions_of_source(&state.positions, 1)->origin, 12);
    ck_assert_ptr_null(positions_of_source(&state.positions, 2));
    stream_state_deinit(&state);
    for (size_t cut = 0; cut < out.size; cut++) {
        stream_state_init(&state, 1);
        (void)stream_state_decode(&state, bytes_take(buf_bytes(&out), cut));
        stream_state_deinit(&state);
    }
    buf_deinit(&out);
    rig_destroy(rig);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        messages_are_taken_in_the_order_of_the_consumer,
        what_was_taken_before_is_not_taken_again,
        what_is_damaged_at_the_origin_is_its_error_until_it_comes,
        what_is_refused_is_not_what_was_damaged,
        a_heartbeat_tells_of_a_lost_message,
        silence_ends_in_asking_again,
        failures_wait_longer_up_to_a_bound_and_success_forgets_them,
        an_answer_says_where_the_consumer_starts_or_what_is_wrong,
        what_the_publisher_expected_is_not_stored_a_second_time,
        a_block_with_no_room_for_its_source_goes_without,
        a_mirror_keeps_sequence_and_time_and_skips_the_gaps,
        a_skip_alone_moves_the_end_once,
        a_skip_waits_for_the_messages_before_it,
        a_mirror_takes_again_what_a_damaged_tail_held,
        a_skip_does_not_move_what_a_damaged_tail_may_have_used,
        message_and_position_move_together,
        a_duplicate_moves_the_position_alone,
        what_does_not_fit_the_batch_leaves_nothing_of_itself,
        a_full_stream_takes_nothing_and_moves_no_position,
        a_source_passes_over_what_it_can_never_take,
        a_mirror_passes_over_what_it_can_never_take,
        a_position_outlives_the_config_that_does_not_name_it,
        a_state_block_keeps_positions,
    };

    return UNIT_RUN_PLAIN("origin", tests);
}
