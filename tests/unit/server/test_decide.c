#include "tests/unit/server/stream_rig.h"
#include "tests/unit/unit.h"

static struct rig *rig;
static struct decision decision;

static void begin(const char *config)
{
    struct effect effect = {.type = EFFECT_CONFIG, .config = {.created_ns = 1}};
    char json[512];

    rig = rig_create(1, 0);
    snprintf(json, sizeof json, "{\"name\":\"S\",\"subjects\":[\"s.>\"]%s%s}",
             config[0] != 0 ? "," : "", config);
    effect.config.json = bytes_of_text(json);
    rig_operation(rig, &effect);
    rig_settle(rig);
}

static void publish_full(const char *subject, const char *headers, size_t payload,
                         const char *reply)
{
    static char memory[40u << 20];
    struct publish publish = {.subject = bytes_of_text(subject),
                              .headers = bytes_of_text(headers),
                              .payload = bytes_of(memory, payload),
                              .reply = bytes_of_text(reply)};

    rig_publish(rig, &publish, &decision);
}

/* Headers without the first and last line. */
static void publish(const char *subject, const char *lines)
{
    static char block[70000];

    block[0] = 0;
    if (lines[0] != 0)
        snprintf(block, sizeof block, "NATS/1.0\r\n%s\r\n\r\n", lines);
    publish_full(subject, block, 0, "");
}

static void check_stored(uint64_t sequence)
{
    ck_assert_msg(decision.outcome == DECIDE_STORE, "outcome %d, %u %s", decision.outcome,
                  decision.error, decision.error_text);
    ck_assert_uint_eq(decision.sequence, sequence);
}

static void check_refused(uint16_t error, const char *text, bool looked)
{
    ck_assert_int_eq(decision.outcome, DECIDE_REFUSE);
    ck_assert_uint_eq(decision.error, error);
    ck_assert_str_eq(decision.error_text, text);
    ck_assert(decision.looked == looked);
}

/* ---- order ---------------------------------------------------------------------------------- */

/*
 * Every check fails at once; each answer names one, which is then taken away: the order in which a
 * nats-server 2.14 names them.
 */
START_TEST(the_first_check_that_fails_answers)
{
    static const struct {
        const char *line;
        unsigned error;
    } rows[] = {
        {"Nats-Incr: 1", 10168},
        {"Nats-Expected-Stream: B", 10060},
        {"Nats-TTL: 5", 10166},
        {"Nats-Expected-Last-Subject-Sequence: 77", 10071},
        {"Nats-Expected-Last-Sequence: 99", 10071},
        {"Nats-Schedule: x", 10188},
        {"Nats-Scheduler: q", 10212},
        {"Nats-Msg-Id: m1", 0},
        {"Nats-Expected-Last-Msg-Id: q", 10070},
        {"Nats-Rollup: sub", 10111},
        {"Nats-TTL: x", 10054},
        {"Nats-TTL: x", 10165},
        {"A: b", 10077},
    };
    const size_t count = sizeof rows / sizeof rows[0];

    begin(
        "\"max_msg_size\":1000,\"max_msgs\":1,\"discard\":\"new\",\"duplicate_window\":1000000000");
    publish("s.a", "Nats-Msg-Id: m1");
    check_stored(1);
    for (size_t from = 0; from < count; from++) {
        char block[1000] = "NATS/1.0\r\n";

        for (size_t i = count; i-- > from;) { /* their order in the block does not matter */
            if (i == 10 || (i == 11 && from < 3))
                continue;
            strcat(block, rows[i].line);
            strcat(block, "\r\n");
        }
        strcat(block, "\r\n");
        publish_full("s.a", block, from <= 10 ? 2000 : 0, "");
        if (rows[from].error == 0) {
            ck_assert_int_eq(decision.outcome, DECIDE_DUPLICATE);
            ck_assert_uint_eq(decision.sequence, 1);
            continue;
        }
        ck_assert_int_eq(decision.outcome, DECIDE_REFUSE);
        ck_assert_msg(decision.error == rows[from].error, "%u, not %u", decision.error,
                      rows[from].error);
    }
    rig_destroy(rig);
}
END_TEST

