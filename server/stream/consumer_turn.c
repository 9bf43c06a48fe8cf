/*
 * consumer_turn: what the consumers of a stream are told and asked: messages that came and went,
 * leadership, and their part of the stream's turn.
 */
#include "base/heap.h"
#include "base/owner.h"
#include "server/stream/stream_priv.h"

#define BURY_RETRY_NS  INT64_C(1000000000)
#define SEND_LATER_MIN 64u /* deliveries */

/* Nothing that was asked for before waits to leave, and the receivers keep up. */
static bool open_lane(const struct consumer_shell *shell)
{
    const struct consumer_lane *lane = shell->lane;

    return lane != NULL && lane->deliveries.count == 0 && lane->reader == NULL && shell->bound &&
           !router_congested(stream_router(shell->stream));
}

/* The message that is being stored. */
struct live {
    const struct consumer_message *stored;
    const struct effect *effect; /* NULL: its bytes are not in hand */
    int64_t now_ns, log_now_ns;
};

static struct live live_begin(const struct stream *stream, const struct consumer_message *stored)
{
    struct live live = {.stored = stored, .effect = stream->applying};

    if (stream->push_count == 0)
        live.effect = NULL;
    if (live.effect == NULL)
        return live;
    live.now_ns = io_now(stream_io(stream));
    live.log_now_ns = stream_log_now(stream);
    return live;
}

/* Hands on what is in hand already. False: the long way, by the log. */
static bool deliver_live(struct consumer_shell *shell, const struct live *live)
{
    struct stream *stream = shell->stream;
    struct message message;
    char reply[ACK_SUBJECT_MAX];
    size_t reply_size;

    if (stream_failed(stream) || live->effect == NULL || !shell->push || shell->wide ||
        !open_lane(shell) || !delivery_route(shell) ||
        !consumer_live(shell->consumer, live->now_ns, live->log_now_ns, live->stored, reply,
                       &reply_size))
        return false;
    message = (struct message){
        .subject = live->effect->message.subject,
        .reply = bytes_of(reply, reply_size),
        .headers = live->effect->message.headers,
        .payload = live->effect->message.payload,
    };
    latency_add(&stream->lane->latencies.delivered, live->log_now_ns - live->stored->time_ns);
    (void)router_route_publish(stream_router(stream), &shell->lane->route, &message);
    return true;
}

void stream_consumers_stored(struct stream *stream, const struct index_entry *entry)
{
    struct consumer_message message;
    struct consumer_shell *shell;
    struct consumer_walk walk;
    struct live live;

    if (!stream->lead || !consumer_index_walk(stream, entry->subject, &walk))
        return; /* nobody counts what is left but a leader */
    message = consumer_view_message(&stream->view, entry);
    live = live_begin(stream, &message);
    while ((shell = consumer_index_next(&walk)) != NULL) {
        if (deliver_live(shell, &live))
            continue;
        consumer_stored(shell->consumer, &message);
        if (!shell->dirty && consumer_hungry(shell->consumer))
            stream_consumer_mark(shell);
    }
}

void stream_consumers_removed(struct stream *stream, const struct index_entry *entry)
{
    struct consumer_message message;
    struct consumer_shell *shell;
    struct consumer_walk walk;

    if (!consumer_index_walk(stream, entry->subject, &walk))
        return;
    message = consumer_view_message(&stream->view, entry);
    while ((shell = consumer_index_next(&walk)) != NULL) {
        consumer_removed(shell->consumer, &message);
        if (!shell->dirty && consumer_hungry(shell->consumer))
            stream_consumer_mark(shell);
    }
}

void stream_consumers_purged(struct stream *stream)
{
    struct consumer_shell *shell;

    for (size_t at = 0; (shell = table_next(&stream->consumers, &at)) != NULL;) {
        consumer_purged(shell->consumer, stream->state.first_seq);
        if (stream->lead)
            stream_consumer_mark(shell);
    }
}

void stream_consumers_lead(struct stream *stream)
{
    struct consumer_shell *shell;

    for (size_t at = 0; (shell = table_next(&stream->consumers, &at)) != NULL;)
        stream_consumer_start(shell);
}

void stream_consumers_listen(struct stream *stream)
{
    if (stream->consumers.count > 0)
        consumer_inbox_open(stream);
}

