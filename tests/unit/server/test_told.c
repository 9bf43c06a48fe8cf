/* What a lane tells home is done in the order in which it was told, once, and outside of the turns
 * of streams; what it is about may have gone meanwhile. */
#include "server/jetstream/jetstream_priv.h"
#include "tests/unit/server/stream_world.h"

static struct world world;

/* ---- the list ------------------------------------------------------------------------------- */

static void tell_number(struct told_list *list, uint64_t number)
{
    char text[24];

    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    told_add(list,
             &(struct told){.kind = TOLD_RESTORED, .number = number, .text = bytes_of_text(text)});
    memset(text, 'x', sizeof text);
}

static void expect_number(struct told_list *list, uint64_t number)
{
    struct told told;
    char text[24];

    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    ck_assert(told_take(list, &told));
    ck_assert_uint_eq(told.number, number);
    ck_assert(bytes_equal(told.text, bytes_of_text(text)));
    told_drop(&told);
}

START_TEST(what_is_told_is_taken_in_its_order_however_much_waits)
{
    struct told_list list;
    uint64_t told = 0, taken = 0;
    struct prng prng;

    prng_seed(&prng, 11);
    told_init(&list);
    for (int i = 0; i < 2000; i++) {
        for (uint64_t more = prng_below(&prng, i < 1000 ? 12 : 3); more > 0; more--)
            tell_number(&list, told++);
        for (uint64_t less = prng_below(&prng, i < 1000 ? 8 : 12); less > 0 && taken < told; less--)
            expect_number(&list, taken++);
        ck_assert(told_any(&list) == (taken < told));
    }
    while (taken < told)
        expect_number(&list, taken++);
    ck_assert(!told_take(&list, &(struct told){0}));
    tell_number(&list, 1); /* what is not taken is no leak */
    told_deinit(&list);
}
END_TEST

/* ---- a stream and home ---------------------------------------------------------------------- */

static struct stream *stream_of_world(void)
{
    struct jetstream *jetstream = world.server->jetstream;
    struct stream *stream =
        jetstream_stream(jetstream, router_account_default(world.server->router), BYTES("S"));

    ck_assert_ptr_nonnull(stream);
    return stream;
}

static struct {
    char order[32]; /* what ran: c for check, a letter for each that is over */
    struct stream *stream;
    bool turning;
} seen;

static void note(char letter)
{
    size_t at = strlen(seen.order);

    ck_assert(!seen.turning);
    ck_assert_uint_lt(at + 1, sizeof seen.order);
    seen.order[at] = letter;
    seen.order[at + 1] = 0;
}

static uint16_t check(struct stream_op *op, struct stream *stream)
{
    (void)op;
    ck_assert_uint_eq(replica_applied(stream->replica), replica_proposed(stream->replica));
    note('c');
    return 0;
}

static void over(struct stream_op *op, struct stream *stream)
{
    seen.stream = stream;
    note((char)op->sequence);
}

static void glanced(struct stream_glance *glance, struct stream *stream)
{
    (void)glance;
    seen.stream = stream;
    note('g');
}

static struct stream_op op_named(char letter)
{
    return (struct stream_op){
        .kind = STREAM_OP_READ, .check = check, .done = over, .sequence = (uint64_t)letter};
}

static void begin(void)
{
    memset(&seen, 0, sizeof seen);
    (void)start_with_stream(&world, 7, "");
}

static void turn_of(struct stream *stream)
{
    seen.turning = true;
    stream_turn(stream);
    seen.turning = false;
}

START_TEST(an_operation_of_home_is_checked_and_ended_outside_of_the_streams_turn)
{
    struct stream_op a, b;
    struct stream *stream;

    begin();
    stream = stream_of_world();
    a = op_named('a');
    b = op_named('b');
    stream_submit(stream, &a);
    stream_submit(stream, &b);
    turn_of(stream);
    ck_assert_str_eq(seen.order, "");
    ck_assert(stream_operations_wait(stream)); /* so it decides nothing */
    ck_assert(jetstream_told_take(world.server->jetstream));
    ck_assert_str_eq(seen.order, "ccab");
    ck_assert_ptr_eq(seen.stream, stream);
    ck_assert(!jetstream_told_take(world.server->jetstream));
    world_deinit(&world);
}
END_TEST

START_TEST(what_is_published_behind_an_operation_waits_until_home_has_checked_it)
{
    struct stream_op a;
    struct stream *stream;
    struct message message = {.subject = BYTES("s.a"), .payload = BYTES("x")};

    begin();
    stream = stream_of_world();
    a = op_named('a');
    stream_submit(stream, &a);
    turn_of(stream);
    stream_ingest(stream, &message);
    turn_of(stream);
    ck_assert_uint_eq(stream->waiting_count, 1);
    ck_assert(jetstream_told_take(world.server->jetstream));
    turn_of(stream);
    ck_assert_uint_eq(stream->waiting_count, 0);
    settle(&world);
    ck_assert_uint_eq(stream_applied(stream)->last_seq, 1);
    world_deinit(&world);
}
END_TEST

