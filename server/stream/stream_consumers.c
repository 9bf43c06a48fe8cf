/*
 * stream_consumers: the consumers of one stream, each in a shell with its sinks and timers.
 * Machines are made, updated and deleted in apply (volatile ones by their operation); what clients
 * say to them and what they ask for is queued and dealt with in the stream's turn
 * (consumer_turn.c).
 */
#include <stdlib.h>

#include "base/heap.h"
#include "server/stream/flaws.h"
#include "server/stream/stream_priv.h"

/* For the leader's timers; a follower and recovery have no time. */
static void update(struct consumer_shell *shell, const struct consumer_config *config)
{
    struct stream *stream = shell->stream;
    struct consumer_config named = *config;

    named.name = shell_name(shell);
    consumer_index_remove(shell); /* its filters are borrowed from the config */
    shell->wide = shell->wide || consumer_refilters(shell->consumer, &named);
    consumer_update(shell->consumer, stream_leader_now(stream), stream_log_now(stream), &named);
    consumer_index_add(shell);
    shell->bound = consumer_is_bound(shell->consumer);
    if (stream->lead && shell->push) { /* the deliver subject may be another */
        stream->interest_changed = true;
        stream_mark(stream);
    }
    stream_consumer_mark(shell);
}

void stream_consumer_link(struct consumer_shell *shell)
{
    if (shell->dirty)
        return;
    shell->dirty = true;
    shell->dirty_next = shell->stream->consumer_dirty;
    shell->stream->consumer_dirty = shell;
}

void stream_consumer_mark(struct consumer_shell *shell)
{
    stream_consumer_link(shell);
    stream_mark(shell->stream);
}

/* ---- life ------------------------------------------------------------------------------------ */

struct consumer_shell *stream_consumer_shell(const struct stream *stream, struct bytes name)
{
    return table_find(&stream->consumers, name);
}

struct consumer *stream_consumer(const struct stream *stream, struct bytes name)
{
    struct consumer_shell *shell = stream_consumer_shell(stream, name);

    return shell != NULL ? shell->consumer : NULL;
}

void stream_consumer_wake(struct stream *stream, const struct consumer *consumer)
{
    stream_consumer_mark(stream_consumer_shell(stream, consumer_name(consumer)));
}

size_t stream_consumer_count(const struct stream *stream)
{
    return stream->consumers.count - stream->direct_count;
}

size_t stream_consumer_count_tail(const struct stream *stream)
{
    return (size_t)((int64_t)stream_consumer_count(stream) + stream->consumers_flying);
}

/* Numbers that are given and never used are left out. */
uint64_t stream_consumer_number(struct stream *stream)
{
    return stream->number_next++;
}

static struct consumer_shell *make(struct stream *stream, uint64_t number, struct bytes name,
                                   const struct consumer_config *config, int64_t created_ns)
{
    int64_t largest = stream->state.config.max_msg_size;
    uint32_t message_max =
        largest > 0 ? (uint32_t)largest
                    : (uint32_t)server_options(jetstream_server(stream->jetstream))->max_payload;
    struct consumer_shell *shell = HEAP_NEW(struct consumer_shell);
    struct consumer_config named = *config;

    named.name = name; /* a backup may say it beside its config only */
    stream->consumer_stream = consumer_view_stream(&stream->view, stream->name, message_max);
    stream->consumer_stream.flaws =
        server_options(jetstream_server(stream->jetstream))->sim.consumer_flaws;
    shell->stream = stream;
    shell->consumer = consumer_create(number, &named, created_ns, &stream->consumer_stream,
                                      &consumer_shell_out, shell, prng_next(stream->lane->prng));
    shell->push = consumer_is_push(shell->consumer);
    stream->push_count += shell->push;
    shell->direct = config->direct;
    stream->direct_count += shell->direct;
    table_add(&stream->consumers, shell);
    table_add(&stream->consumers_by_number, shell);
    consumer_index_add(shell);
    if (number >= stream->number_next)
        stream->number_next = number + 1;
    return shell;
}

void stream_consumer_start(struct consumer_shell *shell)
{
    struct stream *stream = shell->stream;

    consumer_inbox_open(stream);
    consumer_lead(shell->consumer, io_now(stream_io(stream)), stream_log_now(stream));
    consumer_inbox_check_bound(shell);
    stream_consumer_mark(shell);
}

