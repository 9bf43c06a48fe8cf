/* What is held back for a slow connection: of each group and type the newest, in the order in which
 * they were first said. */
#include <string.h>

#include "base/prng.h"
#include "raft/mailbag.h"
#include "raft/wire.h"
#include "tests/unit/unit.h"

#define GROUPS 5u
#define TYPES  8u

static struct mailbag bag;

static void say(uint64_t group, enum raft_message_type type, uint64_t term)
{
    struct raft_message message = {.type = type, .term = term};
    uint8_t *at = mailbag_reserve(&bag);

    ck_assert_ptr_nonnull(at);
    wire_write(at, group, &message, 0, 0);
    mailbag_commit(&bag);
}

/* The next of what is in it. */
static void has(struct bytes *rest, uint64_t group, enum raft_message_type type, uint64_t term)
{
    static struct wire_message message;

    ck_assert_int_eq(wire_take(rest, &message), OK);
    ck_assert_uint_eq(message.group, group);
    ck_assert_int_eq(message.message.type, type);
    ck_assert_uint_eq(message.message.term, term);
}

static void begin(void)
{
    mailbag_init(&bag, 1 << 20, 1);
}

START_TEST(what_is_said_again_is_held_once)
{
    struct bytes rest;

    begin();
    say(7, RAFT_APPEND, 1);
    say(7, RAFT_VOTE, 2);
    say(8, RAFT_APPEND, 3);
    say(7, RAFT_APPEND, 4);
    mailbag_hold(&bag);
    say(8, RAFT_APPEND, 5);
    say(9, RAFT_APPEND, 6);
    mailbag_hold(&bag);
    mailbag_hold(&bag);
    rest = buf_bytes(&bag.messages);
    has(&rest, 7, RAFT_APPEND, 4);
    has(&rest, 7, RAFT_VOTE, 2);
    has(&rest, 8, RAFT_APPEND, 5);
    has(&rest, 9, RAFT_APPEND, 6);
    ck_assert_uint_eq(rest.size, 0);
    mailbag_deinit(&bag);
}
END_TEST

START_TEST(what_goes_at_once_goes_as_it_was_said)
{
    struct bytes rest;

    begin();
    say(7, RAFT_APPEND, 1);
    mailbag_hold(&bag);
    mailbag_clear(&bag);
    say(7, RAFT_APPEND, 2);
    say(7, RAFT_APPEND, 3);
    rest = buf_bytes(&bag.messages);
    has(&rest, 7, RAFT_APPEND, 2);
    has(&rest, 7, RAFT_APPEND, 3);
    ck_assert_uint_eq(rest.size, 0);
    mailbag_hold(&bag);
    ck_assert_uint_eq(bag.messages.size, WIRE_HEAD); /* nothing of before is in the way */
    mailbag_deinit(&bag);
}
END_TEST

/* A node that came back with a new disk may be there twice: each hears its own. */
START_TEST(two_members_on_one_node_are_two)
{
    struct raft_message old = {.type = RAFT_APPEND, .to = {.node = 2, .incarnation = 5}};
    struct raft_message new = {.type = RAFT_APPEND, .to = {.node = 2, .incarnation = 6}};
    static struct wire_message message;
    struct bytes rest;

    begin();
    for (unsigned i = 0; i < 2; i++) {
        wire_write(mailbag_reserve(&bag), 7, &new, 0, 0);
        mailbag_commit(&bag);
        wire_write(mailbag_reserve(&bag), 7, &old, 0, 0);
        mailbag_commit(&bag);
        mailbag_hold(&bag);
    }
    rest = buf_bytes(&bag.messages);
    ck_assert_uint_eq(rest.size, 2 * WIRE_HEAD);
    ck_assert_int_eq(wire_take(&rest, &message), OK);
    ck_assert_uint_eq(message.message.to.incarnation, 6);
    ck_assert_int_eq(wire_take(&rest, &message), OK);
    ck_assert_uint_eq(message.message.to.incarnation, 5);
    mailbag_deinit(&bag);
}
END_TEST

/* Two of one place in the map are two. */
START_TEST(none_is_taken_for_another)
{
    uint64_t factor = UINT64_C(0x9e3779b97f4a7c15), other = 7 + factor;
    struct bytes rest;

    begin();
    say(7, RAFT_VOTE, 1);
    say(other, (enum raft_message_type)(RAFT_VOTE - 1), 2);
    mailbag_hold(&bag);
    say(7, RAFT_VOTE, 3);
    mailbag_hold(&bag);
    rest = buf_bytes(&bag.messages);
    for (uint64_t seen = 0; rest.size > 0; seen++) {
        uint64_t group;

        memcpy(&group, rest.at, sizeof group);
        ck_assert(group == 7 || group == other);
        ck_assert_uint_lt(seen, 3);
        rest = bytes_skip(rest, WIRE_HEAD);
    }
    ck_assert_uint_ge(bag.messages.size, 2 * WIRE_HEAD);
    mailbag_deinit(&bag);
}
END_TEST

START_TEST(it_never_holds_more_than_there_is_to_say)
{
    uint64_t newest[GROUPS][TYPES] = {0};
    static struct wire_message message;
    struct prng prng;
    struct bytes rest;

    begin();
    prng_seed(&prng, 1);
    for (uint64_t term = 1; term < 20000; term++) {
        uint64_t group = prng_below(&prng, GROUPS);
        enum raft_message_type type =
            (enum raft_message_type)(prng_below(&prng, 2) ? RAFT_APPEND : RAFT_VOTE);

        say(group, type, term);
        newest[group][type] = term;
        if (prng_chance(&prng, 1, 10))
            mailbag_hold(&bag);
    }
    mailbag_hold(&bag);
    ck_assert_uint_eq(bag.messages.size, 2 * GROUPS * WIRE_HEAD);
    for (rest = buf_bytes(&bag.messages); rest.size > 0;) {
        ck_assert_int_eq(wire_take(&rest, &message), OK);
        ck_assert_uint_eq(message.message.term, newest[message.group][message.message.type]);
    }
    mailbag_deinit(&bag);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_is_said_again_is_held_once,          what_goes_at_once_goes_as_it_was_said,
        two_members_on_one_node_are_two,          none_is_taken_for_another,
        it_never_holds_more_than_there_is_to_say,
    };

    return UNIT_RUN_PLAIN("mailbag", tests);
}
