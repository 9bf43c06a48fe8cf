/*
 * origins: the mirror or the sources of a stream, while it leads: each asks its origin's leader for
 * messages as a client would, wherever that is, and decides what comes into the stream's log. What
 * is to be done is said by the cores (origin, decide_origin); what has been taken is in the log.
 * Followers, and a leader that begins anew, know nothing but the applied positions.
 */
#include "server/stream/origins.h"
#include <stdio.h>

#include "base/heap.h"
#include "base/owner.h"
#include "base/subject.h"
#include "base/text.h"
#include "server/stream/decide_origin.h"
#include "server/stream/flaws.h"
#include "server/stream/origin_headers.h"
#include "server/stream/origin_request.h"
#include "server/stream/stream_priv.h"

#define INBOX_BYTES_MAX ((size_t)64 << 20)
#define ARENA_MAX       ((size_t)16 << 20)
#define TAG_SIZE        8u
#define NAME_MAX_SIZE   32u
#define SAY_NS          INT64_C(1000000000) /* between two lines of what is passed over */

enum inbox_kind { INBOX_DELIVERY, INBOX_ANSWER };

struct follower {
    struct origin core;
    struct stream *stream;
    const struct stream_source *source; /* of the config in force */
    bool mirror;
    uint16_t number;                      /* of config.sources */
    struct subject_transform *transforms; /* of the source, in the arena */
    char name[NAME_MAX_SIZE]; /* of the consumer that it asks for, whichever replica leads */
    /* Owned, for when the config is another already: what it takes, and the subject on which the
     * consumer that it was given is deleted; empty: it has none, or not of its own. */
    struct bytes key, deletion;
    bool keeps;              /* that keeps what it hands out until it is confirmed */
    bool beginning;          /* and is asked to begin anew */
    uint64_t heard_sequence; /* of the last message that came */
    struct {
        struct bytes to;          /* owned: the subject to confirm on; empty: nothing is owed */
        uint64_t heard, sequence; /* when all up to there is applied */
    } owed;
    uint64_t id;        /* of the stream that `core.taken` counts in; 0: unknown */
    char tag[TAG_SIZE]; /* of what it has asked for, new each time */
    struct sink *sink_deliver, *sink_answer;
    struct outbox inbox;
    uint64_t emptied; /* how often the inbox was, with what it still held */
    bool overflown;   /* something did not fit it */
    uint64_t passed;  /* messages that can never be stored here */
    int64_t said_ns;  /* when that was last logged; 0: not yet */
    uint64_t turn;    /* of the server, in which it has last taken something */
    bool held;        /* there is more, for the next turn */
};

struct stream_origins {
    struct stream *stream;
    struct follower *at;
    size_t count;
    struct arena arena;
    struct timer timer;
    struct buf subject, headers, source; /* scratch, of one message */
};

/* ---- what comes ----------------------------------------------------------------------------- */

/* Sinks only keep what they are given. */
static void keep(struct follower *follower, enum inbox_kind kind, const struct message *message)
{
    struct outbox_item item = {
        .kind = OUTBOX_MESSAGE,
        .code = kind,
        .to = message->subject,
        .reply = message->reply,
        .headers = message->headers,
        .body = message->payload,
    };

    if (!outbox_add(&follower->inbox, &item))
        follower->overflown = true;
    stream_mark(follower->stream);
}

static void on_deliver(void *owner, const struct message *message)
{
    keep(owner, INBOX_DELIVERY, message);
}

static void on_answer(void *owner, const struct message *message)
{
    keep(owner, INBOX_ANSWER, message);
}

static void publish(struct stream *stream, struct bytes subject, struct bytes reply,
                    struct bytes payload)
{
    struct message message = {.subject = subject, .reply = reply, .payload = payload};

    stream_publish(stream, &message);
}

/* ---- confirming ------------------------------------------------------------------------------
 *
 * A consumer that keeps what it hands out is told what is applied here, and durable therefore.
 */

static uint64_t applied(const struct follower *follower)
{
    struct stream_state *state = &follower->stream->state;
    const struct source_position *position;

    if (follower->mirror)
        return state->last_seq;
    position = positions_of_source(&state->positions, follower->number);
    return position->origin == follower->id ? position->sequence : 0;
}

static void forget_owed(struct follower *follower)
{
    heap_give((void *)follower->owed.to.at);
    follower->owed.to = bytes_of(NULL, 0);
}