void stream_consumers_refused(struct stream *stream)
{
    struct consumer_shell *shell;
    int64_t now_ns = io_now(stream_io(stream));

    for (size_t at = 0; (shell = table_next(&stream->consumers, &at)) != NULL;) {
        consumer_refused(shell->consumer, now_ns);
        stream_consumer_mark(shell);
    }
}

bool stream_say_shutdown(struct stream *stream)
{
    struct consumer_shell *shell;
    bool any = false;

    for (size_t at = 0; stream->lead && (shell = table_next(&stream->consumers, &at)) != NULL;)
        any = consumer_say_shutdown(shell->consumer) || any;
    return any;
}

/* Volatile ones live and die with the leader. */
void stream_consumers_follow(struct stream *stream)
{
    struct consumer_shell *shell;

    if (!stream_unheard(stream))
        consumer_inbox_close(stream);
    for (size_t at = 0; (shell = table_next(&stream->consumers, &at)) != NULL;) {
        consumer_say_follow(shell->consumer);
        delivery_statuses(shell, stream_send_now);
        consumer_lane_close(shell);
        shell->doomed = shell->burying = false;
        if (consumer_volatile(shell->consumer)) {
            stream_consumer_drop(stream, shell, false);
            at = 0; /* the table has moved */
        }
    }
}

/* The deletion of an inactive consumer outlives its shell. */
struct burial {
    struct stream_op op;
};

static void burial_done(struct stream_op *op, struct stream *stream)
{
    struct burial *burial = owner_of(op, struct burial, op);
    struct consumer_shell *shell = stream != NULL ? stream_consumer_shell(stream, op->name) : NULL;

    if (stream != NULL && op->error == 0)
        consumer_shell_advise_deleted(stream, op->name);
    if (shell != NULL) { /* the disk refused: try again later */
        shell->burying = false;
        timers_arm(io_timers(stream_io(stream)), &consumer_lane(shell)->wake,
                   io_now(stream_io(stream)) + BURY_RETRY_NS);
    }
    heap_give((void *)op->name.at);
    heap_give(burial);
}

static uint16_t burial_check(struct stream_op *op, struct stream *stream)
{
    struct consumer_shell *shell = stream_consumer_shell(stream, op->name);

    return shell == NULL || !shell->doomed ? 10014 : 0;
}

/* An inactive consumer goes: a volatile one at once, another through the log. */
static void bury(struct consumer_shell *shell)
{
    struct stream *stream = shell->stream;
    struct burial *burial;

    if (consumer_volatile(shell->consumer)) {
        consumer_shell_advise_deleted(stream, shell_name(shell));
        stream_consumer_drop(stream, shell, true);
        return;
    }
    if (shell->burying)
        return;
    shell->burying = true;
    burial = HEAP_NEW(struct burial);
    burial->op = (struct stream_op){
        .kind = STREAM_OP_CONSUMER_DELETE,
        .own = true,
        .check = burial_check,
        .done = burial_done,
        .name = heap_copy(shell_name(shell)),
    };
    stream_submit(stream, &burial->op);
}

void stream_interest_changed(struct stream *stream)
{
    if (stream->push_count == 0)
        return;
    stream->interest_changed = true;
    stream_mark(stream);
}

static bool is_among(uint64_t hash, const uint64_t *hashes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (hashes[i] == hash)
            return true;
    }
    return false;
}

void stream_interest_changed_of(struct stream *stream, const uint64_t *hashes, unsigned count)
{
    struct consumer_shell *shell;

    if (stream->push_count == 0 || stream->interest_changed)
        return;
    for (size_t at = 0; (shell = table_next(&stream->consumers, &at)) != NULL;) {
        struct bytes subject = consumer_config(shell->consumer)->deliver_subject;

        if (subject.size == 0 ||
            !is_among(account_subject_hash(stream->account, subject), hashes, count))
            continue;
        shell->interest_changed = true;
        stream->interest_changed_some = true;
        stream_mark(stream);
    }
}

static void link_planning(struct consumer_shell *shell)
{
    if (shell->planning || !consumer_planning(shell->consumer))
        return;
    shell->planning = true;
    shell->planning_next = shell->stream->consumer_planning;
    shell->stream->consumer_planning = shell;
}

static void check_bound(struct stream *stream)
{
    struct consumer_shell *shell;

    for (size_t at = 0; (shell = table_next(&stream->consumers, &at)) != NULL;) {
        if (stream->interest_changed || shell->interest_changed)
            consumer_inbox_check_bound(shell);
        shell->interest_changed = false;
    }
    stream->interest_changed = stream->interest_changed_some = false;
}