START_TEST(batches_are_refused_before_anything_else)
{
    begin("\"max_msg_size\":1000");
    publish("s.a", "Nats-Batch-Id: b\r\nNats-Incr: 1");
    check_refused(10174, "", true);
    publish_full("s.a", "NATS/1.0\r\nNats-Batch-Id: b\r\n\r\n", 2000, "");
    check_refused(10054, "", true);
    publish_full("s.a", "", 0, "inbox.b1.10.ok.1.0.$FI");
    check_refused(10205, "", true);
    publish_full("s.a", "NATS/1.0\r\nNats-Batch-Id: b\r\n\r\n", 0, "inbox.$FI");
    check_refused(10205, "", true);
    publish_full("s.a", "", 0, "inbox.FI");
    check_stored(1);
    publish("s.a", "Nats-Batch-Id: ");
    check_stored(2);
    publish("s.a", "Nats-Batch-Sequence: 1\r\nNats-Batch-Commit: 1");
    check_stored(3);
    rig_destroy(rig);
}
END_TEST

START_TEST(a_sealed_stream_takes_nothing_whatever_is_asked)
{
    begin("\"sealed\":true");
    publish("s.a", "");
    check_refused(10109, "", true);
    publish("s.a", "Nats-Batch-Id: x");
    check_refused(10109, "", true);
    publish("s.a", "Nats-Incr: x");
    check_refused(10109, "", true);
    publish_full("s.a", "", 33u << 20, "");
    check_refused(10077, "message too large", false);
    rig_destroy(rig);
}
END_TEST

START_TEST(features_that_are_not_built_are_refused_as_if_disabled)
{
    static const struct {
        const char *line;
        unsigned error;
        bool looked;
    } rows[] = {
        {"Nats-TTL: 5", 10166, true},
        {"Nats-TTL: x", 10165, false},
        {"Nats-Incr: +1", 10168, true},
        {"Nats-Incr: x", 10171, false},
        {"Nats-Schedule: bogus", 10188, true},
        {"Nats-Schedule: x\r\nNats-Scheduler: q", 10188, true},
        {"Nats-Schedule-Next: purge", 10212, false},
        {"Nats-Scheduler: s.b", 10212, false},
        {"Nats-Schedule-Next: later\r\nNats-Scheduler: s.b", 10212, false},
        {"Nats-Schedule-Next: purge\r\nNats-Scheduler: s.a", 10212, false},
        {"Nats-Schedule-Next: purge\r\nNats-Scheduler: s..b", 10212, false},
        {"Nats-Schedule-Next: purge\r\nNats-Scheduler: s.*", 10212, false},
        {"Nats-Schedule-Next: purge\r\nNats-Scheduler: s.b", 10188, true},
    };

    begin("");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        publish("s.a", rows[i].line);
        ck_assert_msg(decision.outcome == DECIDE_REFUSE && decision.error == rows[i].error,
                      "%s: %u", rows[i].line, decision.error);
        ck_assert(decision.looked == rows[i].looked);
    }
    publish(
        "s.a",
        "Nats-TTL: \r\nNats-Incr: \r\nNats-Schedule: \r\nNats-Schedule-TTL: "
        "5\r\nNats-Stream-Source: x\r\n"
        "Nats-Marker-Reason: MaxAge\r\nNats-Required-Api-Level: 99\r\nNats-Schedule-Rollup: sub");
    check_stored(1);
    rig_destroy(rig);
}
END_TEST

/* ---- sizes ---------------------------------------------------------------------------------- */

START_TEST(a_record_of_32_mib_is_the_largest_in_a_file_stream)
{
    begin("");
    rig->gather.limit = 64u << 20;
    publish_full("a.b", "", (32u << 20) - 33, "");
    check_stored(1);
    publish_full("a.b", "", (32u << 20) - 32, "");
    check_refused(10077, "message too large", false);
    rig_destroy(rig);
    begin("\"storage\":\"memory\"");
    rig->gather.limit = 64u << 20;
    publish_full("a.b", "", 33u << 20, "");
    check_stored(1);
    rig_destroy(rig);
}
END_TEST

