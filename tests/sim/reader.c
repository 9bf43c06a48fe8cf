#include "tests/sim/reader.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define MILLISECOND INT64_C(1000000)
#define PULL_NS     (500 * MILLISECOND)
#define ULL(x)      ((unsigned long long)(x))

void reader_init(struct reader *reader, enum reader_kind kind, int filter, struct oracle *oracle,
                 struct sim_client *client, struct prng *prng)
{
    static const char *const names[] = {"C", "P", "O", "N", "A"};

    *reader = (struct reader){
        .kind = kind, .filter = filter, .oracle = oracle, .client = client, .prng = prng};
    snprintf(reader->name, sizeof reader->name, "%s", names[kind]);
    reader->due = kind == READER_NEW ? prng_below(prng, 60) : 0;
}

void reader_deinit(struct reader *reader)
{
    free(reader->messages);
}

void reader_reset(struct reader *reader)
{
    reader->ready = false;
    reader->asked_ns = 0;
    reader->pulls = 0;
    reader->pending_count = 0;
}

void reader_crashed(struct reader *reader, int64_t now_ns)
{
    if (reader->crashes < READER_CRASHES_MAX)
        reader->crashed_ns[reader->crashes++] = now_ns;
    else
        reader->positions = false; /* too many to say when which was */
    if (reader->kind == READER_NONE)
        reader->sequence_last = 0;
}

bool reader_due(const struct reader *reader)
{
    return reader->oracle->stored >= reader->due;
}

static struct reader_message *message_at(struct reader *reader, uint64_t sequence)
{
    if (sequence >= reader->message_capacity) {
        uint64_t before = reader->message_capacity;
        uint64_t capacity = before == 0 ? 1024 : before;

        while (capacity <= sequence)
            capacity *= 2;
        reader->messages = realloc(reader->messages, capacity * sizeof *reader->messages);
        assert(reader->messages != NULL);
        memset(reader->messages + before, 0, (capacity - before) * sizeof *reader->messages);
        reader->message_capacity = capacity;
    }
    return &reader->messages[sequence];
}

/* ---- making it ------------------------------------------------------------------------------- */

static void say(struct reader *reader, const char *subject, const char *reply, const char *body)
{
    sim_client_publish(reader->client, subject, reply, "", bytes_of_text(body));
}

/* How the kinds differ; an ordered consumer is a new one each time, from where the last one was. */
static void describe(struct reader *reader, char out[static 300])
{
    unsigned stream = reader->oracle->stream;

    switch (reader->kind) {
    case READER_PULL:
        snprintf(out, 300,
                 "\"durable_name\":\"C\",\"ack_policy\":\"explicit\",\"ack_wait\":1000000000,"
                 "\"max_ack_pending\":200");
        break;
    case READER_PUSH:
        snprintf(out, 300,
                 "\"durable_name\":\"P\",\"ack_policy\":\"explicit\",\"ack_wait\":1000000000,"
                 "\"max_ack_pending\":50,\"deliver_subject\":\"_R.%u.d.P\"",
                 stream);
        break;
    case READER_ORDERED:
        snprintf(out, 300,
                 "\"name\":\"%s\",\"ack_policy\":\"none\",\"max_deliver\":1,\"mem_storage\":true,"
                 "\"inactive_threshold\":5000000000,\"deliver_subject\":\"_R.%u.d.%s\","
                 "\"deliver_policy\":\"by_start_sequence\",\"opt_start_seq\":%llu",
                 reader->name, stream, reader->name, ULL(reader->sequence_last + 1));
        break;
    case READER_NEW:
        snprintf(out, 300,
                 "\"durable_name\":\"N\",\"ack_policy\":\"explicit\",\"ack_wait\":1000000000,"
                 "\"max_ack_pending\":200,\"deliver_policy\":\"new\"");
        break;
    case READER_NONE:
        snprintf(out, 300,
                 "\"durable_name\":\"A\",\"ack_policy\":\"none\","
                 "\"deliver_subject\":\"_R.%u.d.A\"",
                 stream);
        break;
    }
}