/* Another one of the same number is none of theirs, nor is none. */
START_TEST(who_waits_for_a_stream_that_is_closed_meanwhile_is_told_so)
{
    struct stream_glance glance = {.done = glanced};
    struct catalogue_entry *entry;
    struct jetstream *jetstream;
    struct stream_op a;
    struct stream *stream;

    begin();
    stream = stream_of_world();
    jetstream = world.server->jetstream;
    entry = catalogue_find(&jetstream->catalogue, stream_id(stream));
    a = op_named('a');
    stream_op_end(stream, &a);
    stream_tell(stream, (struct told){.kind = TOLD_GLANCE, .of = &glance});
    stream->life++; /* opened anew */
    entry->leader = 0;
    ck_assert(jetstream_told_take(jetstream));
    ck_assert_str_eq(seen.order, "ag");
    ck_assert_ptr_null(seen.stream);
    stream->life--;
    stream_tell(stream, (struct told){.kind = TOLD_LEADS, .term = stream_term(stream)});
    stream->life++;
    ck_assert(jetstream_told_take(jetstream));
    ck_assert_uint_eq(entry->leader, 0);
    world_deinit(&world);
}
END_TEST

static bool leads_at_home(const struct jetstream *jetstream, const struct catalogue_entry *entry)
{
    return entry->leader == groups_self(jetstream->home->groups).node;
}

/* Who leads at the end is what was told last, however often it changed. */
START_TEST(leading_and_following_are_taken_in_their_order)
{
    struct catalogue_entry *entry;
    struct jetstream *jetstream;
    struct stream *stream;
    uint64_t term;

    begin();
    stream = stream_of_world();
    jetstream = world.server->jetstream;
    entry = catalogue_find(&jetstream->catalogue, stream_id(stream));
    term = stream_term(stream);
    stream_tell(stream, (struct told){.kind = TOLD_FOLLOWS});
    stream_tell(stream, (struct told){.kind = TOLD_LEADS, .term = term});
    ck_assert(jetstream_told_take(jetstream));
    ck_assert(leads_at_home(jetstream, entry));
    stream_tell(stream, (struct told){.kind = TOLD_LEADS, .term = term});
    stream_tell(stream, (struct told){.kind = TOLD_FOLLOWS});
    ck_assert(jetstream_told_take(jetstream));
    ck_assert(!leads_at_home(jetstream, entry));
    /* It has led, and does no more: others are not told that it does, nor by a later term. */
    entry->leader = 77;
    entry->leader_term = 0;
    stream_tell(stream, (struct told){.kind = TOLD_LEADS, .term = term - 1});
    ck_assert(jetstream_told_take(jetstream));
    ck_assert_uint_eq(entry->leader, 77);
    world_deinit(&world);
}
END_TEST

/* What an operation points to is looked up again when it is taken. */
START_TEST(a_consumer_that_is_gone_when_home_hears_of_it_is_not_there)
{
    struct stream_op a, b;
    struct jetstream *jetstream;
    struct stream *stream;

    begin();
    stream = stream_of_world();
    jetstream = world.server->jetstream;
    say_publish(&world, &world.peers[0], "$JS.API.CONSUMER.CREATE.S.C", "in.api",
                "{\"stream_name\":\"S\",\"config\":{\"name\":\"C\"}}");
    a = op_named('a');
    b = op_named('b');
    a.consumer_number = consumer_number(stream_consumer(stream, BYTES("C")));
    b.consumer_number = a.consumer_number;
    stream_op_end(stream, &a);
    ck_assert(jetstream_told_take(jetstream));
    ck_assert_ptr_eq(a.consumer, stream_consumer(stream, BYTES("C")));
    stream_op_end(stream, &b);
    stream_consumer_drop(stream, stream_consumer_shell(stream, BYTES("C")), true);
    ck_assert(jetstream_told_take(jetstream));
    ck_assert_ptr_null(b.consumer);
    ck_assert_ptr_eq(seen.stream, stream);
    world_deinit(&world);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_is_told_is_taken_in_its_order_however_much_waits,
        an_operation_of_home_is_checked_and_ended_outside_of_the_streams_turn,
        what_is_published_behind_an_operation_waits_until_home_has_checked_it,
        who_waits_for_a_stream_that_is_closed_meanwhile_is_told_so,
        leading_and_following_are_taken_in_their_order,
        a_consumer_that_is_gone_when_home_hears_of_it_is_not_there,
    };

    return UNIT_RUN_PLAIN("told", tests);
}