START_TEST(headers_of_64k_less_one_are_the_largest)
{
    static char block[65540];

    begin("");
    memset(block, 'x', sizeof block - 1);
    memcpy(block, "NATS/1.0\r\nA: ", 13);
    memcpy(block + 65531, "\r\n\r\n", 5);
    publish_full("s.a", block, 0, "");
    check_stored(1);
    memset(block + 65531, 'x', 1);
    memcpy(block + 65532, "\r\n\r\n", 5);
    publish_full("s.a", block, 0, "");
    check_refused(10097, "", false);
    rig_destroy(rig);
}
END_TEST

START_TEST(the_configured_size_is_of_headers_and_payload_as_stored)
{
    begin("\"max_msg_size\":20");
    publish_full("s.a", "NATS/1.0\r\n\r\n", 8, "");
    check_stored(1);
    publish_full("s.a", "NATS/1.0\r\n\r\n", 9, "");
    check_refused(10054, "", true);
    publish_full("s.a", "NATS/1.0 503 abc\r\n\r\n", 20, ""); /* nothing of that block is stored */
    check_stored(2);
    publish_full("s.a", "", 21, "");
    check_refused(10054, "", true);
    rig_destroy(rig);
}
END_TEST

START_TEST(a_subject_that_no_record_holds_is_too_large)
{
    static char subject[EFFECT_SUBJECT_MAX + 2];

    begin("");
    memset(subject, 's', EFFECT_SUBJECT_MAX + 1);
    publish(subject, "");
    check_refused(10077, "message too large", false);
    subject[EFFECT_SUBJECT_MAX] = 0;
    publish(subject, "");
    check_stored(1);
    rig_destroy(rig);
}
END_TEST

/* ---- expectations --------------------------------------------------------------------------- */

START_TEST(expected_sequences_are_those_of_what_is_in_flight)
{
    begin("");
    publish("s.a", "Nats-Expected-Last-Sequence: 0");
    check_stored(1);
    publish("s.b", "Nats-Expected-Last-Subject-Sequence: 0");
    check_stored(2);
    publish("s.a", "Nats-Expected-Last-Subject-Sequence: 1");
    check_stored(3);
    publish("s.a", "Nats-Expected-Last-Subject-Sequence: 1");
    check_refused(10071, "wrong last sequence: 3", true);
    publish("s.c", "Nats-Expected-Last-Subject-Sequence: 9");
    check_refused(10071, "wrong last sequence: 0", true);
    publish("s.c", "Nats-Expected-Last-Subject-Sequence: "
                   "2\r\nNats-Expected-Last-Subject-Sequence-Subject: s.b");
    check_stored(4);
    publish("s.c", "Nats-Expected-Last-Sequence: 3");
    check_refused(10071, "wrong last sequence: 4", true);
    rig_destroy(rig);
}
END_TEST

START_TEST(what_is_no_number_is_a_mismatch)
{
    static const char *const values[] = {"abc", "-1", "+0", "0 ", "18446744073709551616", "0x0"};

    begin("");
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char line[100];

        snprintf(line, sizeof line, "Nats-Expected-Last-Sequence: %s", values[i]);
        publish("s.a", line);
        check_refused(10071, "wrong last sequence: 0", true);
        snprintf(line, sizeof line, "Nats-Expected-Last-Subject-Sequence: %s", values[i]);
        publish("s.a", line);
        check_refused(10071, "wrong last sequence: 0", true);
    }
    publish("s.a", "Nats-Expected-Last-Sequence: 000");
    check_stored(1);
    rig_destroy(rig);
}
END_TEST

