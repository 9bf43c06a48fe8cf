/*
 * jetstream_streams: what the catalogue says of a stream, carried out on this node: its log is
 * made, its replica opened; when that leads, the config goes into the stream's log; when the stream
 * is removed the files go.
 *
 * Every step is found by looking at the entry and the stream, so what a crash or a change of
 * leaders interrupted is finished by whoever looks next.
 */
#include <stdio.h>

#include "base/heap.h"
#include "base/owner.h"
#include "server/jetstream/jetstream_cluster_priv.h"
#include "server/shards/server_shards.h"
#include "server/stream/restore.h"

#define AGAIN_NS         INT64_C(1000000000)
#define RESTORE_AWAIT_NS INT64_C(30000000000) /* for whoever is to send the backup */

/* The config on its way into the stream's log. */
struct completion {
    struct stream_op op;
    struct jetstream *jetstream;
    uint64_t id;
    uint64_t version;
};

static struct logger *logger_of(struct jetstream *jetstream)
{
    return server_logger(jetstream->server);
}

static bool is_here(const struct jetstream *jetstream, const struct catalogue_entry *entry)
{
    const struct raft_config *members = &entry->wished;

    for (uint32_t i = 0; i < members->count; i++) {
        if (members->at[i].incarnation == groups_self(jetstream->home->groups).incarnation)
            return true;
    }
    return false;
}

/* ---- the config into the stream's log ------------------------------------------------------- */

/* Or a newer one: this node's catalogue may be behind the leader that logged it. */
static bool has_config(const struct jetstream *jetstream, const struct catalogue_entry *entry)
{
    const struct stream_state *state = stream_applied(entry->stream);

    if (jetstream_flawed(jetstream, JETSTREAM_FLAW_CONFIG_TAKEN_BACK))
        return state->configured &&
               schema_equal(&stream_config_schema, &entry->config, &state->config);
    return state->configured && state->config_version >= entry->version;
}

static void completed(struct stream_op *op, struct stream *stream);
static void try_again(struct jetstream *jetstream, struct catalogue_entry *entry);
static bool may_make(const struct jetstream *jetstream);
static void note_opened(struct jetstream *jetstream, struct catalogue_entry *entry, enum err err);

/* ---- a stream that is filled from a backup -------------------------------------------------- */

/* Nobody has begun to, or whoever did has gone: the catalogue's leader hears of it until it has
 * taken the stream back. */
static void abandon_restore(struct jetstream *jetstream, struct catalogue_entry *entry,
                            struct bytes reason)
{
    char text[200];

    snprintf(text, sizeof text, "restore failed: %.*s", BYTES_ARG(reason)); /* its beginning */
    entry->abandoned = true;
    jetstream_configured(jetstream, entry, entry->version, 10062, text);
    try_again(jetstream, entry);
}

/* What an earlier leader, or life, had begun is of no use: its client sends to nobody now. */
static void await_restore(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    int64_t late_ns = stream_lead_since(entry->stream) + RESTORE_AWAIT_NS;

    if (stream_restoring(entry->stream))
        return;
    if (stream_applied(entry->stream)->restoring)
        abandon_restore(jetstream, entry, BYTES("it was interrupted"));
    else if (io_wall(server_io(jetstream->server)) > late_ns)
        abandon_restore(jetstream, entry, BYTES("nothing came"));
    else
        try_again(jetstream, entry);
}

void jetstream_stream_restored(struct jetstream *jetstream, struct catalogue_entry *entry,
                               struct bytes error)
{
    if (!stream_leads(entry->stream))
        return; /* whoever leads next looks how far it came */
    if (error.size == 0)
        jetstream_configured(jetstream, entry, stream_applied(entry->stream)->config_version, 0,
                             NULL);
    else
        abandon_restore(jetstream, entry, error);
}

static void reconcile(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    struct completion *completion;

    if (entry->stream == NULL || !stream_leads(entry->stream) || !entry->readable ||
        entry->completing)
        return;
    if (has_config(jetstream, entry)) {
        jetstream_configured(jetstream, entry, entry->version, 0, NULL);
        return;
    }
    if (entry->assigned.restore && !stream_applied(entry->stream)->configured) {
        await_restore(jetstream, entry);
        return;
    }
    completion = HEAP_NEW(struct completion);
    completion->jetstream = jetstream;
    completion->id = entry->assigned.id;
    completion->version = entry->version;
    completion->op = (struct stream_op){
        .kind = STREAM_OP_CONFIGURE,
        .json = heap_copy(entry->assigned.json),
        .version = entry->version,
        .created_ns = entry->assigned.created_ns,
        .done = completed,
    };
    entry->completing = true;
    stream_submit(entry->stream, &completion->op);
}

