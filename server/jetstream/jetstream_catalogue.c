/*
 * jetstream_catalogue: changes of the catalogue. An operation is checked and its intent committed
 * in the metadata group, one at a time, but for creations that have nothing to do with each other,
 * which share a commit (jetstream_joins.c); then it waits, beside others, until the stream's log
 * has the effect (jetstream_streams.c carries that out, here or on the stream's leader).
 */
#include <stdio.h>

#include "base/heap.h"
#include "base/owner.h"
#include "server/jetstream/jetstream_cluster.h"
#include "server/jetstream/placement.h"

#define EFFECT_DEADLINE_NS                                                                         \
    INT64_C(10000000000) /* a stream without a majority does not hold its client for ever */

void jetstream_catalogue(struct jetstream *jetstream, struct catalogue_op *op)
{
    op->next = NULL;
    op->error = 0;
    op->error_text[0] = 0;
    op->created = false;
    if (jetstream->op_last != NULL)
        jetstream->op_last->next = op;
    else
        jetstream->op_first = op;
    jetstream->op_last = op;
    jetstream_awake(jetstream);
}

static void finish(struct jetstream *jetstream, struct catalogue_op *op,
                   struct catalogue_entry *entry)
{
    jetstream_awake(jetstream);
    if (op->error == 0 && entry != NULL)
        jetstream_spread(jetstream, op);
    else
        op->done(op, NULL);
}

static void fail(struct jetstream *jetstream, struct catalogue_op *op, uint16_t error,
                 const char *text)
{
    op->error = error;
    snprintf(op->error_text, sizeof op->error_text, "%s", text != NULL ? text : "");
    finish(jetstream, op, NULL);
}

/* ---- waiting for the effect ----------------------------------------------------------------- */

static void arm(struct jetstream *jetstream)
{
    int64_t nearest = INT64_MAX;

    for (struct catalogue_op *op = jetstream->op_waiting; op != NULL; op = op->next)
        nearest = op->deadline_ns < nearest ? op->deadline_ns : nearest;
    if (nearest == INT64_MAX)
        timers_cancel(io_timers(server_io(jetstream->server)), &jetstream->op_timer);
    else
        timers_arm(io_timers(server_io(jetstream->server)), &jetstream->op_timer, nearest);
}

static void wait_for(struct jetstream *jetstream, struct catalogue_op *op,
                     struct catalogue_entry *entry)
{
    op->id = entry->assigned.id;
    op->version = entry->version;
    if (entry->configured >= entry->version ||
        (op->kind == CATALOGUE_RESTORE && entry->leader != 0)) {
        finish(jetstream, op, entry);
        return;
    }
    op->deadline_ns = io_now(server_io(jetstream->server)) + EFFECT_DEADLINE_NS;
    op->next = jetstream->op_waiting;
    jetstream->op_waiting = op;
    arm(jetstream);
    jetstream_entry_changed(jetstream, entry); /* what was refused before is tried again */
}

/* ---- servers that are removed --------------------------------------------------------------- */

static void wait_departed(struct jetstream *jetstream, struct catalogue_op *op)
{
    op->id = CATALOGUE_LOG_ID;
    op->version = 0;
    op->deadline_ns = io_now(server_io(jetstream->server)) + EFFECT_DEADLINE_NS;
    op->next = jetstream->op_waiting;
    jetstream->op_waiting = op;
    arm(jetstream);
}

static bool departed(const struct jetstream *jetstream, const struct catalogue_op *op)
{
    const struct raft_member *member =
        members_find(replica_members(jetstream->meta), op->member.node);

    return member == NULL || !members_equal(*member, op->member);
}

/* Called when all that was proposed is committed, changes of the members, too. */
static void tell_departed(struct jetstream *jetstream)
{
    struct catalogue_op **at = &jetstream->op_waiting;

    while (*at != NULL) {
        struct catalogue_op *op = *at;

        if (op->kind != CATALOGUE_EXPULSION || !departed(jetstream, op)) {
            at = &op->next;
            continue;
        }
        *at = op->next;
        finish(jetstream, op, NULL);
    }
    arm(jetstream);
}

/* Takes the next waiting operation of that stream, or of any whose deadline has come (id 0). */
static struct catalogue_op *take_waiting(struct jetstream *jetstream, uint64_t id, uint64_t version)
{
    int64_t now = io_now(server_io(jetstream->server));