START_TEST(a_subject_without_a_sequence_is_half_a_check)
{
    begin("");
    publish("s.a", "Nats-Expected-Last-Subject-Sequence-Subject: s.b");
    check_refused(10193, "", false);
    publish("s.a", "Nats-Expected-Last-Subject-Sequence-Subject: ");
    check_stored(1);
    publish(
        "s.a",
        "Nats-Expected-Last-Subject-Sequence: 5\r\nNats-Expected-Last-Subject-Sequence-Subject: ");
    check_refused(10071, "wrong last sequence: 1", true);
    rig_destroy(rig);
}
END_TEST

START_TEST(a_wildcard_is_checked_when_nothing_is_in_flight)
{
    const char *lines = "Nats-Expected-Last-Subject-Sequence: 2\r\n"
                        "Nats-Expected-Last-Subject-Sequence-Subject: s.*";

    begin("");
    publish("s.a", "");
    publish("s.b", "");
    publish("s.c", lines);
    ck_assert_int_eq(decision.outcome, DECIDE_WAIT);
    rig_settle(rig);
    publish("s.c", lines);
    check_stored(3);
    rig_settle(rig);
    publish("s.c", lines);
    check_refused(10071, "wrong last sequence: 3", true);
    publish("s.c", "Nats-Expected-Last-Subject-Sequence: 0\r\n"
                   "Nats-Expected-Last-Subject-Sequence-Subject: t.>");
    check_stored(4);
    rig_destroy(rig);
}
END_TEST

START_TEST(the_last_message_has_its_id_or_none)
{
    begin("\"duplicate_window\":1000000000");
    publish("s.a", "Nats-Expected-Last-Msg-Id: q");
    check_refused(10070, "wrong last msg ID: ", true);
    publish("s.a", "Nats-Msg-Id: 1");
    publish("s.a", "Nats-Expected-Last-Msg-Id: 1");
    check_stored(2);
    publish("s.a", "Nats-Expected-Last-Msg-Id: 1");
    check_refused(10070, "wrong last msg ID: ", true);
    publish("s.a", "Nats-Msg-Id: 2");
    rig_settle(rig);
    publish("s.a", "Nats-Expected-Last-Msg-Id: 1");
    check_refused(10070, "wrong last msg ID: 2", true);
    rig->now_ns += INT64_C(10000000000); /* the last id is the last id, also behind the window */
    publish("s.a", "Nats-Expected-Last-Msg-Id: 2");
    check_stored(4);
    rig_destroy(rig);
}
END_TEST

START_TEST(roll_ups_need_permission_and_a_value)
{
    begin("");
    publish("s.a", "Nats-Rollup: sub");
    check_refused(10111, "rollup not permitted", true);
    rig_destroy(rig);
    begin("\"allow_rollup_hdrs\":true,\"deny_purge\":true");
    publish("s.a", "Nats-Rollup: sub");
    check_refused(10111, "rollup not permitted", true);
    rig_destroy(rig);

    begin("\"allow_rollup_hdrs\":true");
    publish("s.a", "Nats-Rollup: SuBx");
    check_refused(10111, "rollup value invalid: \"subx\"", false);
    publish("s.a", "Nats-Rollup: a\"b\\c\x01\t");
    check_refused(10111, "rollup value invalid: \"a\\\"b\\\\c\\x01\\t\"", false);
    publish("s.a", "Nats-Rollup:  SUB");
    check_stored(1);
    publish("s.a", "Nats-Rollup: All");
    check_stored(2);
    publish("s.a", ""); /* a roll-up of all removes what the overlay does not know */
    ck_assert_int_eq(decision.outcome, DECIDE_WAIT);
    rig_settle(rig);
    ck_assert_uint_eq(rig->state.first_seq, 2);
    publish("s.a", "");
    check_stored(3);
    rig_destroy(rig);
}
END_TEST

/* ---- ids ------------------------------------------------------------------------------------ */

START_TEST(a_duplicate_is_one_in_flight_and_applied_until_the_window_ends)
{
    begin("\"duplicate_window\":1000000000");
    publish("s.a", "Nats-Msg-Id: x");
    check_stored(1);
    publish("s.b", "Nats-Msg-Id: x");
    ck_assert_int_eq(decision.outcome, DECIDE_DUPLICATE);
    ck_assert_uint_eq(decision.sequence, 1);
    rig_settle(rig);
    rig->now_ns += 999999999;
    publish("s.b", "Nats-Msg-Id: x");
    ck_assert_int_eq(decision.outcome, DECIDE_DUPLICATE);
    rig->now_ns += 1;
    publish("s.b", "Nats-Msg-Id: x");
    check_stored(2);
    rig_destroy(rig);
}
END_TEST