static void completed(struct stream_op *op, struct stream *stream)
{
    struct completion *completion = owner_of(op, struct completion, op);
    struct jetstream *jetstream = completion->jetstream;
    struct catalogue_entry *entry = catalogue_find(&jetstream->catalogue, completion->id);

    heap_give((void *)op->json.at);
    if (entry != NULL) {
        entry->completing = false;
        if (stream != NULL && stream_leads(stream))
            jetstream_configured(jetstream, entry, completion->version, op->error, op->error_text);
        if (entry->version > completion->version)
            reconcile(jetstream, entry);
        else if (stream != NULL && op->error != 0) /* the disk has refused it */
            try_again(jetstream, entry);
    }
    heap_give(completion);
}

bool jetstream_leads_here(const struct catalogue_entry *entry)
{
    const struct stream *stream = entry->stream;

    if (stream == NULL)
        return false;
    return stream_lane_of(stream)->shard > 0 ? entry->leads : stream_leads(stream);
}

bool jetstream_keeps_here(const struct catalogue_entry *entry)
{
    return entry->stream != NULL && stream_lane_of(entry->stream)->shard == 0 &&
           stream_listens(entry->stream);
}

/* All shards stand still, and what is on its way to home's sinks arrives there first: so each
 * message finds one of the two listening, and no other. */
static void admit(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    if (stream_lane_of(entry->stream)->shard > 0)
        (void)server_shards_settle(jetstream->server);
    entry->leads = true;
    remote_look(jetstream, entry);
    stream_admit(entry->stream);
}

/* Others hear of it only while it is so. By now another node may have said that it does. */
void jetstream_stream_leads(struct jetstream *jetstream, struct catalogue_entry *entry,
                            uint64_t term)
{
    if (!stream_leads(entry->stream) || stream_term(entry->stream) != term)
        return;
    admit(jetstream, entry);
    if (term >= entry->leader_term) {
        entry->leader = groups_self(jetstream->home->groups).node;
        entry->leader_term = term;
    }
    entry->settled = false;
    jetstream_cluster_look(jetstream->cluster);
    jetstream_cluster_leader(jetstream->cluster, entry);
    jetstream_entry_led(jetstream, entry);
    if (!stream_applied(entry->stream)->configured ||
        !jetstream_flawed(jetstream, JETSTREAM_FLAW_DUTY_FORGOTTEN))
        reconcile(jetstream, entry);
}

/* Or again, when it was told and not yet taken: that is told, too. */
void jetstream_stream_follows(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    if (entry->leader == groups_self(jetstream->home->groups).node)
        entry->leader = 0;
    entry->leads = entry->leads && stream_leads(entry->stream);
    if (!stream_leads(entry->stream)) {
        if (stream_lane_of(entry->stream)->shard > 0)
            (void)server_shards_settle(jetstream->server);
        stream_let_go(entry->stream);
    }
    remote_look(jetstream, entry);
}

void jetstream_stream_removed(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    entry->leaving = true;
    jetstream_cluster_look(jetstream->cluster);
}

/* It may have come back since: a catalogue that is behind does not know. */
static bool is_member(struct jetstream *jetstream, const struct stream *stream)
{
    const struct raft_config *members = replica_members(stream_replica(stream));
    struct raft_member self = groups_self(jetstream->home->groups);
    const struct raft_member *member = members_find(members, self.node);

    return member != NULL && members_equal(*member, self);
}

void jetstream_entries_leave(struct jetstream *jetstream)
{
    if (!may_make(jetstream))
        return; /* perhaps it is to be here again: so this disk knows, and not yet the catalogue */
    for (struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        if (!entry->leaving || entry->stream == NULL)
            continue;
        if (is_member(jetstream, entry->stream) && !entry->outside)
            entry->leaving = false; /* it is told once more */
        entry->outside = entry->outside && !is_here(jetstream, entry);
        if (!entry->leaving || is_here(jetstream, entry))
            continue;
        entry->leaving = entry->outside = false;
        entry->given_up = true;
        logger_info(logger_of(jetstream), "Stream '%.*s': its replica here is no longer needed",
                    BYTES_ARG(entry->config.name));
        jetstream_stream_remove(jetstream, entry);
        remote_look(jetstream, entry);
    }
}