static void confirm(struct follower *follower)
{
    struct stream *stream = follower->stream;
    char text[128];
    struct message message = {.subject = follower->owed.to};
    int size;

    if (message.subject.size == 0 || (applied(follower) < follower->owed.sequence &&
                                      !STREAM_FLAWED_STATE(stream, HANDED_OVER_EARLY)))
        return;
    size = snprintf(
        text, sizeof text, "NATS/1.0\r\nNats-Last-Consumer: %llu\r\nNats-Last-Stream: %llu\r\n\r\n",
        (unsigned long long)follower->owed.heard, (unsigned long long)follower->owed.sequence);
    message.headers = bytes_of(text, (size_t)size);
    stream_publish(stream, &message);
    forget_owed(follower);
}

/* The subject may be one of its own, whoever named it: what is published comes into the inbox then,
 * where `to` stands. */
static void say_alive(struct follower *follower, struct bytes to)
{
    struct bytes subject = heap_copy(to);

    publish(follower->stream, subject, bytes_of(NULL, 0), bytes_of(NULL, 0));
    heap_give((void *)subject.at);
}

/* It is to be answered on that subject. */
static void owe(struct follower *follower, struct bytes to)
{
    if (!follower->keeps) {
        say_alive(follower, to);
        return;
    }
    forget_owed(follower);
    follower->owed.to = heap_copy(to);
    follower->owed.heard = follower->core.heard;
    follower->owed.sequence = follower->heard_sequence;
    confirm(follower);
}

/* ---- asking --------------------------------------------------------------------------------- */

static void hang_up(struct follower *follower)
{
    stream_sink_remove(follower->stream, &follower->sink_deliver);
    stream_sink_remove(follower->stream, &follower->sink_answer);
    outbox_clear(&follower->inbox);
    follower->emptied++;
    follower->overflown = false;
    follower->beginning = false;
    forget_owed(follower);
}

/* The same for every leader, so that each finds what the one before it was handed out and could not
 * confirm (reference streams 7.3). */
static void name_consumer(struct follower *follower)
{
    struct stream *stream = follower->stream;
    struct buf text, key;
    char hash[ORIGIN_HASH_SIZE];

    buf_init(&text, SIZE_MAX);
    buf_init(&key, SIZE_MAX);
    (void)buf_print(&text, "%.*s %.*s", BYTES_ARG(stream->name),
                    BYTES_ARG(account_name(stream->account)));
    if (!follower->mirror) {
        positions_key(follower->source, &key);
        (void)buf_add_byte(&text, ' ');
        (void)buf_add(&text, buf_bytes(&key));
    }
    origin_hash(buf_bytes(&text), hash);
    (void)snprintf(follower->name, sizeof follower->name, "%s%.8s",
                   follower->mirror ? "JS_MIRROR_" : "JS_SRC_", hash);
    buf_deinit(&text);
    buf_deinit(&key);
}

static struct bytes own_consumer(const struct follower *follower)
{
    return follower->source->consumer != NULL ? follower->source->consumer->name
                                              : bytes_of(follower->name, strlen(follower->name));
}

static void add_deliver_subject(const struct follower *follower, struct buf *out)
{
    const struct stream_external *external = follower->source->external;

    if (follower->source->consumer != NULL) {
        (void)buf_add(out, follower->source->consumer->deliver_subject);
        return;
    }
    if (external != NULL && external->deliver.size > 0)
        (void)buf_add(out, external->deliver);
    else
        (void)BUF_ADD(out, "$JS");
    (void)buf_print(out, ".%c.%.8s", follower->mirror ? 'M' : 'S', follower->tag);
}

/* The stream of that name as it is known here now; NULL: there is none, or it is another
 * account's. */
static const struct catalogue_entry *origin_entry(const struct follower *follower)
{
    struct stream *stream = follower->stream;

    if (follower->source->external != NULL)
        return NULL;
    return jetstream_entry(stream->jetstream, stream->account, follower->source->name);
}

static uint64_t origin_id(const struct follower *follower)
{
    const struct catalogue_entry *entry = origin_entry(follower);

    return entry != NULL ? entry->assigned.id : 0;
}

/* Do its messages live until they are acknowledged? */
static bool is_until_acked(const struct follower *follower)
{
    const struct catalogue_entry *entry = origin_entry(follower);

    return entry != NULL && entry->readable && entry->config.retention != RETENTION_LIMITS;
}