/* It is answered like any other where a check fails, and else leaves no trace: not even when the
 * stream is full. */
START_TEST(what_is_only_traced_is_checked_and_not_stored)
{
#define TRACED "Nats-Trace-Dest: t\r\nNats-Trace-Only: true"
    begin("\"duplicate_window\":1000000000,\"max_msgs\":1,\"discard\":\"new\"");
    publish("s.a", "Nats-Msg-Id: y\r\n" TRACED);
    ck_assert_int_eq(decision.outcome, DECIDE_TRACED);
    ck_assert_uint_eq(rig->gathered, 0);
    publish("s.a", "Nats-Msg-Id: y");
    check_stored(1);
    publish("s.a", "Nats-Msg-Id: y\r\n" TRACED);
    ck_assert_int_eq(decision.outcome, DECIDE_DUPLICATE);
    publish("s.a", "Nats-Expected-Last-Sequence: 7\r\n" TRACED);
    check_refused(10071, "wrong last sequence: 1", true);
    publish("s.a", TRACED);
    ck_assert_int_eq(decision.outcome, DECIDE_TRACED);
    rig_destroy(rig);
#undef TRACED
}
END_TEST

START_TEST(without_a_window_ids_are_only_headers)
{
    begin("");
    publish("s.a", "Nats-Msg-Id: x");
    publish("s.a", "Nats-Msg-Id: x");
    check_stored(2);
    rig_destroy(rig);
}
END_TEST

/* ---- the batch and what becomes of it ------------------------------------------------------- */

START_TEST(a_full_batch_leaves_no_trace)
{
    begin("\"duplicate_window\":1000000000");
    buf_deinit(&rig->gather);
    buf_init(&rig->gather, 200);
    publish("s.a", "");
    check_stored(1);
    publish_full("s.a", "NATS/1.0\r\nNats-Msg-Id: x\r\n\r\n", 300, "");
    ck_assert_int_eq(decision.outcome, DECIDE_FULL);
    publish("s.a", "Nats-Msg-Id: x");
    check_stored(2);
    rig_destroy(rig);
}
END_TEST

START_TEST(nothing_is_decided_before_a_removal_is_applied)
{
    struct effect purge = {.type = EFFECT_PURGE, .purge = {.last = 1}};

    begin("");
    publish("s.a", "");
    rig_settle(rig);
    rig_operation(rig, &purge);
    publish("s.a", "");
    ck_assert_int_eq(decision.outcome, DECIDE_WAIT);
    rig_propose(rig);
    publish("s.a", "Nats-Expected-Last-Subject-Sequence: 1");
    ck_assert_int_eq(decision.outcome, DECIDE_WAIT);
    rig_commit(rig);
    publish("s.a", "Nats-Expected-Last-Subject-Sequence: 1");
    check_refused(10071, "wrong last sequence: 0", true);
    rig_destroy(rig);
}
END_TEST

START_TEST(what_never_happened_frees_its_sequence_and_its_id)
{
    begin("\"duplicate_window\":1000000000");
    publish("s.a", "Nats-Msg-Id: x");
    check_stored(1);
    rig_propose(rig);
    rig_refuse(rig);
    publish("s.b", "Nats-Msg-Id: x");
    check_stored(1);
    rig_settle(rig);
    ck_assert_uint_eq(rig->state.last_seq, 1);
    rig_destroy(rig);
}
END_TEST

START_TEST(time_never_falls_in_a_stream)
{
    struct index_entry first, second;

    begin("");
    publish("s.a", "");
    rig->now_ns -= 1000000;
    publish("s.a", "");
    rig_settle(rig);
    publish("s.a", "");
    rig_settle(rig);
    ck_assert(index_get(rig->state.index, 1, &first));
    ck_assert(index_get(rig->state.index, 3, &second));
    ck_assert_int_eq(second.time_ns, first.time_ns);
    rig_destroy(rig);
}
END_TEST