void jetstream_stream_leader(struct jetstream *jetstream, struct catalogue_entry *entry,
                             uint64_t node, uint64_t term)
{
    if (term < entry->leader_term || stream_leads(entry->stream))
        return;
    entry->leader = node;
    entry->leader_term = term;
    jetstream_awake(jetstream);
}

/* ---- a replica here ------------------------------------------------------------------------- */

/* NULL: its streams are to stay closed. */
static struct account *account_of(const struct jetstream *jetstream,
                                  const struct catalogue_entry *entry)
{
    struct account *account =
        router_account(server_router(jetstream->server), entry->assigned.account);

    return account != NULL && jetstream_serves(jetstream, account) ? account : NULL;
}

void jetstream_entry_lend(struct catalogue_entry *entry)
{
    struct replica *replica = stream_replica(entry->stream);
    struct catalogue_lent lent = entry->lent;

    entry->lent = (struct catalogue_lent){0};
    if (lent.last_term == 0 || !replica_hold_still(replica, true))
        return; /* somebody leads all the same */
    replica_lend(replica, lent.term, lent.last_term, lent.last);
    (void)replica_hold_still(replica, false);
}

/* It is open, or (NULL) could not be. */
static enum err take_replica(struct jetstream *jetstream, struct catalogue_entry *entry,
                             struct stream *stream, enum err err)
{
    entry->stream = stream;
    entry->leads = false;
    entry->never_made = entry->never_made && entry->stream == NULL;
    remote_look(jetstream, entry);
    if (entry->stream == NULL)
        return err;
    jetstream_quotas_stale(jetstream);
    jetstream_entry_lend(entry);
    /* What its log says already it need not lead to say. */
    if (entry->configured == 0 && stream_applied(entry->stream)->configured)
        entry->configured = entry->version > 1 && !has_config(jetstream, entry) ? entry->version - 1
                                                                                : entry->version;
    return OK;
}

/* At once: at start, and in a cluster, where home may do so. */
static enum err open_replica(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    struct stream_lane *lane = jetstream_lane(jetstream, entry);
    struct account *account = account_of(jetstream, entry);
    struct stream *stream;
    enum err err;

    if (account == NULL)
        return ERR_ACCESS;
    if (!jetstream_files_suffice(jetstream, entry))
        return ERR_FULL;
    stream_lane_errands(lane, false); /* it may be closed first */
    stream = stream_open(lane, account, entry->assigned.id, entry->config.name, &err);
    return take_replica(jetstream, entry, stream, err);
}

static void report_offline(struct jetstream *jetstream, struct catalogue_entry *entry, enum err err)
{
    entry->offline = true;
    entry->offline_for = err;
    if (err == ERR_ACCESS) { /* the operator's wish; it is opened when that has changed */
        logger_warn(logger_of(jetstream),
                    "Stream '%.*s' stays closed: JetStream is not enabled for account '%.*s'",
                    BYTES_ARG(entry->config.name), BYTES_ARG(entry->assigned.account));
        return;
    }
    jetstream->unhealthy = "a stream could not be opened";
    logger_error(logger_of(jetstream), "Stream '%.*s' could not be opened: %s",
                 BYTES_ARG(entry->config.name), jetstream_offline_text(err));
}

/* A disk that is full or fails: the others go on without this replica until it can be made, or with
 * the config that they have until the new one can be logged. */
static void try_again(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    struct io *io = server_io(jetstream->server);

    entry->again = true;
    if (!timer_armed(&jetstream->again))
        timers_arm(io_timers(io), &jetstream->again, io_now(io) + AGAIN_NS);
}

/* Others are to hold it, but its group may still count on the replica here. */
static bool may_still_hold(const struct jetstream *jetstream, const struct catalogue_entry *entry)
{
    return jetstream->cluster != NULL && entry->moved && !entry->removed &&
           !jetstream_flawed(jetstream, JETSTREAM_FLAW_UNWISHED_CLOSED);
}