/* Another stream has come under the name: all that it has is new to a source. */
static void look_who(struct follower *follower)
{
    uint64_t id = origin_id(follower);

    if (!follower->mirror && id != 0 && follower->id != 0 && id != follower->id)
        follower->core.taken = 0;
    if (id != 0)
        follower->id = id;
}

static void write_body(struct follower *follower, struct bytes deliver, struct buf *out)
{
    struct stream *stream = follower->stream;
    struct origin_request request = {
        .source = follower->source,
        .mirror = follower->mirror,
        .stream = stream->name,
        .account = account_name(stream->account),
        .consumer = own_consumer(follower),
        .deliver = deliver,
        .after = follower->core.taken,
    };

    origin_request_body(&request, out);
}

static void add_answer_subject(const struct follower *follower, struct buf *out)
{
    (void)buf_print(out, "$JSC.R.%.8s", follower->tag);
}

/* What was handed out before and not confirmed comes again, and is confirmed when it is passed
 * over: only an acknowledgement makes a work queue let go. */
static void ask_to_begin(struct follower *follower)
{
    struct buf answer, subject;

    follower->keeps = true;
    follower->beginning = true;
    buf_init(&answer, SIZE_MAX);
    buf_init(&subject, SIZE_MAX);
    add_answer_subject(follower, &answer);
    origin_request_reset(follower->source, own_consumer(follower), &subject);
    publish(follower->stream, buf_bytes(&subject), buf_bytes(&answer), bytes_of(NULL, 0));
    buf_deinit(&answer);
    buf_deinit(&subject);
}

static void ask_for_consumer(struct follower *follower, struct bytes deliver, struct bytes answer)
{
    struct buf subject, body;

    follower->keeps = false;
    buf_init(&subject, SIZE_MAX);
    buf_init(&body, SIZE_MAX);
    origin_request_subject(follower->source, &subject);
    write_body(follower, deliver, &body);
    publish(follower->stream, buf_bytes(&subject), answer, buf_bytes(&body));
    buf_deinit(&subject);
    buf_deinit(&body);
}

static void ask(struct follower *follower)
{
    struct stream *stream = follower->stream;
    struct router *router = stream_router(stream);
    struct buf deliver, answer;

    hang_up(follower);
    look_who(follower);
    text_base62(stream->lane->prng, follower->tag, TAG_SIZE);
    buf_init(&deliver, SIZE_MAX);
    buf_init(&answer, SIZE_MAX);
    add_deliver_subject(follower, &deliver);
    add_answer_subject(follower, &answer);
    follower->sink_deliver =
        router_sink_add_known(router, stream->account, buf_bytes(&deliver), on_deliver, follower);
    follower->sink_answer =
        router_sink_add_known(router, stream->account, buf_bytes(&answer), on_answer, follower);
    origin_asked(&follower->core, io_now(stream_io(stream)));
    follower->heard_sequence = 0;
    if (follower->source->consumer != NULL)
        ask_to_begin(follower);
    else
        ask_for_consumer(follower, buf_bytes(&deliver), buf_bytes(&answer));
    buf_deinit(&deliver);
    buf_deinit(&answer);
}

static uint64_t jitter(const struct stream *stream)
{
    return prng_next(stream->lane->prng);
}

/* It goes at once, not when it notices that nobody listens. What another one kept would be lost. */
static void delete_consumer(const struct follower *follower)
{
    publish(follower->stream, follower->deletion, bytes_of(NULL, 0), bytes_of(NULL, 0));
}

static void fail(struct follower *follower)
{
    struct stream *stream = follower->stream;

    if (follower->core.phase == ORIGIN_FOLLOWING && !follower->keeps)
        delete_consumer(follower);
    hang_up(follower);
    origin_failed(&follower->core, io_now(stream_io(stream)), jitter(stream));
}

/* What a mirror's origin does not have any more will not come. False: it has to wait. */
static bool skip(struct follower *follower, uint64_t behind)
{
    struct stream *stream = follower->stream;
    struct decision decision;

    if (!follower->mirror || behind <= follower->core.taken)
        return true;
    decide_skip(&stream->decider, behind, replica_gather(stream->replica), &decision);
    if (decision.outcome == DECIDE_WAIT || decision.outcome == DECIDE_FULL)
        return false;
    stream->gathered += decision.records;
    stream_mark(stream);
    return true;
}