void reader_set_up(struct reader *reader, int64_t now_ns)
{
    char subject[80], reply[48], filter[48] = "", name[16], how[300], body[600];

    if (reader->asked_ns != 0 && now_ns - reader->asked_ns < 1000 * MILLISECOND)
        return;
    reader->asked_ns = now_ns;
    if (!reader->asked)
        reader->stored_last = reader->oracle->stored_last;
    reader->asked = true;
    if (reader->kind == READER_ORDERED) {
        snprintf(reader->name, sizeof reader->name, "O%u", ++reader->created);
        reader->consumer_last = 0;
    }
    if (reader->filter >= 0) {
        content_subject(&reader->oracle->content, (uint8_t)reader->filter, name);
        snprintf(filter, sizeof filter, ",\"filter_subject\":\"%s\"", name);
    }
    describe(reader, how);
    snprintf(subject, sizeof subject, "$JS.API.CONSUMER.CREATE.S%u.%s", reader->oracle->stream,
             reader->name);
    snprintf(reply, sizeof reply, "_R.%u.c.%u", reader->oracle->stream, (unsigned)reader->kind);
    snprintf(body, sizeof body, "{\"stream_name\":\"S%u\",\"config\":{%s%s}}",
             reader->oracle->stream, how, filter);
    say(reader, subject, reply, body);
}

void reader_created(struct reader *reader, bool good)
{
    reader->ready = reader->ready || good;
    if (good && !reader->known)
        reader->id_last = reader->oracle->publish_count;
    reader->known = reader->known || good;
}

/* ---- asking and answering -------------------------------------------------------------------- */

bool reader_pulls(const struct reader *reader)
{
    return reader->kind == READER_PULL || reader->kind == READER_NEW;
}

void reader_pull(struct reader *reader, int64_t now_ns)
{
    char subject[80], reply[48], body[128];

    if (now_ns - reader->pulled_ns > PULL_NS + 200 * MILLISECOND)
        reader->pulls =
            0; /* a batch that is filled ends without a word, and none outlives its time */
    if (reader->pulls > 4)
        return;
    reader->pulls++;
    reader->pulled_ns = now_ns;
    snprintf(subject, sizeof subject, "$JS.API.CONSUMER.MSG.NEXT.S%u.%s", reader->oracle->stream,
             reader->name);
    snprintf(reply, sizeof reply, "_R.%u.m.%u", reader->oracle->stream, (unsigned)reader->kind);
    snprintf(body, sizeof body, "{\"batch\":%d,\"expires\":%lld%s}",
             1 + (int)prng_below(reader->prng, 40), (long long)PULL_NS,
             prng_chance(reader->prng, 1, 2) ? ",\"no_wait\":true" : "");
    say(reader, subject, reply, body);
}

void reader_ended_pull(struct reader *reader)
{
    if (reader->pulls > 0)
        reader->pulls--;
}

void reader_settle(struct reader *reader, int64_t now_ns, bool drain)
{
    while (reader->pending_count > 0) {
        struct reader_pending *pending = &reader->pending[--reader->pending_count];
        struct reader_message *message = message_at(reader, pending->sequence);
        char confirm[64];

        snprintf(confirm, sizeof confirm, "_R.%u.a.%u.%llu", reader->oracle->stream,
                 (unsigned)reader->kind, ULL(pending->sequence));
        switch (drain ? 0 : prng_below(reader->prng, 8)) {
        case 0:
        case 1: say(reader, pending->reply, confirm, "+ACK"); break;
        case 2: say(reader, pending->reply, "", "+ACK"); break;
        case 3:
            message->refused_ns = now_ns;
            say(reader, pending->reply, "", "-NAK");
            break;
        case 4:
            message->refused_ns = now_ns;
            say(reader, pending->reply, "", "-NAK {\"delay\":300000000}");
            break;
        case 5: say(reader, pending->reply, "", "+WPI"); break;
        case 6:
            if (prng_chance(reader->prng, 1, 4))
                say(reader, pending->reply, confirm, "+TERM");
            break;
        default: break; /* forgotten: it comes again after ack wait */
        }
    }
}

void reader_confirmed(struct reader *reader, uint64_t sequence)
{
    message_at(reader, sequence)->confirmed = true;
    reader->confirmed++;
}

/* ---- deliveries ------------------------------------------------------------------------------ */

static bool check_ordered(struct reader *reader, const struct reader_counts *counts)
{
    /* A delivery that was overtaken by its message's removal is missing: clients start anew. */
    if (counts->consumer != reader->consumer_last + 1) {
        reader->ready = false;
        reader->asked_ns = 0;
        snprintf(reader->name, sizeof reader->name, "-");
        return false;
    }
    if (counts->stream <= reader->sequence_last)
        oracle_violate(reader->oracle, "%s: sequence %llu follows sequence %llu", reader->name,
                       counts->stream, ULL(reader->sequence_last));
    for (uint64_t skipped = reader->sequence_last + 1; skipped < counts->stream; skipped++)
        message_at(reader, skipped)->skipped = true;
    reader->sequence_last = counts->stream;
    reader->consumer_last = counts->consumer;
    return true;
}