/*
 * A batch can leave, and there is much to send: first the batch, so that the disk has something to
 * do meanwhile. It is sent in the next turn, which follows at once.
 */
static bool send_later(struct consumer_shell *shell)
{
    struct stream *stream = shell->stream;
    struct consumer_lane *lane = shell->lane;

    if (lane == NULL || lane->deliveries.count < SEND_LATER_MIN)
        return false;
    lane->later = !lane->later && replica_ready(stream->replica) &&
                  (stream->gathered > 0 || consumer_planning(shell->consumer));
    if (lane->later)
        timers_arm(io_timers(stream_io(stream)), &lane->retry, io_now(stream_io(stream)));
    return lane->later;
}

/* It stays marked meanwhile: what the work asks for is sent right behind it and needs no other
 * round. */
static void work(struct consumer_shell *shell)
{
    struct stream *stream = shell->stream;

    consumer_inbox_read(shell);
    delivery_now_begin(shell);
    consumer_work(shell->consumer, io_now(stream_io(stream)), stream_log_now(stream));
    delivery_now_end(shell);
    if (!send_later(shell))
        delivery_pump(shell);
    consumer_lane_rest(shell);
    shell->dirty = false;
    link_planning(shell);
    if (shell->doomed)
        stream_consumer_mark(shell);
    if (shell->lane != NULL && shell->lane->inbox.count > 0)
        stream_consumer_link(shell); /* the batch is full: when it has left, there is a turn */
}

/* A publish that waits for acknowledgements in flight waits for no more of them than there are. */
static bool publish_waits(const struct stream *stream)
{
    return stream->waiting_first != NULL && stream->decider.settling;
}

/* Those that log what they do wait while an operation does, so that it gets its turn, and while
 * one is reset: acks and positions of before would stand behind the reset in the log. */
void stream_consumers_work(struct stream *stream)
{
    bool hold = (stream_operations_wait(stream) && stream->ops_flying.count == 0) ||
                publish_waits(stream) || stream_operations_reset(stream);
    struct consumer_shell *shell, *held = NULL;

    if (stream->interest_changed || stream->interest_changed_some)
        check_bound(stream);
    while (stream_room(stream) && (shell = stream->consumer_dirty) != NULL) {
        stream->consumer_dirty = shell->dirty_next;
        if (hold && !consumer_volatile(shell->consumer)) {
            shell->dirty_next = held;
            held = shell;
        } else if (shell->doomed) {
            shell->dirty = false;
            bury(shell);
        } else {
            work(shell);
        }
    }
    while ((shell = held) != NULL) {
        held = shell->dirty_next;
        shell->dirty_next = stream->consumer_dirty;
        stream->consumer_dirty = shell;
    }
}

void stream_consumers_offer(struct stream *stream, struct bytes subject)
{
    struct consumer_shell *shell;
    struct consumer_walk walk;

    if (!consumer_index_walk(stream, subject, &walk))
        return;
    while ((shell = consumer_index_next(&walk)) != NULL) {
        if (shell->offered || !shell->logged)
            continue; /* who logs nothing waits until they are stored */
        shell->offered = true;
        shell->offered_next = stream->consumer_offered;
        stream->consumer_offered = shell;
    }
}

/* Messages were gathered: whoever waits for some is asked to look at them. */
static void offer(struct stream *stream)
{
    struct consumer_shell *shell;

    while ((shell = stream->consumer_offered) != NULL) {
        stream->consumer_offered = shell->offered_next;
        shell->offered = false;
        consumer_offered(shell->consumer);
        link_planning(shell);
    }
}

void stream_consumers_hand_out(struct stream *stream)
{
    int64_t now_ns = io_now(stream_io(stream));
    struct consumer_shell *shell;

    /* So all that the overlay holds leaves now. */
    assert(replica_ready(stream->replica) || replica_ready_ahead(stream->replica));
    if (stream_operations_purge(stream))
        return; /* they plan when it is applied */
    offer(stream);
    stream->view.tail = true;
    while (!publish_waits(stream) && !stream_operations_reset(stream) && stream_room(stream) &&
           (shell = stream->consumer_planning) != NULL) {
        stream->consumer_planning = shell->planning_next;
        shell->planning = false;
        consumer_hand_out(shell->consumer, now_ns, stream_log_now(stream));
    }
    stream->view.tail = false;
}