/* The consumer is there and begins where it should, or can not be taken from. False: it has to
 * wait. */
static bool begun(struct follower *follower, const struct origin_answer *answer)
{
    struct stream *stream = follower->stream;
    int64_t now_ns = io_now(stream_io(stream));

    if (follower->beginning && !answer->keeps) {
        hang_up(follower);
        origin_refused(&follower->core, now_ns, jitter(stream), follower->mirror ? 10214 : 10217,
                       follower->mirror
                           ? "stream mirror consumer requires flow control ack policy"
                           : "stream source consumer requires flow control ack policy");
        return true;
    }
    if (!skip(follower, answer->behind))
        return false;
    follower->beginning = false;
    origin_accepted(&follower->core, answer->pending, now_ns);
    return true;
}

static void note_made(struct follower *follower, struct bytes name)
{
    struct buf subject;

    heap_give((void *)follower->deletion.at);
    follower->deletion = bytes_of(NULL, 0);
    if (follower->source->consumer != NULL)
        return;
    buf_init(&subject, SIZE_MAX);
    origin_request_deletion(follower->source, name, &subject);
    follower->deletion = heap_copy(buf_bytes(&subject));
    buf_deinit(&subject);
}

/* False: it has to wait. */
static bool read_answer(struct follower *follower, const struct outbox_item *item)
{
    struct origin_answer answer;
    struct arena arena;
    bool made, done = true;

    if (follower->core.phase != ORIGIN_ASKED)
        return true;
    arena_init(&arena, 1u << 20);
    made = origin_request_answer(&follower->core, item->body, &arena, &answer);
    if (!made || (origin_id(follower) != follower->id && follower->source->external == NULL))
        fail(follower); /* or the stream was another one meanwhile */
    else {
        note_made(follower, answer.consumer);
        if (answer.keeps && !follower->beginning)
            ask_to_begin(follower);
        else
            done = begun(follower, &answer);
    }
    arena_deinit(&arena);
    return done;
}

/* ---- taking --------------------------------------------------------------------------------- */

static struct bytes transformed(const struct follower *follower, struct bytes subject,
                                struct buf *scratch)
{
    buf_clear(scratch);
    for (size_t i = 0; i < follower->source->subject_transforms.count; i++) {
        const struct subject_transform *transform = &follower->transforms[i];

        if (!subject_transform_matches(transform, subject))
            continue;
        if (subject_transform_apply(transform, subject, &follower->stream->decider.prng, scratch) &&
            scratch->size > 0)
            return buf_bytes(scratch);
        return subject;
    }
    return subject;
}

static struct origin_message message_of(const struct follower *follower,
                                        const struct outbox_item *item,
                                        const struct ack_subject *ack)
{
    struct stream_origins *origins = follower->stream->origins;

    buf_clear(&origins->source);
    if (!follower->mirror)
        origin_header_source(follower->source, ack->sequence, item->to, &origins->source);
    return (struct origin_message){
        .sequence = ack->sequence,
        .time_ns = ack->time_ns,
        .subject = transformed(follower, item->to, &origins->subject),
        .headers = origin_headers(item->headers, buf_bytes(&origins->source), &origins->headers),
        .payload = item->body,
        .last_copy = follower->keeps,
    };
}

static void decide(struct follower *follower, const struct origin_message *message,
                   struct decision *decision)
{
    struct stream *stream = follower->stream;
    struct buf *gather = replica_gather(stream->replica);
    size_t limit = gather->limit;

    gather->limit = limit - GATHER_RESERVED;
    do {
        if (follower->mirror)
            decide_mirrored(&stream->decider, message, gather, decision);
        else
            decide_sourced(&stream->decider, follower->number, follower->id, message,
                           stream_log_now(stream), gather, decision);
    } while (decision->outcome == DECIDE_WAIT && stream_counter_gather(stream));
    gather->limit = limit;
    stream->gathered += decision->records;
}

/* What a limit stands against is asked for again: it may fit by then. */
static void refused(struct follower *follower, uint64_t sequence, uint16_t error, const char *text)
{
    struct stream *stream = follower->stream;

    if (follower->core.failures == 0)
        logger_warn(server_logger(jetstream_server(stream->jetstream)),
                    "Stream '%.*s': message %llu of '%.*s' can not be taken yet: error %u %s",
                    BYTES_ARG(stream->name), (unsigned long long)sequence,
                    BYTES_ARG(follower->source->name), error, text);
    fail(follower);
}

