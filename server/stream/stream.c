#include "server/api/api.h"
#include "server/stream/flaws.h"
#include "server/stream/stream_priv.h"
#include "storage/batch.h"

struct io *stream_io(const struct stream *stream)
{
    return stream->lane->io;
}

struct router *stream_router(const struct stream *stream)
{
    return stream->lane->router;
}

bool stream_failed(const struct stream *stream)
{
    return index_failed(stream->state.index);
}

void stream_publish(struct stream *stream, const struct message *message)
{
    if (!stream_failed(stream))
        (void)router_publish(stream_router(stream), stream->account, message);
}

void stream_answer(struct stream *stream, struct bytes to, struct bytes headers,
                   struct bytes payload)
{
    if (!stream_failed(stream))
        stream_lane_answer(stream->lane, stream->account, to, headers, payload);
}
void stream_tell(struct stream *stream, struct told told)
{
    told.stream = stream->id;
    told.life = stream->life;
    stream_lane_tell(stream->lane, &told);
}

/* ---- the turn -------------------------------------------------------------------------------- */

struct stream_lane *stream_lane_of(const struct stream *stream)
{
    return stream->lane;
}

void stream_mark(struct stream *stream)
{
    /* In recovery there is no replica yet, and an open that fails must not leave it in a list. */
    if (!stream->dirty && !stream->closing && stream->replica != NULL)
        stream_lane_mark(stream->lane, stream);
}

void stream_go_on(struct stream *stream)
{
    stream_mark(stream);
}

void stream_link_dirty(struct stream *stream, struct stream **list)
{
    stream->dirty = true;
    stream->dirty_next = *list;
    *list = stream;
}

void stream_unlink_dirty(struct stream *stream)
{
    struct stream **list = &stream->lane->dirty;

    while (*list != NULL && *list != stream)
        list = &(*list)->dirty_next;
    if (*list == stream)
        *list = stream->dirty_next;
    stream->dirty = false;
}

struct stream *stream_pop_dirty(struct stream *stream)
{
    stream->dirty = false;
    return stream->dirty_next;
}

uint64_t stream_tail_index(const struct stream *stream)
{
    return replica_proposed(stream->replica) + (stream->gathered > 0 ? 1 : 0);
}

int64_t stream_log_now(const struct stream *stream)
{
    int64_t now_ns = stream_lane_log_now(stream->lane);

    if ((stream->decider.flaws & STREAM_FLAW_TIME_FALLS) != 0)
        return io_wall(stream_io(stream));
    return now_ns > stream_state_time(&stream->state) ? now_ns : stream_state_time(&stream->state);
}

void stream_propose(struct stream *stream)
{
    uint64_t index;
    unsigned slot;

    if (stream_failed(stream)) { /* decided by what was perhaps not seen */
        replica_gather_drop(stream->replica);
        return;
    }
    index = replica_propose(stream->replica, stream_log_now(stream), stream->gathered);
    slot = index % STREAM_PROPOSALS;
    stream->gathered = stream->await.gathered = 0;
    stream->proposals[slot].index = index;
    stream->proposals[slot].time_ns = io_now(stream_io(stream));
    decider_proposed(&stream->decider, index);
}

bool stream_room(const struct stream *stream)
{
    return replica_gathered(stream->replica) <= BATCH_GATHER_MAX - BATCH_HEAD - GATHER_STEP_MAX;
}

void stream_park(struct stream *stream, struct outbox_item *item)
{
    item->index = stream_tail_index(stream);
    /* Else it waits for an entry that only a leader can commit. */
    item->look = item->index <= replica_applied(stream->replica) ? stream_look_number(stream) : 0;
    /* Publishes are held back long before (see ingest.c); what is lost here is only an answer. */
    if (!outbox_add(&stream->parked, item))
        logger_warn(server_logger(jetstream_server(stream->jetstream)),
                    "Stream '%.*s': too many answers are waiting", BYTES_ARG(stream->name));
    stream_mark(stream);
}

void stream_send_now(struct stream *stream, struct outbox_item *item)
{
    item->index = item->look = 0;
    if (!outbox_add(&stream->at_once, item))
        logger_warn(server_logger(jetstream_server(stream->jetstream)),
                    "Stream '%.*s': too many answers are waiting", BYTES_ARG(stream->name));
    stream_mark(stream);
}

static void send_ack(struct stream *stream, const struct outbox_item *item)
{
    uint8_t memory[4096];
    struct buf out = {.at = memory, .capacity = sizeof memory, .limit = sizeof memory};
    /* A counter of many digits, or names of many escapes. */
    bool large = stream->ack_prefix.size + item->body.size > sizeof memory / 2;

    if (large)
        buf_init(&out, SIZE_MAX);
    (void)buf_add(&out, buf_bytes(&stream->ack_prefix));
    (void)buf_add_u64(&out, item->sequence);
    if (item->kind == OUTBOX_DUPLICATE)
        (void)BUF_ADD(&out, ",\"duplicate\": true");
    (void)buf_add(&out, item->body);
    (void)BUF_ADD(&out, "}");
    stream_answer(stream, item->to, bytes_of(NULL, 0), buf_bytes(&out));
    if (large)
        buf_deinit(&out);
}