/* Its position is logged a second after the first delivery that is not: what came longer before a
 * crash does not come again. */
static void check_none(struct reader *reader, const struct reader_counts *counts)
{
    const struct reader_message *message = message_at(reader, counts->stream);
    int64_t crashed_ns =
        message->crashes < reader->crashes ? reader->crashed_ns[message->crashes] : INT64_MAX;

    if (counts->stream <= reader->sequence_last)
        oracle_violate(reader->oracle, "%s: sequence %llu follows sequence %llu", reader->name,
                       counts->stream, ULL(reader->sequence_last));
    if (reader->positions && message->deliveries > 0 &&
        crashed_ns - message->delivered_ns > 2000 * MILLISECOND)
        oracle_violate(reader->oracle,
                       "%s: sequence %llu came again, long after it was delivered without acks",
                       reader->name, counts->stream);
    reader->sequence_last = counts->stream;
}

static void check_explicit(struct reader *reader, int64_t now_ns,
                           const struct reader_counts *counts, bool timely)
{
    struct reader_message *message = message_at(reader, counts->stream);

    if (message->confirmed)
        oracle_violate(reader->oracle,
                       "%s: sequence %llu was delivered again after its ack was confirmed",
                       reader->name, counts->stream);
    if (counts->delivered <= message->deliveries)
        oracle_violate(reader->oracle, "%s: sequence %llu: delivery count went from %u to %llu",
                       reader->name, counts->stream, message->deliveries, counts->delivered);
    /* A quarter of the ack wait: the rest may have gone by on the network. A nak may be of an
     * earlier delivery. */
    if (timely && message->deliveries > 0 &&
        (message->refused_ns == 0 || now_ns - message->refused_ns > 2000 * MILLISECOND) &&
        now_ns - message->delivered_ns < 250 * MILLISECOND)
        oracle_violate(reader->oracle, "%s: sequence %llu was handed out twice within %lld ms",
                       reader->name, counts->stream,
                       (long long)((now_ns - message->delivered_ns) / MILLISECOND));
    if (reader->kind == READER_NEW && counts->stream <= reader->stored_last)
        oracle_violate(reader->oracle,
                       "%s: sequence %llu was there before it, which wants new ones", reader->name,
                       counts->stream);
}

void reader_delivered(struct reader *reader, int64_t now_ns, const struct reader_counts *counts,
                      const struct client_message *message, bool timely)
{
    struct reader_message *known;

    oracle_shown(reader->oracle, now_ns, counts->stream, (const char *)message->subject.at,
                 message->subject.size, message->payload.at, message->payload.size);
    if (reader->oracle->violation[0] != 0)
        return;
    if (timely)
        oracle_check_age(reader->oracle, now_ns, counts->stream);
    if (reader->filter >= 0 &&
        reader->oracle->publishes[oracle_message(reader->oracle, counts->stream)->id].subject !=
            reader->filter)
        oracle_violate(reader->oracle, "%s: sequence %llu does not match its filter", reader->name,
                       counts->stream);
    if (reader->kind == READER_NONE)
        check_none(reader, counts);
    else if (reader->kind != READER_ORDERED)
        check_explicit(reader, now_ns, counts, timely);
    else if (!check_ordered(reader, counts))
        return;
    known = message_at(reader, counts->stream);
    known->deliveries = (uint32_t)counts->delivered;
    known->delivered_ns = now_ns;
    known->crashes = reader->crashes;
    reader->delivered_ns = now_ns;
    if (reader->kind != READER_ORDERED && reader->kind != READER_NONE &&
        reader->pending_count < READER_PENDING_MAX &&
        message->reply.size < sizeof reader->pending[0].reply) {
        struct reader_pending *pending = &reader->pending[reader->pending_count++];

        *pending = (struct reader_pending){.sequence = counts->stream};
        memcpy(pending->reply, message->reply.at, message->reply.size);
    }
}

void reader_must_have_seen(struct reader *reader, uint64_t sequence, uint8_t subject)
{
    if (reader->filter >= 0 && reader->filter != subject)
        return;
    if (reader->kind == READER_NONE) /* what is on its way is lost with the connection */
        return;
    if (reader->kind == READER_NEW &&
        (!reader->known || oracle_message(reader->oracle, sequence)->id <= reader->id_last))
        return;
    if (message_at(reader, sequence)->skipped)
        oracle_violate(reader->oracle, "%s: sequence %llu was passed over", reader->name,
                       ULL(sequence));
    else if (message_at(reader, sequence)->deliveries == 0)
        oracle_violate(reader->oracle, "%s: sequence %llu was never delivered", reader->name,
                       ULL(sequence));
}