/* It never will be: what comes behind it must not wait for ever. */
static void passed_over(struct follower *follower, uint64_t sequence,
                        const struct decision *decision)
{
    struct stream *stream = follower->stream;
    int64_t now_ns = io_now(stream_io(stream));

    follower->passed++;
    if (follower->said_ns != 0 && now_ns - follower->said_ns < SAY_NS)
        return;
    follower->said_ns = now_ns;
    logger_warn(server_logger(jetstream_server(stream->jetstream)),
                "Stream '%.*s': message %llu of '%.*s' is passed over: error %u %s (%llu so far)",
                BYTES_ARG(stream->name), (unsigned long long)sequence,
                BYTES_ARG(follower->source->name), decision->error, decision->error_text,
                (unsigned long long)follower->passed);
}

/* What comes next is damaged at the origin; 0: nothing is, or no more. */
static void stands(struct follower *follower, uint64_t sequence)
{
    struct stream *stream = follower->stream;
    struct logger *logger = server_logger(jetstream_server(stream->jetstream));

    if (!origin_stands(&follower->core, sequence))
        return;
    if (sequence == 0) {
        logger_info(logger, "Stream '%.*s' takes messages of '%.*s' again", BYTES_ARG(stream->name),
                    BYTES_ARG(follower->source->name));
        return;
    }
    logger_error(logger,
                 "Stream '%.*s' waits for message %llu of '%.*s', which is damaged there, until it "
                 "can be read again or is deleted",
                 BYTES_ARG(stream->name), (unsigned long long)sequence,
                 BYTES_ARG(follower->source->name));
}

/* False: it has to wait; nothing has happened. */
static bool take(struct follower *follower, const struct outbox_item *item,
                 const struct ack_subject *ack)
{
    struct stream *stream = follower->stream;
    struct origin_message message = message_of(follower, item, ack);
    struct decision decision;
    uint16_t error;

    if (!jetstream_admits_now(stream->jetstream, stream))
        return false;
    error = jetstream_admits(stream->jetstream, stream,
                             stream_stored_size(stream->state.config.storage, message.subject.size,
                                                message.headers.size, message.payload.size));
    if (error != 0) {
        refused(follower, ack->sequence, error, "");
        return true;
    }
    decide(follower, &message, &decision);
    if (decision.outcome == DECIDE_WAIT || decision.outcome == DECIDE_FULL)
        return false;
    if (decision.outcome == DECIDE_REFUSE) {
        refused(follower, ack->sequence, decision.error, decision.error_text);
        return true;
    }
    if (decision.outcome == DECIDE_STORE)
        stream_consumers_offer(stream, decision.subject);
    else if (decision.error != 0)
        passed_over(follower, ack->sequence, &decision);
    stream_mark(stream);
    follower->heard_sequence = ack->sequence;
    origin_taken(&follower->core, ack, io_now(stream_io(stream)));
    stands(follower, 0);
    return true;
}

static uint64_t damaged_of(struct bytes headers)
{
    uint64_t sequence;

    return bytes_read_u64(origin_header_value(headers, BYTES("Nats-Message-Damaged")), &sequence)
               ? sequence
               : 0;
}

static void read_status(struct follower *follower, const struct outbox_item *item)
{
    struct stream *stream = follower->stream;
    int64_t now_ns = io_now(stream_io(stream));
    struct bytes stalled = origin_header_value(item->headers, BYTES("Nats-Consumer-Stalled"));
    uint64_t sent;

    if (!bytes_starts(item->headers, BYTES("NATS/1.0 100"))) {
        fail(follower); /* it was deleted, or its leader has changed */
    } else if (item->reply.size > 0) {
        origin_alive(&follower->core, now_ns);
        owe(follower, item->reply);
    } else if (!bytes_read_u64(origin_header_value(item->headers, BYTES("Nats-Last-Consumer")),
                               &sent) ||
               !origin_heartbeat(&follower->core, sent, now_ns)) {
        fail(follower);
    } else {
        stands(follower, damaged_of(item->headers));
        if (subject_literal(stalled))
            owe(follower, stalled);
    }
}