/* The last message of a backup may be gone, and its time that of a clock which was ahead. */
START_TEST(a_time_that_was_restored_is_the_least_that_follows)
{
    struct effect skip = {.type = EFFECT_SKIP,
                          .skip = {.last = 7, .time_ns = INT64_C(1700003600000000000)}};

    begin("");
    rig_operation(rig, &skip);
    rig_settle(rig);
    publish("s.a", "");
    check_stored(8);
    rig_settle(rig);
    ck_assert_uint_eq(rig->state.last_seq, 8);
    rig_destroy(rig);
}
END_TEST

START_TEST(a_sequence_after_the_last_one_does_not_exist)
{
    begin("\"first_seq\":18446744073709551614");
    publish("s.a", "");
    check_stored(UINT64_MAX - 1);
    publish("s.a", "");
    check_refused(10077, "no sequence left", true);
    rig_settle(rig);
    publish("s.a", "");
    check_refused(10077, "no sequence left", true);
    rig_destroy(rig);
}
END_TEST

/* A lost range may have held acknowledged messages: their sequences are not given out again. */
START_TEST(lost_messages_keep_their_sequences)
{
    begin("");
    publish("s.a", "");
    rig_settle(rig);
    stream_state_lost(&rig->state, 4000);
    publish("s.a", "Nats-Expected-Last-Sequence: 1");
    check_refused(10071, "wrong last sequence: 102", true);
    publish("s.a", "");
    check_stored(103);
    publish("s.a", "");
    check_stored(104);
    rig_settle(rig);
    ck_assert_uint_eq(rig->state.lost_messages, 101);
    ck_assert_uint_eq(rig->state.last_seq, 104);
    rig_destroy(rig);
}
END_TEST

/* ---- limits --------------------------------------------------------------------------------- */

static void check_limits(const char *config, const char *subjects, const char *outcomes)
{
    begin(config);
    for (size_t i = 0; subjects[i] != 0; i++) {
        char subject[] = {'m', '.', subjects[i], 0};

        publish_full(subject, "", 2, "");
        if (decision.outcome == DECIDE_WAIT) {
            rig_settle(rig);
            publish_full(subject, "", 2, "");
        }
        switch (outcomes[i]) {
        case 'M': check_refused(10077, "maximum messages exceeded", true); break;
        case 'B': check_refused(10077, "maximum bytes exceeded", true); break;
        case 'P': check_refused(10077, "maximum messages per subject exceeded", true); break;
        default: ck_assert_msg(decision.outcome == DECIDE_STORE, "%s: %c", config, subjects[i]);
        }
    }
    rig_destroy(rig);
}

/* As asked of a nats-server 2.14; a message "xx" on "m.a" counts 35 bytes. */
START_TEST(discard_new_refuses_what_would_not_fit)
{
    check_limits("\"discard\":\"new\",\"max_msgs\":3", "abcd", "...M");
    check_limits("\"discard\":\"new\",\"max_msgs\":3,\"max_msgs_per_subject\":1", "abcdab",
                 "...M..");
    check_limits("\"discard\":\"new\",\"max_msgs\":3,\"max_msgs_per_subject\":2", "aabab", "....M");
    check_limits("\"discard\":\"new\",\"max_msgs\":3,\"max_msgs_per_subject\":1,\"discard_new_per_"
                 "subject\":true",
                 "aabcd", ".P..M");
    check_limits("\"discard\":\"new\",\"max_bytes\":69", "aa", ".B");
    check_limits("\"discard\":\"new\",\"max_bytes\":70", "aaa", "..B");
    check_limits("\"discard\":\"new\",\"max_bytes\":105,\"max_msgs_per_subject\":1", "abcb",
                 "....");
    check_limits("\"discard\":\"new\",\"max_bytes\":34", "a", "B");
    check_limits("\"max_msgs\":1,\"max_bytes\":34", "aaa", "...");
}
END_TEST