/* It was open, and its index has failed. */
static void open_held(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    if (entry->stream == NULL && !is_here(jetstream, entry) && may_still_hold(jetstream, entry) &&
        !entry->offline && !entry->given_up && !entry->preparing)
        jetstream_entry_open(jetstream, entry);
}

void jetstream_entries_again(struct timer *timer)
{
    struct jetstream *jetstream = owner_of(timer, struct jetstream, again);

    jetstream_halt(jetstream);
    for (struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        if (!entry->again)
            continue;
        entry->again = false;
        jetstream_entry_changed(jetstream, entry);
        open_held(jetstream, entry);
    }
    jetstream_go_on(jetstream);
}

static bool in_memory(const struct catalogue_entry *entry)
{
    return entry->readable && entry->config.storage == STORAGE_MEMORY;
}

void jetstream_prepared(struct jetstream *jetstream, uint64_t id, enum err err)
{
    struct catalogue_entry *entry = catalogue_find(&jetstream->catalogue, id);

    struct account *account;

    if (entry == NULL)
        return;
    account = account_of(jetstream, entry);
    if (err == OK && !entry->removed && !in_memory(entry))
        log_prepared(jetstream_lane(jetstream, entry)->store, id);
    entry->never_made = entry->never_made && err != OK && err != ERR_EXISTS;
    if ((err == OK || err == ERR_EXISTS) && !entry->removed && account != NULL)
        jetstream_stream_open(jetstream, entry, account);
    else
        jetstream_stream_opened(jetstream, entry,
                                err == OK || err == ERR_EXISTS ? ERR_ACCESS : err);
}

void jetstream_stream_opened(struct jetstream *jetstream, struct catalogue_entry *entry,
                             enum err err)
{
    entry->preparing = false;
    if (entry->removed) {
        jetstream_stream_remove(jetstream, entry);
        return;
    }
    err = take_replica(jetstream, entry, entry->stream, err);
    if (err == OK)
        return;
    if (err == ERR_BUSY || (err == ERR_NOT_FOUND && jetstream_directory_missing(jetstream))) {
        try_again(jetstream, entry);
        return;
    }
    logger_error(logger_of(jetstream), "Stream '%.*s' could not be made: %s",
                 BYTES_ARG(entry->config.name), jetstream_offline_text(err));
    entry->refusal = err;
    entry->undo = jetstream->cluster == NULL && entry->configured == 0;
    if (jetstream->cluster != NULL && (err == ERR_NO_SPACE || err == ERR_IO))
        try_again(jetstream, entry);
    else if (!entry->undo)
        report_offline(jetstream, entry, err);
    jetstream_awake(jetstream);
}

/* Had the group others since? Then it may have given up a log in which it voted, and the one that
 * it makes says that it still does: by its beginning, if it was among the first members, or where
 * it passes a config of the time when it was one. (Of the latter, those in memory go without: who
 * looks at a group that nobody leads takes them for such that have forgotten.) A disk on which no
 * log of it ever was has voted in none, and no config has counted on its vote but the beginning. */
static bool comes_back(const struct jetstream *jetstream, struct catalogue_entry *entry)
{
    struct raft_member self = groups_self(jetstream->home->groups);
    const struct raft_member *first = members_find(&entry->assigned.members, self.node);
    bool founder = first != NULL && members_equal(*first, self);
    bool known = !in_memory(entry) && !entry->never_made;

    return jetstream->cluster != NULL && entry->moved && (founder || known) &&
           !jetstream_flawed(jetstream, JETSTREAM_FLAW_BEGUN_TWICE);
}

static void prepare(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    bool back = comes_back(jetstream, entry);

    /* What was in memory is made anew with each start; whether others hold it since, the others'
     * catalogue may know, and not yet this disk's. */
    if (in_memory(entry) && jetstream->cluster != NULL && !entry->never_made &&
        !replica_caught_up(jetstream->meta)) {
        try_again(jetstream, entry);
        return;
    }
    if (entry->moved && jetstream->removals > 0) { /* perhaps of the log before, and its votes */
        try_again(jetstream, entry);
        return;
    }
    if (back) { /* its log may be here all the same: then it is as good as it was */
        enum err err = open_replica(jetstream, entry);

        if (err == OK)
            return;
        if (err != ERR_NOT_FOUND) {
            note_opened(jetstream, entry, err);
            return;
        }
    }
    entry->preparing = true;
    if (back)
        jetstream_prepare_anew(jetstream, entry);
    else
        jetstream_begin_log(jetstream, entry);
}