    for (struct catalogue_op **at = &jetstream->op_waiting; *at != NULL; at = &(*at)->next) {
        struct catalogue_op *op = *at;

        if (id == 0 ? op->deadline_ns > now : op->id != id || op->version > version)
            continue;
        *at = op->next;
        return op;
    }
    return NULL;
}

/* A restore that has failed, or that nobody goes on with: what it has made goes. */
static void undo_restore(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    if (!entry->assigned.restore || entry->configured > 0 || !jetstream->lead)
        return; /* who leads the catalogue later will hear of it, too */
    entry->lost = true;
    jetstream->lost = true;
    jetstream_awake(jetstream);
}

void jetstream_configured(struct jetstream *jetstream, struct catalogue_entry *entry,
                          uint64_t version, uint16_t error, const char *text)
{
    struct catalogue_op *op;

    if (error == 0 && version > entry->configured)
        entry->configured = version;
    if (entry->stream != NULL && stream_leads(entry->stream))
        jetstream_cluster_configured(jetstream->cluster, entry, version, error, text);
    if (error != 0)
        undo_restore(jetstream, entry);
    while ((op = take_waiting(jetstream, entry->assigned.id, version)) != NULL) {
        if (error != 0)
            fail(jetstream, op, error, text);
        else
            finish(jetstream, op, entry);
    }
    arm(jetstream);
}

/* Whoever waits for somebody to restore to. */
void jetstream_entry_led(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    struct catalogue_op **at = &jetstream->op_waiting;

    while (*at != NULL && ((*at)->id != entry->assigned.id || (*at)->kind != CATALOGUE_RESTORE))
        at = &(*at)->next;
    if (*at != NULL) {
        struct catalogue_op *op = *at; /* only one has made it */

        *at = op->next;
        finish(jetstream, op, entry);
    }
    arm(jetstream);
}

void jetstream_catalogue_op_due(struct timer *timer)
{
    struct jetstream *jetstream = owner_of(timer, struct jetstream, op_timer);
    struct catalogue_op *op;

    jetstream_halt(jetstream); /* who waits may look at streams */
    while ((op = take_waiting(jetstream, 0, 0)) != NULL)
        fail(jetstream, op, 10008, NULL);
    jetstream_go_on(jetstream);
    arm(jetstream);
}

/* ---- the intent ----------------------------------------------------------------------------- */

/* Standing alone, a stream is here, whatever it asks for: the reference does the same. */
static bool place(struct jetstream *jetstream, struct catalogue_op *op,
                  const struct catalogue_entry *keep, struct raft_config *members)
{
    struct jetstream_wish wish = {
        .keep = keep, .replicas = op->replicas, .placement = op->placement};

    if (jetstream_cluster_place(jetstream->cluster, &wish, members, op->error_text,
                                sizeof op->error_text))
        return true;
    op->error = 10005;
    return false;
}

static bool scales(const struct catalogue_op *op, const struct catalogue_entry *entry)
{
    return op->replicas > 0 && (uint64_t)op->replicas != entry->wished.count;
}

static bool moves(const struct catalogue_op *op, const struct catalogue_entry *entry)
{
    return !placement_equal(entry->readable ? entry->config.placement : NULL, op->placement);
}

/* Other nodes shall hold the stream. */
static bool write_members(struct jetstream *jetstream, struct catalogue_op *op,
                          const struct catalogue_entry *entry, struct buf *out)
{
    struct raft_config members;

    if (op->placement != NULL && moves(op, entry) && scales(op, entry)) {
        op->error = 10123;
        return false;
    }
    if (!place(jetstream, op, entry, &members) || !catalogue_write_members(out, op->id, &members))
        return false;
    op->records = 2;
    return true;
}

static bool write_assign(struct jetstream *jetstream, struct catalogue_op *op, struct buf *out)
{
    struct catalogue_assignment assignment = {
        .id = jetstream->catalogue.id_next + jetstream->op_joined,
        .created_ns = jetstream_log_now(jetstream),
        .members = {.at = {groups_self(jetstream->home->groups)}, .count = 1},
        .account = account_name(op->account),
        .json = op->json,
        .restore = op->kind == CATALOGUE_RESTORE,
    };

    if (jetstream->cluster != NULL && !place(jetstream, op, NULL, &assignment.members))
        return false;
    io_random(server_io(jetstream->server), assignment.incarnation, sizeof assignment.incarnation);
    op->id = assignment.id;
    return catalogue_write_assign(out, &assignment);
}