static void send_error(struct stream *stream, const struct outbox_item *item)
{
    struct buf out;
    char text[1024] = {0};

    memcpy(text, item->body.at,
           item->body.size < sizeof text - 1 ? item->body.size : sizeof text - 1);
    buf_init(&out, 4096);
    api_publish_error(&out, stream->name, item->code, text);
    stream_answer(stream, item->to, item->headers, buf_bytes(&out));
    buf_deinit(&out);
}

static void send_item(struct stream *stream, const struct outbox_item *item)
{
    switch ((enum outbox_kind)item->kind) {
    case OUTBOX_STORED:
    case OUTBOX_DUPLICATE: send_ack(stream, item); break;
    case OUTBOX_ERROR: send_error(stream, item); break;
    case OUTBOX_MESSAGE: stream_answer(stream, item->to, item->headers, item->body); break;
    }
}

void stream_send_answers(struct stream *stream)
{
    struct outbox_item item;
    uint64_t applied =
        STREAM_FLAWED(stream, ANSWER_UNCOMMITTED) ? UINT64_MAX : replica_applied(stream->replica);

    while (outbox_peek(&stream->at_once, &item)) {
        send_item(stream, &item);
        outbox_pop(&stream->at_once);
    }
    while (outbox_peek(&stream->parked, &item) && item.index <= applied &&
           stream_looked(stream, item.look)) {
        send_item(stream, &item);
        outbox_pop(&stream->parked);
    }
    stream_traced_settle(stream, applied);
}

static void propose(struct stream *stream)
{
    bool ready = replica_ready(stream->replica) || replica_ready_ahead(stream->replica);

    if (!ready || stream_awaits_acks(stream))
        return;
    stream_consumers_hand_out(stream);
    if (replica_gathered(stream->replica) > 0)
        stream_propose(stream);
}

static void turn(struct stream *stream)
{
    if (stream_failed(stream))
        return; /* home closes it, and opens it again */
    stream_look(stream);
    stream_send_answers(stream);
    stream_erase_turn(stream);
    stream_held_turn(stream);
    stream_questions_turn(stream);
    if (!stream->lead)
        return;
    stream_operations_decided(stream);
    stream_ingest_waiting(stream);
    stream_origins_turn(stream);
    stream_restore_turn(stream);
    stream_count_turn(stream);
    stream_consumers_work(stream);
    stream_operations(stream);
    stream_ingest_waiting(stream); /* operations that logged nothing have let them go on */
    stream_consumers_work(stream);
    stream_look(stream);
    stream_look_settle(stream);
    stream_direct_turn(stream);
    stream_snapshot_turn(stream);
    stream_send_answers(stream); /* of refusals that looked at nothing uncommitted */
    propose(stream);
    stream_glances_turn(stream);
}

void stream_turn(struct stream *stream)
{
    turn(stream);
    stream_quota_settle(stream);
    stream->fresh_from = UINT64_MAX;
}

/* ---- looking at it --------------------------------------------------------------------------- */

struct account *stream_account(const struct stream *stream)
{
    return stream->account;
}

struct bytes stream_name(const struct stream *stream)
{
    return stream->name;
}

const struct stream_state *stream_applied(const struct stream *stream)
{
    return &stream->state;
}

uint64_t stream_bytes_tail(const struct stream *stream)
{
    return stream_state_bytes(&stream->state) + stream->decider.overlay.bytes;
}

struct quota *stream_quota(struct stream *stream)
{
    return &stream->quota;
}

void stream_quota_settle(struct stream *stream)
{
    if (quota_counts(&stream->quota) && jetstream_quotas_current(stream->jetstream) &&
        !stream_failed(stream)) /* what it had it has */
        quota_settle(&stream->quota, stream_bytes_tail(stream));
}

const struct stream_config *stream_config(const struct stream *stream)
{
    return &stream->state.config;
}

uint64_t stream_id(const struct stream *stream)
{
    return stream->id;
}

uint64_t stream_life(const struct stream *stream)
{
    return stream->life;
}

struct replica *stream_replica(const struct stream *stream)
{
    return stream->replica;
}

uint64_t stream_repaired(const struct stream *stream)
{
    return stream->repaired;
}

uint64_t stream_term(const struct stream *stream)
{
    return replica_term(stream->replica);
}

bool stream_leads(const struct stream *stream)
{
    return stream->lead;
}

int64_t stream_lead_since(const struct stream *stream)
{
    return stream->lead_since_ns;
}