static void unlink_dirty(struct consumer_shell *shell)
{
    struct consumer_shell **at = &shell->stream->consumer_dirty;

    while (*at != shell)
        at = &(*at)->dirty_next;
    *at = shell->dirty_next;
}

static void unlink_offered(struct consumer_shell *shell)
{
    struct consumer_shell **at = &shell->stream->consumer_offered;

    while (*at != shell)
        at = &(*at)->offered_next;
    *at = shell->offered_next;
}

static void unlink_planning(struct consumer_shell *shell)
{
    struct consumer_shell **at = &shell->stream->consumer_planning;

    while (*at != shell)
        at = &(*at)->planning_next;
    *at = shell->planning_next;
}

static void destroy(struct consumer_shell *shell)
{
    struct stream *stream = shell->stream;

    stream->push_count -= shell->push;
    stream->direct_count -= shell->direct;
    if (shell->dirty)
        unlink_dirty(shell);
    if (shell->planning)
        unlink_planning(shell);
    if (shell->offered)
        unlink_offered(shell);
    consumer_index_remove(shell);
    if (stream->acked == shell)
        stream->acked = NULL;
    (void)table_remove(&stream->consumers, shell_name(shell));
    (void)table_remove(&stream->consumers_by_number, consumer_number_key(shell->consumer));
    consumer_destroy(shell->consumer);
    consumer_lane_close(shell);
    heap_give(shell);
}

/* Waiting pulls are told; what was already handed out and not yet sent goes first. */
void stream_consumer_drop(struct stream *stream, struct consumer_shell *shell, bool say)
{
    if (say && stream->lead) {
        consumer_say_deleted(shell->consumer);
        delivery_statuses(shell, stream_send_now);
    }
    destroy(shell);
}

struct consumer *stream_consumer_volatile(struct stream *stream,
                                          const struct consumer_config *config, int64_t created_ns,
                                          bool *created)
{
    struct consumer_shell *shell = stream_consumer_shell(stream, config->name);

    *created = shell == NULL;
    if (shell == NULL) {
        shell = make(stream, stream_consumer_number(stream), config->name, config, created_ns);
        stream_consumer_start(shell);
    } else {
        update(shell, config);
    }
    return shell->consumer;
}

static void set_logged(struct stream *stream, struct consumer_shell *shell)
{
    shell->logged = true;
    if (consumer_number(shell->consumer) > stream->number_logged)
        stream->number_logged = consumer_number(shell->consumer);
}

bool stream_consumer_restore(struct stream *stream, uint64_t number, int64_t created_ns,
                             struct bytes name, struct bytes json, struct bytes state)
{
    struct consumer_shell *shell;
    struct consumer_config config = {0};
    struct arena arena;
    bool sound;

    if (number == 0 || name.size == 0 || stream_consumer_shell(stream, name) != NULL ||
        table_find(&stream->consumers_by_number, bytes_of(&number, sizeof number)) != NULL)
        return false;
    arena_init(&arena, CONSUMER_CONFIG_ARENA_MAX);
    sound = consumer_config_decode(json, &arena, &config) == OK;
    if (sound) {
        shell = make(stream, number, name, &config, created_ns);
        set_logged(stream, shell);
        sound = (stream->state.flaws & STREAM_FLAW_BLOCK_WITHOUT_CONSUMERS) != 0 ||
                consumer_state_decode(shell->consumer, state) == OK;
        if (sound && consumer_revision(shell->consumer) > 1) { /* its filters may have changed */
            consumer_index_remove(shell);
            shell->wide = true;
            consumer_index_add(shell);
        }
    }
    arena_deinit(&arena);
    return sound;
}

/* True: there is one more, and nothing else has changed. */
static bool effect_create(struct stream *stream, const struct effect *effect)
{
    struct consumer_shell *shell = stream_consumer_shell(stream, effect->consumer.name);
    struct consumer_config config = {0};
    bool created = false;
    struct arena arena;

    arena_init(&arena, CONSUMER_CONFIG_ARENA_MAX);
    if (consumer_config_decode(effect->consumer.json, &arena, &config) != OK) {
        logger_error(server_logger(jetstream_server(stream->jetstream)),
                     "Stream '%.*s': config of consumer '%.*s' is unreadable",
                     BYTES_ARG(stream->name), BYTES_ARG(effect->consumer.name));
    } else if (shell != NULL) {
        update(shell, &config);
        set_logged(stream, shell);
    } else {
        shell = make(stream, effect->consumer.number, effect->consumer.name, &config,
                     effect->consumer.created_ns);
        set_logged(stream, shell);
        if (stream->lead)
            stream_consumer_start(shell);
        created = true;
    }
    arena_deinit(&arena);
    return created;
}