/* Another number of replicas, or another placement, is another wish as to who holds them, in the
 * same batch. */
static bool write_update(struct jetstream *jetstream, struct catalogue_op *op,
                         const struct catalogue_entry *entry, struct buf *out)
{
    if (jetstream->cluster != NULL && (scales(op, entry) || moves(op, entry)) &&
        !write_members(jetstream, op, entry, out))
        return false;
    return catalogue_write_update(out, op->id, entry->version + 1, op->json);
}

static bool write_move(struct jetstream *jetstream, struct catalogue_op *op,
                       const struct catalogue_entry *entry, struct buf *out)
{
    struct jetstream_wish wish = {
        .keep = entry,
        .without = op->without,
        .replicas = entry->wished.count,
        .placement = entry->readable ? entry->config.placement : NULL,
    };
    struct raft_config members;

    if (jetstream_cluster_place(jetstream->cluster, &wish, &members, op->error_text,
                                sizeof op->error_text))
        return catalogue_write_members(out, op->id, &members);
    op->error = 10075;
    op->error_text[0] = 0; /* the constant one */
    return false;
}

static struct catalogue_entry *entry_of(struct jetstream *jetstream, const struct catalogue_op *op)
{
    return op->account != NULL ? jetstream_entry(jetstream, op->account, op->name)
                               : jetstream_entry_of(jetstream, op->id);
}

static bool write_intent(struct jetstream *jetstream, struct catalogue_op *op)
{
    struct buf *out = replica_gather(jetstream->meta);
    struct catalogue_entry *entry;

    if (op->kind == CATALOGUE_EXPULSION)
        return catalogue_write_expel(out, op->member);
    if (op->kind == CATALOGUE_CREATE || op->kind == CATALOGUE_RESTORE)
        return write_assign(jetstream, op, out);
    entry = entry_of(jetstream, op);
    assert(entry != NULL); /* `check` refuses what is not there */
    op->id = entry->assigned.id;
    if (op->kind == CATALOGUE_DELETE)
        return catalogue_write_remove(out, op->id);
    if (op->kind == CATALOGUE_MOVE)
        return write_move(jetstream, op, entry, out);
    return write_update(jetstream, op, entry, out);
}

/* A stream that could not be opened still is one: nothing may take its name. It goes with all of
 * its account. */
static bool refuse_offline(struct jetstream *jetstream, struct catalogue_op *op)
{
    struct catalogue_entry *entry = entry_of(jetstream, op);

    if (op->account == NULL || entry == NULL || !entry->offline ||
        entry->leader != 0) /* others may have it */
        return false;
    fail(jetstream, op, 10194, JETSTREAM_OFFLINE);
    return true;
}

/* True: its intent is in the batch. False: it has been answered, or waits. */
static bool gather(struct jetstream *jetstream, struct catalogue_op *op)
{
    bool satisfied = false;

    if (refuse_offline(jetstream, op))
        return false;
    op->error = op->check != NULL ? op->check(op, &satisfied) : 0;
    if (op->error != 0) {
        finish(jetstream, op, NULL);
        return false;
    }
    if (satisfied) {
        wait_for(jetstream, op, jetstream_entry(jetstream, op->account, op->name));
        return false;
    }
    op->records = 1;
    if (write_intent(jetstream, op))
        return true;
    if (jetstream->op_current == NULL)
        replica_gather_drop(jetstream->meta);
    if (op->error == 0)
        fail(jetstream, op, 10049, err_text(ERR_FULL));
    else
        finish(jetstream, op, NULL);
    return false;
}

static struct catalogue_op *take_first(struct jetstream *jetstream)
{
    struct catalogue_op *op = jetstream->op_first;

    jetstream->op_first = op->next;
    if (jetstream->op_first == NULL)
        jetstream->op_last = NULL;
    op->next = NULL;
    return op;
}