/* False: it has to wait. */
static bool read_delivery(struct follower *follower, const struct outbox_item *item)
{
    struct ack_subject ack;

    if (follower->core.phase == ORIGIN_RESTING)
        return true;
    if (follower->core.phase == ORIGIN_ASKED && (follower->beginning || is_until_acked(follower)))
        return true; /* from before it begins */
    if (item->reply.size == 0 || !ack_subject_read(item->reply, &ack)) {
        read_status(follower, item);
        return true;
    }
    switch (origin_came(&follower->core, &ack)) {
    case ORIGIN_NEXT: return take(follower, item, &ack);
    case ORIGIN_OLD:
        follower->heard_sequence = ack.sequence;
        origin_taken(&follower->core, &ack, io_now(stream_io(follower->stream)));
        break;
    case ORIGIN_GAP: fail(follower); break;
    }
    return true;
}

/* As publishes do, what comes waits for operations. Copies give way to publishers: all followers
 * of a server together take a part in each of its turns. */
static void read_inbox(struct follower *follower)
{
    struct outbox_item item;
    unsigned left;

    follower->held = false;
    if (follower->inbox.count == 0)
        return;
    left = stream_lane_copies(follower->stream->lane, &follower->turn);
    while (left > 0 && !stream_operations_busy(follower->stream) &&
           outbox_peek(&follower->inbox, &item)) {
        uint64_t emptied = follower->emptied;

        if (item.code == INBOX_ANSWER ? !read_answer(follower, &item)
                                      : !read_delivery(follower, &item))
            return;
        if (follower->emptied == emptied)
            outbox_pop(&follower->inbox);
        left--;
    }
    follower->held = left == 0 && follower->inbox.count > 0;
}

/* ---- life ----------------------------------------------------------------------------------- */

static void on_timer(struct timer *timer)
{
    stream_mark(owner_of(timer, struct stream_origins, timer)->stream);
}

static void compile(struct stream_origins *origins, struct follower *follower)
{
    const struct stream_transform *transforms = follower->source->subject_transforms.at;
    size_t count = follower->source->subject_transforms.count;
    struct subject_transform_error error;

    follower->transforms = ARENA_ARRAY(&origins->arena, struct subject_transform, count + 1);
    assert(follower->transforms != NULL); /* a config is far smaller */
    for (size_t i = 0; i < count; i++) {
        bool fine = subject_transform_compile(&follower->transforms[i], transforms[i].source,
                                              transforms[i].destination, SUBJECT_TRANSFORM_ANY,
                                              &origins->arena, &error);

        if (!fine) /* another version took it: messages come as they are */
            follower->transforms[i] = (struct subject_transform){0};
    }
}

static void begin(struct stream_origins *origins, size_t i, const struct stream_source *source,
                  bool mirror)
{
    struct stream *stream = origins->stream;
    struct follower *follower = &origins->at[i];
    const struct source_position *position =
        mirror ? NULL : positions_of_source(&stream->state.positions, i);

    *follower = (struct follower){
        .stream = stream,
        .source = source,
        .mirror = mirror,
        .number = (uint16_t)i,
        .id = position != NULL ? position->origin : 0,
    };
    outbox_init(&follower->inbox, INBOX_BYTES_MAX);
    compile(origins, follower);
    name_consumer(follower);
    positions_key(source, &origins->source);
    follower->key = heap_copy(buf_bytes(&origins->source));
    origin_init(&follower->core, mirror ? stream->state.last_seq : position->sequence,
                io_now(stream_io(stream)));
    if (STREAM_FLAWED_STATE(stream, HAND_OVER_SKIPS) && follower->core.taken > 0)
        follower->core.taken++;
}

static void start(struct stream *stream)
{
    const struct stream_config *config = &stream->state.config;
    size_t count = config->mirror != NULL ? 1 : config->sources.count;
    struct stream_origins *origins;

    if (count == 0)
        return;
    origins = HEAP_NEW(struct stream_origins);
    stream->origins = origins;
    origins->stream = stream;
    origins->at = heap_take(count * sizeof *origins->at);
    origins->count = count;
    origins->timer.fire = on_timer;
    arena_init(&origins->arena, ARENA_MAX);
    buf_init(&origins->subject, EFFECT_SUBJECT_MAX);
    buf_init(&origins->headers, SIZE_MAX);
    buf_init(&origins->source, SIZE_MAX);
    for (size_t i = 0; i < count; i++)
        begin(origins, i,
              config->mirror != NULL ? config->mirror
                                     : (const struct stream_source *)config->sources.at + i,
              config->mirror != NULL);
}