/* Of a backup: nothing is handed out before the stream has its config. */
static void effect_state(struct stream *stream, const struct effect *effect)
{
    if (stream_consumer_restore(stream, effect->consumer.number, effect->consumer.created_ns,
                                effect->consumer.name, effect->consumer.json,
                                effect->consumer.state))
        return;
    logger_error(server_logger(jetstream_server(stream->jetstream)),
                 "Stream '%.*s': what a backup says of consumer '%.*s' is unreadable",
                 BYTES_ARG(stream->name), BYTES_ARG(effect->consumer.name));
}

void stream_consumer_effect(struct stream *stream, const struct effect *effect)
{
    struct consumer_shell *shell;

    if (effect->type == EFFECT_CONSUMER_STATE) {
        effect_state(stream, effect);
        return;
    }
    if (effect->type == EFFECT_CONSUMER_CREATE) {
        if (effect_create(stream, effect))
            return; /* it gives up nothing that somebody needed */
    } else {
        shell = stream_consumer_shell(stream, effect->consumer.name);
        if (shell != NULL)
            stream_retention_drop(stream, shell);
        return;
    }
    stream_retention_look(stream);
}

enum err stream_consumer_record(struct stream *stream, const struct record *record)
{
    struct bytes body;
    struct consumer_shell *shell;
    uint64_t number;
    enum err err;

    if (record->body.size < RECORD_BODY_PAD + sizeof number)
        return ERR_CORRUPT;
    body = bytes_skip(record->body, RECORD_BODY_PAD);
    number = consumer_record_number(body);
    shell = table_find(&stream->consumers_by_number, bytes_of(&number, sizeof number));
    if (shell == NULL)
        return OK; /* deleted in the same batch */
    stream_consumer_mark(shell);
    err = consumer_apply(shell->consumer, stream_leader_now(stream), record->type, body);
    if (record->type == CONSUMER_RECORD_RESET)
        stream_retention_look(stream);
    return err;
}

const struct consumer *stream_consumer_next(const struct stream *stream, size_t *at)
{
    const struct consumer_shell *shell = table_next(&stream->consumers, at);

    return shell != NULL ? shell->consumer : NULL;
}

static int compare_names(const void *a, const void *b)
{
    return bytes_compare(consumer_name(*(struct consumer *const *)a),
                         consumer_name(*(struct consumer *const *)b));
}

struct consumer **stream_consumers(const struct stream *stream, struct arena *arena, size_t *count)
{
    struct consumer **all = ARENA_ARRAY(arena, struct consumer *, stream->consumers.count + 1);
    struct consumer_shell *shell;
    size_t found = 0;

    if (all == NULL) {
        *count = 0;
        return NULL;
    }
    for (size_t at = 0; (shell = table_next(&stream->consumers, &at)) != NULL;)
        all[found++] = shell->consumer;
    qsort(all, found, sizeof *all, compare_names);
    *count = found;
    return all;
}

/* ---- the end --------------------------------------------------------------------------------- */

/* The stream ends: it has no turn any more in which something could leave. */
static void answer_at_once(struct stream *stream, struct outbox_item *item)
{
    stream_lane_answer(stream->lane, stream->account, item->to, item->headers, item->body);
}

void stream_consumers_say_deleted(struct stream *stream)
{
    struct consumer_shell *shell;

    for (size_t at = 0; (shell = table_next(&stream->consumers, &at)) != NULL;) {
        consumer_say_deleted(shell->consumer);
        delivery_statuses(shell, answer_at_once);
    }
}

void stream_consumers_close(struct stream *stream)
{
    struct consumer_shell *shell;
    size_t at = 0;

    consumer_inbox_close(stream);
    while ((shell = table_next(&stream->consumers, &at)) != NULL) {
        destroy(shell);
        at = 0;
    }
}