/* The first one that is not answered at once, and those behind it that may come along. */
static void start(struct jetstream *jetstream)
{
    struct catalogue_op **end = &jetstream->op_current;
    uint32_t records = 0;

    jetstream->op_joined = 0;
    while (jetstream->op_first != NULL &&
           (jetstream->op_current == NULL ||
            jetstream_joins(jetstream, jetstream->op_current, jetstream->op_first))) {
        struct catalogue_op *op = take_first(jetstream);

        if (!gather(jetstream, op))
            continue;
        *end = op;
        end = &op->next;
        records += op->records;
        jetstream->op_joined++;
    }
    if (records > 0)
        jetstream->op_index =
            replica_propose(jetstream->meta, jetstream_log_now(jetstream), records);
}

/* ---- files that are gone -------------------------------------------------------------------- */

void jetstream_files_gone(struct jetstream *jetstream, uint64_t id)
{
    struct catalogue_entry *entry = catalogue_find(&jetstream->catalogue, id);

    if (entry == NULL || !entry->removed)
        return; /* only its replica here has gone */
    entry->files_gone = true;
    if (jetstream->cluster != NULL)
        jetstream_cluster_files_gone(jetstream->cluster, id);
    else
        jetstream_forget(jetstream, id);
}

void jetstream_forget(struct jetstream *jetstream, uint64_t id)
{
    for (size_t i = 0; i < jetstream->gone_count; i++) {
        if (jetstream->gone[i] == id)
            return;
    }
    if (jetstream->gone_count == jetstream->gone_capacity) {
        jetstream->gone_capacity = jetstream->gone_capacity == 0 ? 8 : jetstream->gone_capacity * 2;
        jetstream->gone =
            heap_resize(jetstream->gone, jetstream->gone_capacity * sizeof *jetstream->gone);
    }
    jetstream->gone[jetstream->gone_count++] = id;
    jetstream_awake(jetstream);
}

static void propose_gone(struct jetstream *jetstream)
{
    struct buf *out = replica_gather(jetstream->meta);
    size_t count = 0;

    while (count < jetstream->gone_count && count < 1000 &&
           catalogue_write_gone(out, jetstream->gone[count]))
        count++;
    jetstream->gone_proposed = count;
    jetstream->gone_index =
        replica_propose(jetstream->meta, jetstream_log_now(jetstream), (uint32_t)count);
}

static void gone_applied(struct jetstream *jetstream)
{
    jetstream->gone_count -= jetstream->gone_proposed;
    memmove(jetstream->gone, jetstream->gone + jetstream->gone_proposed,
            jetstream->gone_count * sizeof *jetstream->gone);
    jetstream->gone_index = 0;
    jetstream->gone_proposed = 0;
}

/* What could not be made is taken back before its client is told so. */
static void propose_undo(struct jetstream *jetstream)
{
    for (struct catalogue_op *op = jetstream->op_waiting; op != NULL; op = op->next) {
        const struct catalogue_entry *entry = catalogue_find(&jetstream->catalogue, op->id);

        if (entry == NULL || !entry->undo || entry->removed)
            continue;
        if (catalogue_write_remove(replica_gather(jetstream->meta), op->id))
            (void)replica_propose(jetstream->meta, jetstream_log_now(jetstream), 1);
        return;
    }
}

/* What was in memory only, before the server was started again. */
static void propose_lost(struct jetstream *jetstream)
{
    struct buf *out = replica_gather(jetstream->meta);
    uint32_t records = 0;

    for (struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        if (entry->lost && !entry->removed && catalogue_write_remove(out, entry->assigned.id))
            records++;
    }
    jetstream->lost = false;
    if (records > 0)
        (void)replica_propose(jetstream->meta, jetstream_log_now(jetstream), records);
}

/* ---- the turn ------------------------------------------------------------------------------- */

static bool quiet(const struct jetstream *jetstream)
{
    return jetstream->lead && replica_ready(jetstream->meta) &&
           replica_applied(jetstream->meta) == replica_proposed(jetstream->meta);
}

void jetstream_catalogue_turn(struct jetstream *jetstream)
{
    if (jetstream->lost && quiet(jetstream))
        propose_lost(jetstream);
    if (jetstream->op_current == NULL && jetstream->op_first != NULL && quiet(jetstream))
        start(jetstream);
    if (jetstream->gone_count > 0 && jetstream->gone_index == 0 && quiet(jetstream))
        propose_gone(jetstream);
    if (jetstream->op_waiting != NULL && quiet(jetstream))
        tell_departed(jetstream);
    if (jetstream->op_waiting != NULL && quiet(jetstream))
        propose_undo(jetstream);
    jetstream_spread_turn(jetstream);
}