/* Is the consumer that a follower was given one that the config still asks for? */
static bool is_listed(const struct stream *stream, const struct follower *was)
{
    const struct stream_config *config = &stream->state.config;
    const struct stream_source *sources = config->sources.at;
    struct buf key;
    bool found = false;

    if (was->mirror)
        return config->mirror != NULL;
    buf_init(&key, SIZE_MAX);
    for (size_t i = 0; i < config->sources.count && !found; i++) {
        positions_key(&sources[i], &key);
        found = bytes_equal(buf_bytes(&key), was->key);
    }
    buf_deinit(&key);
    return found;
}

static void leave(const struct follower *follower)
{
    if (follower->keeps && follower->deletion.size > 0)
        publish(follower->stream, follower->deletion, bytes_of(NULL, 0), bytes_of(NULL, 0));
}

void stream_origins_configured(struct stream *stream)
{
    struct stream_origins *origins = stream->origins;

    for (size_t i = 0; stream->lead && origins != NULL && i < origins->count; i++) {
        if (!is_listed(stream, &origins->at[i]))
            leave(&origins->at[i]);
    }
    stream_origins_stop(stream);
}

void stream_origins_leave(struct stream *stream)
{
    struct stream_origins *origins = stream->origins;

    for (size_t i = 0; stream->lead && origins != NULL && i < origins->count; i++)
        leave(&origins->at[i]);
}

void stream_origins_stop(struct stream *stream)
{
    struct stream_origins *origins = stream->origins;

    stream->origins_stale = true;
    if (origins == NULL)
        return;
    for (size_t i = 0; i < origins->count; i++) {
        hang_up(&origins->at[i]);
        heap_give((void *)origins->at[i].key.at);
        heap_give((void *)origins->at[i].deletion.at);
        outbox_deinit(&origins->at[i].inbox);
    }
    timers_cancel(io_timers(stream_io(stream)), &origins->timer);
    arena_deinit(&origins->arena);
    buf_deinit(&origins->subject);
    buf_deinit(&origins->headers);
    buf_deinit(&origins->source);
    heap_give(origins->at);
    heap_give(origins);
    stream->origins = NULL;
}

/* What waits to be read is a sign of life. */
static void look_at_clock(struct follower *follower)
{
    struct stream *stream = follower->stream;
    int64_t now_ns = io_now(stream_io(stream));

    if (follower->overflown)
        fail(follower);
    if (follower->inbox.count > 0)
        return;
    if (origin_due(&follower->core, now_ns, jitter(stream))) {
        ask(follower);
    } else if (follower->core.phase == ORIGIN_RESTING) {
        hang_up(follower);
    }
}

static void arm(struct stream_origins *origins)
{
    int64_t due_ns = TIMERS_NEVER;

    for (size_t i = 0; i < origins->count; i++) {
        if (origins->at[i].inbox.count == 0 && origins->at[i].core.due_ns < due_ns)
            due_ns = origins->at[i].core.due_ns;
        if (origins->at[i].held)
            due_ns = io_now(stream_io(origins->stream));
    }
    timers_arm(io_timers(stream_io(origins->stream)), &origins->timer, due_ns);
}

void stream_origins_turn(struct stream *stream)
{
    struct stream_origins *origins;

    if (stream->origins_stale) {
        stream_origins_stop(stream);
        stream->origins_stale = false;
        start(stream);
    }
    origins = stream->origins;
    if (origins == NULL)
        return;
    for (size_t i = 0; i < origins->count; i++) {
        read_inbox(&origins->at[i]);
        confirm(&origins->at[i]);
        look_at_clock(&origins->at[i]);
    }
    arm(origins);
}

/* ---- looking at it -------------------------------------------------------------------------- */

void stream_origin_info(const struct stream *stream, size_t number, struct stream_origin_info *info)
{
    const struct stream_origins *origins = stream->origins;
    const struct origin *core;

    *info = (struct stream_origin_info){.active_ns = -1};
    if (origins == NULL || number >= origins->count || stream->origins_stale)
        return;
    core = &origins->at[number].core;
    info->lag = core->lag;
    if (core->active_ns != ORIGIN_NEVER)
        info->active_ns = io_now(stream_io(stream)) - core->active_ns;
    info->error_code = core->error_code;
    info->error = core->error;
    info->error_text = core->error_text;
    info->stands = core->stands;
}