START_TEST(a_larger_message_does_not_replace_a_smaller_one_in_a_full_stream)
{
    begin("\"discard\":\"new\",\"max_bytes\":107,\"max_msgs_per_subject\":1");
    publish_full("m.a", "", 2, "");
    publish_full("m.b", "", 2, "");
    publish_full("m.c", "", 2, "");
    rig_settle(rig);
    publish_full("m.b", "", 3, "");
    check_refused(10077, "maximum bytes exceeded", true);
    publish_full("m.b", "", 2, "");
    check_stored(4);
    rig_destroy(rig);
}
END_TEST

START_TEST(a_roll_up_passes_the_limit_of_its_subject_only)
{
    begin("\"discard\":\"new\",\"max_msgs\":2,\"max_msgs_per_subject\":1,\"discard_new_per_"
          "subject\":true,"
          "\"allow_rollup_hdrs\":true");
    publish("s.a", "");
    publish("s.a", "Nats-Rollup: sub");
    check_stored(2);
    publish("s.b", "");
    if (decision.outcome == DECIDE_WAIT) {
        rig_settle(rig);
        publish("s.b", "");
    }
    check_stored(3);
    rig_settle(rig);
    publish("s.c", "Nats-Rollup: sub");
    check_refused(10077, "maximum messages exceeded", true);
    rig_destroy(rig);
}
END_TEST

START_TEST(a_check_waits_for_what_a_limit_will_remove)
{
    begin("\"max_msgs\":1");
    publish("s.a", "");
    rig_settle(rig);
    publish("s.b", "");
    publish("s.a", "Nats-Expected-Last-Subject-Sequence: 1");
    ck_assert_int_eq(decision.outcome, DECIDE_WAIT);
    rig_settle(rig);
    publish("s.a", "Nats-Expected-Last-Subject-Sequence: 1");
    check_refused(10071, "wrong last sequence: 0", true);
    rig_destroy(rig);
}
END_TEST

/* ---- the owner's side ----------------------------------------------------------------------- */

START_TEST(a_wrong_prediction_stops_the_process)
{
    begin("");
    publish("s.a", "");
    rig_propose(rig);
    decider_applied(&rig->decider, rig->proposed); /* but nothing was applied */
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        the_first_check_that_fails_answers,
        batches_are_refused_before_anything_else,
        a_sealed_stream_takes_nothing_whatever_is_asked,
        features_that_are_not_built_are_refused_as_if_disabled,
        a_record_of_32_mib_is_the_largest_in_a_file_stream,
        headers_of_64k_less_one_are_the_largest,
        the_configured_size_is_of_headers_and_payload_as_stored,
        a_subject_that_no_record_holds_is_too_large,
        expected_sequences_are_those_of_what_is_in_flight,
        what_is_no_number_is_a_mismatch,
        a_subject_without_a_sequence_is_half_a_check,
        a_wildcard_is_checked_when_nothing_is_in_flight,
        the_last_message_has_its_id_or_none,
        roll_ups_need_permission_and_a_value,
        a_duplicate_is_one_in_flight_and_applied_until_the_window_ends,
        what_is_only_traced_is_checked_and_not_stored,
        without_a_window_ids_are_only_headers,
        a_full_batch_leaves_no_trace,
        nothing_is_decided_before_a_removal_is_applied,
        what_never_happened_frees_its_sequence_and_its_id,
        time_never_falls_in_a_stream,
        a_time_that_was_restored_is_the_least_that_follows,
        a_sequence_after_the_last_one_does_not_exist,
        lost_messages_keep_their_sequences,
        discard_new_refuses_what_would_not_fit,
        a_larger_message_does_not_replace_a_smaller_one_in_a_full_stream,
        a_roll_up_passes_the_limit_of_its_subject_only,
        a_check_waits_for_what_a_limit_will_remove,
    };
    const TTest *aborting[] = {a_wrong_prediction_stops_the_process};

    return UNIT_RUN("decide", tests, aborting);
}