bool jetstream_catalogue_quiet(const struct jetstream *jetstream)
{
    return jetstream->op_current == NULL && quiet(jetstream);
}

bool jetstream_catalogue_busy(const struct jetstream *jetstream)
{
    return jetstream->op_first != NULL || jetstream->op_current != NULL ||
           jetstream->op_waiting != NULL || jetstream->op_spreading != NULL ||
           jetstream->gone_count > 0 || jetstream->lost;
}

bool jetstream_catalogue_waits(const struct jetstream *jetstream)
{
    return jetstream->op_current == NULL && jetstream->op_first != NULL && quiet(jetstream);
}

static void intent_applied(struct jetstream *jetstream, struct catalogue_op *op)
{
    if (op->kind == CATALOGUE_DELETE || op->kind == CATALOGUE_MOVE) {
        finish(jetstream, op, NULL);
    } else if (op->kind == CATALOGUE_EXPULSION) {
        wait_departed(jetstream, op);
    } else {
        op->created = op->kind == CATALOGUE_CREATE || op->kind == CATALOGUE_RESTORE;
        wait_for(jetstream, op, catalogue_find(&jetstream->catalogue, op->id));
    }
}

void jetstream_catalogue_applied(struct jetstream *jetstream, uint64_t index)
{
    struct catalogue_op *list = jetstream->op_current;

    if (jetstream->gone_index != 0 && jetstream->gone_index == index)
        gone_applied(jetstream);
    if (list == NULL || jetstream->op_index != index)
        return;
    jetstream->op_current = NULL;
    jetstream->op_index = 0;
    while (list != NULL) {
        struct catalogue_op *op = list;

        list = op->next;
        intent_applied(jetstream, op);
    }
}

static void fail_all(struct jetstream *jetstream, struct catalogue_op *list, uint16_t error,
                     const char *text)
{
    while (list != NULL) {
        struct catalogue_op *op = list;

        list = op->next;
        fail(jetstream, op, error, text);
    }
}

/* It is in the catalogue that they go: whoever leads now sees to it, if need be without them. */
static void drop_waiting(struct jetstream *jetstream, struct catalogue_op *list)
{
    while (list != NULL) {
        struct catalogue_op *op = list;

        list = op->next;
        if (op->kind == CATALOGUE_EXPULSION)
            finish(jetstream, op, NULL);
        else
            fail(jetstream, op, 10008, NULL);
    }
}

void jetstream_catalogue_refused(struct jetstream *jetstream, enum err err)
{
    struct catalogue_op *list = jetstream->op_current;

    jetstream->gone_index = 0;
    jetstream->gone_proposed = 0;
    jetstream->op_current = NULL;
    jetstream->op_index = 0;
    fail_all(jetstream, list, 10049, err_text(err));
    jetstream_awake(jetstream);
}

/* They may come to be what they shall be under another leader. */
static void keep_restored(struct jetstream *jetstream)
{
    for (struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next)
        entry->lost = entry->lost && !entry->assigned.restore;
}

void jetstream_catalogue_drop(struct jetstream *jetstream)
{
    struct catalogue_op *first = jetstream->op_first, *waiting = jetstream->op_waiting;
    struct catalogue_op *current = jetstream->op_current;

    jetstream->op_first = jetstream->op_last = jetstream->op_current = jetstream->op_waiting = NULL;
    jetstream->op_index = 0;
    jetstream->gone_index = 0;
    jetstream->gone_proposed = 0;
    keep_restored(jetstream);
    fail_all(jetstream, current, 10008, NULL);
    fail_all(jetstream, first, 10008, NULL);
    drop_waiting(jetstream, waiting);
    jetstream_spread_drop(jetstream);
    arm(jetstream);
}

void jetstream_catalogue_free(struct jetstream *jetstream)
{
    jetstream_catalogue_drop(jetstream);
    heap_give(jetstream->gone);
    jetstream->gone = NULL;
    jetstream->gone_count = jetstream->gone_capacity = 0;
}