void jetstream_begin_log(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    struct jetstream_beginning beginning;

    jetstream_beginning(jetstream, entry, &beginning);
    jetstream_prepare(jetstream_lane(jetstream, entry), &entry->assigned, in_memory(entry),
                      &beginning);
}

/* A log that is not here was perhaps given up in an earlier life of this node: made anew before the
 * catalogue says so, it would begin its group a second time, and if that had one member then, lead
 * it. Until all that this disk knows of the catalogue is applied, no log is made. */
static bool may_make(const struct jetstream *jetstream)
{
    return jetstream->cluster == NULL || jetstream->checked ||
           jetstream_flawed(jetstream, JETSTREAM_FLAW_MADE_EARLY);
}

/* ---- what the catalogue tells --------------------------------------------------------------- */

void jetstream_entry_changed(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    if (jetstream->recovering)
        return;
    if (entry->removed)
        jetstream_late_forget(jetstream, entry);
    else
        jetstream_late_open(jetstream, entry);
    jetstream_settle_tier(jetstream, entry);
    remote_look(jetstream, entry);
    if (!entry->removed)
        jetstream_cluster_ask_leader(jetstream->cluster, entry);
    if (entry->removed) {
        bool has_files = entry->stream != NULL || is_here(jetstream, entry);

        jetstream_configured(jetstream, entry, entry->version, entry->undo ? 10049 : 10059,
                             entry->undo ? jetstream_offline_text(entry->refusal) : NULL);
        if (has_files && !entry->preparing)
            jetstream_stream_remove(jetstream, entry);
    } else if (entry->stream != NULL) {
        jetstream_cluster_look(jetstream->cluster);
        reconcile(jetstream, entry);
    } else if (is_here(jetstream, entry) && may_make(jetstream) && !entry->preparing &&
               !entry->offline && !entry->again && entry->held_term == 0) {
        prepare(jetstream, entry);
    }
}

void jetstream_entry_needed(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    if (entry->removed || entry->stream != NULL || entry->preparing || entry->offline ||
        entry->again || entry->held_term != 0 || !may_make(jetstream) || jetstream->removals > 0 ||
        account_of(jetstream, entry) == NULL)
        return; /* asked again, if nobody leads then */
    entry->preparing = true;
    jetstream_prepare_anew(jetstream, entry);
}

void jetstream_entry_gone(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    jetstream_late_forget(jetstream, entry);
    jetstream_configured(jetstream, entry, entry->version, 10059, NULL);
    if (entry->stream != NULL)
        jetstream_stream_close(jetstream, entry);
    remote_close(jetstream, entry);
    catalogue_drop(&jetstream->catalogue, entry);
}

enum err jetstream_entry_make_log(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    struct store *store = jetstream_lane(jetstream, entry)->store;
    const struct catalogue_assignment *assigned = &entry->assigned;
    struct log_preparing log = {.id = assigned->id}, *logs[] = {&log};
    struct jetstream_beginning beginning;

    jetstream_beginning(jetstream, entry, &beginning);
    memcpy(log.incarnation, assigned->incarnation, sizeof log.incarnation);
    log.bootstrap = buf_bytes(&beginning.members);
    log.second = buf_bytes(&beginning.config);
    if (in_memory(entry))
        log.err = log_make_memory(store, assigned->id, assigned->incarnation, log.bootstrap);
    else
        log_prepare_all(store, logs, 1);
    jetstream_beginning_deinit(&beginning);
    return log.err;
}

static void note_opened(struct jetstream *jetstream, struct catalogue_entry *entry, enum err err)
{
    if (err == ERR_BUSY && entry->late == NULL)
        try_again(jetstream, entry);
    else if (err != OK)
        report_offline(jetstream, entry, err);
    else if (stream_applied(entry->stream)->log_time_ns > jetstream->time_floor_ns)
        jetstream->time_floor_ns = stream_applied(entry->stream)->log_time_ns;
}

void jetstream_entry_open(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    enum err err;

    if (!entry->readable && !is_here(jetstream, entry))
        return;
    if (!entry->readable) {
        jetstream->unhealthy = "the config of a stream is unreadable";
        logger_error(logger_of(jetstream), "Stream %llu: unreadable config in the catalogue",
                     (unsigned long long)entry->assigned.id);
        return;
    }
    err = open_replica(jetstream, entry);
    if (err == ERR_NOT_FOUND && !is_here(jetstream, entry))
        return;
    /* Its creation was interrupted before its log was made, or that was in memory. */
    if (err == ERR_NOT_FOUND && !may_make(jetstream))
        return; /* jetstream_entries_make */
    if (err == ERR_NOT_FOUND) {
        err = jetstream_entry_make_log(jetstream, entry);
        if (err == OK)
            err = open_replica(jetstream, entry);
    }
    note_opened(jetstream, entry, err);
}

void jetstream_entry_opened(struct jetstream *jetstream, struct catalogue_entry *entry,
                            struct stream *stream, enum err err)
{
    note_opened(jetstream, entry, take_replica(jetstream, entry, stream, err));
}

void jetstream_entry_unsettled(void *context, uint64_t id, enum err err)
{
    struct jetstream *jetstream = context;
    struct catalogue_entry *entry = catalogue_find(&jetstream->catalogue, id);

    if (entry == NULL || entry->stream == NULL)
        return;
    stream_unlink_dirty(entry->stream);
    stream_close(entry->stream, true); /* its log, too: the server goes on */
    entry->stream = NULL;
    if (entry->leader == groups_self(jetstream->home->groups).node)
        entry->leader = 0;
    remote_look(jetstream, entry);
    report_offline(jetstream, entry, err);
}

static void reopen(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    logger_error(
        logger_of(jetstream),
        "Stream '%.*s': its index cannot be read from the disk: it is made again from the log",
        BYTES_ARG(entry->config.name));
    jetstream_stream_close_anew(jetstream, entry);
    if (entry->leader == groups_self(jetstream->home->groups).node)
        entry->leader = 0;
    remote_look(jetstream, entry);
    jetstream_quotas_stale(jetstream);
    if (jetstream_late_may(jetstream))
        jetstream_late_add(jetstream, entry); /* what comes for it waits */
    else
        try_again(jetstream, entry);
}

void jetstream_streams_reopen(struct jetstream *jetstream)
{
    for (struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        if (entry->stream != NULL && stream_failed(entry->stream))
            reopen(jetstream, entry);
    }
    jetstream_awake(jetstream);
}

void jetstream_entries_make(struct jetstream *jetstream)
{
    for (struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        if (entry->removed || entry->stream != NULL)
            continue;
        if (is_here(jetstream, entry)) {
            entry->here_before = true;
            if (entry->late == NULL)
                jetstream_entry_changed(jetstream, entry);
        } else if (may_still_hold(jetstream, entry) && !entry->offline && !entry->given_up) {
            jetstream_entry_open(jetstream,
                                 entry); /* when it was looked for, the catalogue ended before */
        }
    }
    jetstream_cluster_look(jetstream->cluster); /* what was given up waited for this */
}

/* A server that stands alone has nobody who could still know what was in memory: the stream is no
 * more, and the catalogue is told so as soon as it can be. */
static void lose(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    catalogue_hide(&jetstream->catalogue, entry);
    entry->lost = true;
    jetstream->lost = true;
}

void jetstream_entries_open(struct jetstream *jetstream)
{
    bool late = jetstream_late_may(jetstream);

    for (struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        jetstream_settle_tier(jetstream, entry);
        remote_look(jetstream, entry);
        if (!is_here(jetstream, entry) && !may_still_hold(jetstream, entry))
            continue;
        if (entry->removed)
            jetstream_stream_remove(jetstream, entry);
        else if (in_memory(entry) && jetstream->cluster == NULL)
            lose(jetstream, entry);
        else if (late)
            jetstream_late_add(jetstream, entry);
        else
            jetstream_entry_open(jetstream, entry);
        if (entry->lane != NULL)
            arena_reset(&entry->lane->arena);
    }
}

void jetstream_entries_close(struct jetstream *jetstream)
{
    jetstream_prepare_leave(jetstream);
    jetstream_late_drop(jetstream);
    for (struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        if (entry->stream != NULL) {
            stream_unlink_dirty(entry->stream);
            stream_close(entry->stream, false);
        }
        entry->stream = NULL;
        remote_close(jetstream, entry);
    }
}
