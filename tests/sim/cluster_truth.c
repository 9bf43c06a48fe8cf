#include "tests/sim/cluster_truth.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consumers/machine.h"
#include "raft/core_priv.h"
#include "raft/replica_priv.h"
#include "server/jetstream/jetstream_priv.h"
#include "server/stream/flaws.h"
#include "server/stream/stream_priv.h"
#include "storage/paths.h"
#include "storage/record.h"

#define DATA   "millrace"
#define ULL(x) ((unsigned long long)(x))

static void dying(void *context, size_t node);
static void born(void *context, size_t node);
static void wiped(void *context, size_t node);

void truth_init(struct truth *truth, struct report *report, struct nodes *nodes)
{
    *truth = (struct truth){.report = report, .nodes = nodes};
    buf_init(&truth->content, 128u << 20);
    nodes->dying = dying;
    nodes->born = born;
    nodes->wiped = wiped;
    nodes->context = truth;
}

void truth_deinit(struct truth *truth)
{
    for (unsigned i = 0; i < TRUTH_GROUPS_MAX; i++) {
        free(truth->groups[i].entries);
        free(truth->groups[i].leaders);
    }
    buf_deinit(&truth->content);
}

typedef void look_fn(struct truth *truth, size_t node, uint64_t id, struct replica *replica);

/* Calls `look` with every replica on that node. */
static void each_replica(struct truth *truth, size_t node, struct jetstream *jetstream,
                         look_fn *look)
{
    if (jetstream == NULL)
        return;
    if (jetstream->meta != NULL)
        look(truth, node, CATALOGUE_LOG_ID, jetstream->meta);
    for (struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        if (entry->stream != NULL)
            look(truth, node, entry->assigned.id, stream_replica(entry->stream));
    }
}

static struct truth_group *group_of(struct truth *truth, uint64_t id)
{
    for (unsigned i = 0; i < TRUTH_GROUPS_MAX; i++) {
        struct truth_group *group = &truth->groups[i];

        if (group->id != 0 && group->id != id)
            continue;
        group->id = id;
        return group;
    }
    assert(false && "more groups than a run makes");
    return NULL;
}

static void *reach(void *array, uint64_t *capacity, uint64_t at, size_t size)
{
    uint64_t before = *capacity;

    if (at < before)
        return array;
    *capacity = before == 0 ? 256 : before;
    while (*capacity <= at)
        *capacity *= 2;
    array = realloc(array, *capacity * size);
    assert(array != NULL);
    memset((uint8_t *)array + before * size, 0, (*capacity - before) * size);
    return array;
}

static uint64_t hash_of(struct bytes content)
{
    uint64_t hash = 14695981039346656037u;
    size_t at = 0;

    for (; at + 8 <= content.size; at += 8) {
        uint64_t word;

        memcpy(&word, content.at + at, 8);
        hash = (hash ^ word) * 1099511628211u;
        hash ^= hash >> 29;
    }
    for (; at < content.size; at++)
        hash = (hash ^ content.at[at]) * 1099511628211u;
    return hash | 1;
}

/* ---- across crashes ------------------------------------------------------------------------- */

/* The only voter needs no record to lead a term: its first entry says so, and to who joins. */
static bool needed_no_record(const struct replica *replica, uint64_t id)
{
    const struct raft_core *core = replica->core;
    struct store_vote vote;

    return members_equal(core->vote, core->options.self) &&
           (!store_vote_found(replica->groups->store, id, &vote) || vote.term < core->term);
}

static void note_promise(struct truth *truth, size_t node, uint64_t id, struct replica *replica)
{
    struct truth_promise *promise = &group_of(truth, id)->seen[node].promise;
    const struct raft_core *core = replica->core;

    *promise = (struct truth_promise){.made = core->damaged == 0,
                                      .durable = core->durable,
                                      .committed = core->committed,
                                      .durable_term = raft_core_term_at(core, core->durable)};
    if (core->vote_durable == core->vote_number && !needed_no_record(replica, id)) {
        promise->term = core->term;
        promise->vote = core->vote;
    }
}

static void check_vote(struct truth *truth, size_t node, uint64_t id, const struct raft_core *core,
                       const struct truth_promise *promise)
{
    if (core->term < promise->term)
        report_violate(truth->report, "group %llx: n%zu was in term %llu and comes back in %llu",
                       ULL(id), node + 1, ULL(promise->term), ULL(core->term));
    if (core->term == promise->term && promise->vote.node != 0 &&
        !members_equal(core->vote, promise->vote))
        report_violate(truth->report, "group %llx: n%zu has forgotten its vote in term %llu",
                       ULL(id), node + 1, ULL(core->term));
}

static void check_promise(struct truth *truth, size_t node, uint64_t id, struct replica *replica)
{
    struct truth_promise *promise = &group_of(truth, id)->seen[node].promise;
    const struct raft_core *core = replica->core;

    if (!promise->made || core->damaged != 0 || group_of(truth, id)->forgiven)
        return;
    check_vote(truth, node, id, core, promise);
    promise->made = false;
    /* It died while it took another's block, which is committed: its own tail is void. */
    if (raft_core_floor_index(core) > promise->committed)
        return;
    if (raft_core_last(core) < promise->durable)
        report_violate(truth->report,
                       "group %llx: n%zu had index %llu on its disk and comes back with %llu",
                       ULL(id), node + 1, ULL(promise->durable), ULL(raft_core_last(core)));
    else if (promise->durable >= raft_core_floor_index(core) &&
             raft_core_term_at(core, promise->durable) != promise->durable_term)
        report_violate(truth->report, "group %llx: n%zu comes back with another entry %llu",
                       ULL(id), node + 1, ULL(promise->durable));
}

static void dying(void *context, size_t node)
{
    struct truth *truth = context;

    each_replica(truth, node, nodes_dead_jetstream(truth->nodes, node), note_promise);
}

static void born(void *context, size_t node)
{
    struct truth *truth = context;

    each_replica(truth, node, nodes_jetstream(truth->nodes, node), check_promise);
}

static void wiped(void *context, size_t node)
{
    struct truth *truth = context;

    for (unsigned i = 0; i < TRUTH_GROUPS_MAX; i++)
        truth->groups[i].seen[node].promise.made = false;
}

/* ---- as it goes ----------------------------------------------------------------------------- */

static void look_at_leader(struct truth *truth, size_t node, struct truth_group *group,
                           const struct replica *replica)
{
    uint64_t term = replica_term(replica);
    size_t *leader;

    if (!replica_leads(replica) || term > 1000000)
        return;
    group->leaders = reach(group->leaders, &group->terms, term, sizeof *group->leaders);
    leader = &group->leaders[term];
    if (*leader == 0) {
        *leader = node + 1;
        report_say(truth->report, "group %llx: %s leads term %llu", ULL(group->id),
                   truth->nodes->at[node].name, ULL(term));
    }
    if (*leader != node + 1)
        report_violate(truth->report, "group %llx: n%zu and n%zu lead term %llu", ULL(group->id),
                       *leader, node + 1, ULL(term));
    *leader = node + 1;
}

/* False: it is not in memory just now. */
static bool look_at_entry(struct truth *truth, size_t node, struct truth_group *group,
                          uint64_t index, struct replica *replica)
{
    struct truth_entry *entry;
    uint64_t hash;
    enum err err;

    buf_clear(&truth->content);
    err = log_batch_read_now(replica_log(replica), index, &truth->content);
    if (err != OK && index <= log_floor(replica_log(replica)))
        return true; /* it is in a state block */
    if (err == ERR_CORRUPT && truth->evicts)
        return false; /* until the journal has been written to its segment again */
    if (err == ERR_CORRUPT || err == ERR_NOT_FOUND)
        report_violate(truth->report,
                       "group %llx: n%zu has applied index %llu and cannot read it: %s",
                       ULL(group->id), node + 1, ULL(index), err_text(err));
    if (err != OK)
        return false;
    truth->checked++;
    hash = hash_of(buf_bytes(&truth->content));
    group->entries = reach(group->entries, &group->capacity, index, sizeof *group->entries);
    entry = &group->entries[index];
    if (entry->hash == 0)
        *entry = (struct truth_entry){.hash = hash, .node = node};
    if (entry->hash != hash)
        report_violate(truth->report,
                       "group %llx: n%zu and n%zu have applied different entries %llu",
                       ULL(group->id), entry->node + 1, node + 1, ULL(index));
    return true;
}

/* A stream that is begun afresh has another group: that of before is led by nobody ever after. */
static void look_at_name(struct truth *truth, size_t node, uint64_t id,
                         const struct replica *replica)
{
    const struct jetstream *jetstream = nodes_jetstream(truth->nodes, node);
    const struct catalogue_entry *entry =
        jetstream != NULL ? catalogue_find(&jetstream->catalogue, id) : NULL;
    struct truth_name *name = truth->names;
    uint64_t hash;

    if (entry == NULL || !replica_leads(replica))
        return; /* what was read just now may have been its end */
    hash = hash_of(entry->config.name);
    while (name->hash != 0 && name->hash != hash)
        name++;
    assert(name < truth->names + TRUTH_GROUPS_MAX);
    name->hash = hash;
    if (id < name->newest)
        report_violate(truth->report, "group %llx: n%zu leads it, and the stream was begun afresh",
                       ULL(id), node + 1);
    else
        name->newest = id;
}

static void look_at_replica(struct truth *truth, size_t node, uint64_t id, struct replica *replica)
{
    struct truth_group *group = group_of(truth, id);
    uint64_t applied = replica_applied(replica);
    unsigned life = truth->nodes->at[node].lives;

    look_at_leader(truth, node, group, replica);
    look_at_name(truth, node, id, replica);
    if (group->seen[node].promise.made) { /* it was opened later, and has perhaps heard others */
        if (replica->core->damaged == 0)  /* else it votes for nobody: perhaps it was made anew */
            check_vote(truth, node, id, replica->core, &group->seen[node].promise);
        group->seen[node].promise.made = false;
    }
    if (group->seen[node].life != life) {
        group->seen[node].life = life;
        group->seen[node].checked = 0;
    }
    while (group->seen[node].checked < applied && !group->forgiven) {
        if (!look_at_entry(truth, node, group, group->seen[node].checked + 1, replica)) {
            truth->skipped++;
            break; /* the next time, perhaps */
        }
        group->seen[node].checked++;
    }
    if (applied > group->applied)
        group->applied = applied;
}

void truth_look(struct truth *truth)
{
    for (size_t i = 0; i < truth->nodes->count; i++)
        each_replica(truth, i, nodes_jetstream(truth->nodes, i), look_at_replica);
}

/* ---- at rest -------------------------------------------------------------------------------- */

/* The catalogue that the others are compared with: of the node that leads it. */
static struct jetstream *reference(struct truth *truth)
{
    size_t leader = truth_meta_leader(truth);

    return leader < truth->nodes->count ? nodes_jetstream(truth->nodes, leader) : NULL;
}

size_t truth_begun(struct truth *truth)
{
    size_t begun = 0;

    for (size_t i = 0; i < truth->nodes->count; i++) {
        const struct jetstream *jetstream = nodes_jetstream(truth->nodes, i);

        begun += jetstream != NULL && jetstream->meta != NULL;
    }
    return begun;
}

size_t truth_meta_leader(struct truth *truth)
{
    for (size_t i = 0; i < truth->nodes->count; i++) {
        const struct jetstream *jetstream = nodes_jetstream(truth->nodes, i);

        if (jetstream != NULL && jetstream->meta != NULL && replica_leads(jetstream->meta))
            return i;
    }
    return truth->nodes->count;
}

static struct catalogue_entry *entry_on(struct truth *truth, size_t node, uint64_t id)
{
    struct jetstream *jetstream = nodes_jetstream(truth->nodes, node);

    return jetstream != NULL ? catalogue_find(&jetstream->catalogue, id) : NULL;
}

static struct stream *stream_on(struct truth *truth, size_t node, const char *name)
{
    struct jetstream *jetstream = nodes_jetstream(truth->nodes, node);
    struct catalogue_entry *entry;

    if (jetstream == NULL)
        return NULL;
    entry = catalogue_named(&jetstream->catalogue, BYTES("$G"), bytes_of_text(name));
    return entry != NULL ? entry->stream : NULL;
}

size_t truth_leader(struct truth *truth, const char *stream)
{
    for (size_t i = 0; i < truth->nodes->count; i++) {
        const struct stream *at = stream_on(truth, i, stream);

        if (at != NULL && stream_leads(at))
            return i;
    }
    return truth->nodes->count;
}

bool truth_elected(struct truth *truth, const char *stream, size_t node)
{
    const struct stream *at = stream_on(truth, node, stream);

    return at != NULL && stream_replica(at)->core->role == RAFT_LEADER;
}

uint64_t truth_log(struct truth *truth, const char *stream)
{
    struct jetstream *jetstream = reference(truth);
    struct catalogue_entry *entry =
        jetstream != NULL
            ? catalogue_named(&jetstream->catalogue, BYTES("$G"), bytes_of_text(stream))
            : NULL;

    return entry != NULL ? entry->assigned.id : 0;
}

struct stream *truth_stream(struct truth *truth, const char *stream, size_t node)
{
    return stream_on(truth, node, stream);
}

bool truth_place(struct truth *truth, const char *stream, size_t node, uint64_t sequence,
                 struct truth_place *place)
{
    const struct stream *at = stream_on(truth, node, stream);
    const struct log *log;
    struct index_entry entry;
    uint32_t ordinal;
    struct path path;

    if (at == NULL || !index_get(stream_applied(at)->index, sequence, &entry) ||
        entry.place >> 32 == LOG_FILE_NONE)
        return false;
    log = replica_log(stream_replica(at));
    ordinal = (uint32_t)(entry.place >> 32);
    if (log_in_memory(log))
        return false;
    path = (ordinal < LOG_KEEP_FIRST ? path_segment : path_keep)(DATA, at->id,
                                                                 log_file_id(log, ordinal));
    *place = (struct truth_place){
        .sequence = sequence, .offset = entry.place & UINT32_MAX, .size = entry.record_size};
    snprintf(place->path, sizeof place->path, "%s", path.text);
    return true;
}

bool truth_spoil(struct truth *truth, const char *stream, size_t node)
{
    struct stream *at = stream_on(truth, node, stream);

    if (at != NULL)
        at->state.flaws |= STREAM_FLAW_APPLY_DIFFERS;
    return at != NULL;
}

bool truth_has(struct truth *truth, const char *stream, size_t node)
{
    return stream_on(truth, node, stream) != NULL;
}

bool truth_spoilt(struct truth *truth, const char *stream, size_t node)
{
    const struct stream *at = stream_on(truth, node, stream);

    return at != NULL && (at->state.flaws & STREAM_FLAW_APPLY_DIFFERS) == 0;
}

bool truth_differs(struct truth *truth, const char *stream, size_t node)
{
    const struct stream *at = stream_on(truth, node, stream);

    return at != NULL && replica_differs(stream_replica(at));
}

bool truth_same(struct truth *truth, const char *stream, size_t node, size_t other)
{
    const struct stream *a = stream_on(truth, node, stream), *b = stream_on(truth, other, stream);

    return a != NULL && b != NULL &&
           replica_applied(stream_replica(a)) == replica_applied(stream_replica(b)) &&
           stream_state_messages(stream_applied(a)) == stream_state_messages(stream_applied(b));
}

/* Also after the next start. */
static bool whole_on_disk(const struct replica *replica)
{
    return replica_whole(replica) && replica_mended(replica);
}

bool truth_whole(struct truth *truth, const char *stream, size_t node)
{
    const struct jetstream *jetstream = nodes_jetstream(truth->nodes, node);
    const struct stream *at = stream_on(truth, node, stream);

    return jetstream != NULL && jetstream->meta != NULL && whole_on_disk(jetstream->meta) &&
           at != NULL && whole_on_disk(stream_replica(at));
}

void truth_transfer(struct truth *truth, const char *stream, size_t node)
{
    size_t leader = truth_leader(truth, stream);
    struct stream *to = stream_on(truth, node, stream);

    if (to != NULL && leader < truth->nodes->count)
        replica_transfer((struct replica *)stream_replica(stream_on(truth, leader, stream)),
                         groups_self(stream_replica(to)->groups).node);
}

bool truth_other_leads(struct truth *truth, const char *stream, size_t except)
{
    for (size_t i = 0; i < truth->nodes->count; i++) {
        const struct stream *at = stream_on(truth, i, stream);

        if (i != except && at != NULL && stream_leads(at))
            return true;
    }
    return false;
}

static char what[200];

static const char *missing(const char *format, uint64_t a, uint64_t b)
{
    snprintf(what, sizeof what, format, ULL(a), ULL(b));
    return what;
}

const char *truth_led(struct truth *truth)
{
    struct jetstream *jetstream = reference(truth);

    if (jetstream == NULL)
        return "nobody leads the metadata group";
    for (struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        bool led = entry->removed;

        for (size_t i = 0; i < truth->nodes->count && !led; i++) {
            const struct catalogue_entry *at = entry_on(truth, i, entry->assigned.id);

            led = at != NULL && at->stream != NULL && stream_leads(at->stream);
        }
        if (!led)
            return missing("nobody leads group %llx", entry->assigned.id, 0);
    }
    return NULL;
}

void truth_forgive(struct truth *truth, uint64_t id)
{
    if (id != 0)
        group_of(truth, id)->forgiven = true;
}

void truth_one_leads(struct truth *truth)
{
    for (unsigned i = 0; i < TRUTH_GROUPS_MAX; i++) {
        uint64_t id = truth->groups[i].id;
        unsigned leaders = 0;

        for (size_t node = 0; node < truth->nodes->count && id > CATALOGUE_LOG_ID; node++) {
            const struct catalogue_entry *entry = entry_on(truth, node, id);

            leaders += entry != NULL && entry->stream != NULL && stream_leads(entry->stream);
        }
        if (leaders > 1)
            report_violate(truth->report, "group %llx: %u nodes lead it", ULL(id), leaders);
    }
}

static const struct raft_config *members_of_group(struct truth *truth, uint64_t id,
                                                  uint64_t *applied)
{
    for (size_t i = 0; i < truth->nodes->count; i++) {
        const struct catalogue_entry *entry = entry_on(truth, i, id);

        if (entry == NULL || entry->stream == NULL || !stream_leads(entry->stream))
            continue;
        *applied = replica_applied(stream_replica(entry->stream));
        return replica_members(stream_replica(entry->stream));
    }
    return NULL;
}

/* NULL: as many voters as there should be, each on the disk that its node has now. */
static const char *whole(struct truth *truth, const struct raft_config *members, size_t voters,
                         uint64_t id)
{
    size_t found = 0;

    for (size_t i = 0; i < truth->nodes->count; i++) {
        const struct jetstream *jetstream = nodes_jetstream(truth->nodes, i);
        const struct raft_member *member =
            jetstream != NULL ? members_find(members, groups_self(jetstream->home->groups).node)
                              : NULL;

        found += member != NULL && !member->learner &&
                 members_equal(*member, groups_self(jetstream->home->groups));
    }
    return found == voters && members->count == voters
               ? NULL
               : missing("group %llx has %llu voters with a disk", id, found);
}

static const char *level_stream(struct truth *truth, const struct catalogue_entry *entry)
{
    uint64_t applied = 0;
    const struct raft_config *members = members_of_group(truth, entry->assigned.id, &applied);

    if (members == NULL)
        return missing("nobody leads group %llx", entry->assigned.id, 0);
    if (whole(truth, members, (size_t)entry->config.num_replicas, entry->assigned.id) != NULL)
        return what;
    for (size_t i = 0; i < truth->nodes->count; i++) {
        const struct jetstream *jetstream = nodes_jetstream(truth->nodes, i);
        const struct catalogue_entry *at = entry_on(truth, i, entry->assigned.id);

        if (jetstream == NULL ||
            members_find(members, groups_self(jetstream->home->groups).node) == NULL)
            continue;
        if (at == NULL || at->stream == NULL)
            return missing("n%llu has no replica of group %llx", i + 1, entry->assigned.id);
        if (replica_applied(stream_replica(at->stream)) < applied)
            return missing("n%llu is behind in group %llx", i + 1, entry->assigned.id);
        if (!whole_on_disk(stream_replica(at->stream)))
            return missing("n%llu lacks something of group %llx", i + 1, entry->assigned.id);
        if (!schema_equal(&stream_config_schema, &entry->config, stream_config(at->stream)))
            return missing("n%llu has another config of group %llx", i + 1, entry->assigned.id);
    }
    return NULL;
}

const char *truth_level(struct truth *truth)
{
    struct jetstream *jetstream = reference(truth);

    if (jetstream == NULL)
        return "nobody leads the metadata group";
    if (replica_applied(jetstream->meta) < raft_core_committed(jetstream->meta->core))
        return "who leads the metadata group is behind with its own disk";
    for (size_t i = 0; i < truth->nodes->count; i++) {
        const struct jetstream *at = nodes_jetstream(truth->nodes, i);

        if (at == NULL || at->meta == NULL)
            return missing("n%llu has no metadata log", i + 1, 0);
        if (replica_applied(at->meta) < replica_applied(jetstream->meta))
            return missing("n%llu is behind in the metadata group", i + 1, 0);
        if (!whole_on_disk(at->meta))
            return missing("n%llu lacks something of the metadata group", i + 1, 0);
    }
    if (whole(truth, replica_members(jetstream->meta), truth->nodes->count, CATALOGUE_LOG_ID) !=
        NULL)
        return what;
    for (struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        const char *text = entry->removed ? NULL : level_stream(truth, entry);

        if (text != NULL)
            return text;
    }
    return NULL;
}

/* ---- comparing ------------------------------------------------------------------------------ */

static bool equal_entries(const struct catalogue_entry *a, const struct catalogue_entry *b)
{
    return a->version == b->version && a->removed == b->removed &&
           bytes_equal(a->assigned.json, b->assigned.json) &&
           bytes_equal(a->assigned.account, b->assigned.account) &&
           memcmp(a->assigned.incarnation, b->assigned.incarnation, 16) == 0 &&
           a->assigned.members.count == b->assigned.members.count;
}

static void compare_catalogues(struct truth *truth, const struct jetstream *jetstream, size_t node)
{
    const struct jetstream *other = nodes_jetstream(truth->nodes, node);
    const struct catalogue_entry *a = jetstream->catalogue.first, *b = other->catalogue.first;
    const struct catalogue_expelled *removed = &jetstream->catalogue.expelled;

    for (uint32_t i = 0; i < removed->count; i++) {
        if (removed->count != other->catalogue.expelled.count ||
            !members_equal(removed->at[i], other->catalogue.expelled.at[i]))
            report_violate(truth->report, "n%zu knows of others that were removed", node + 1);
    }
    for (; a != NULL && b != NULL; a = a->next, b = b->next) {
        if (a->assigned.id != b->assigned.id || !equal_entries(a, b)) {
            report_violate(truth->report, "n%zu has another entry %llx in its catalogue", node + 1,
                           ULL(a->assigned.id));
            return;
        }
    }
    if (a != NULL || b != NULL)
        report_violate(truth->report, "n%zu has a catalogue of another length", node + 1);
}

struct digest {
    uint64_t first, last, messages, bytes, consumers;
};

static uint64_t consumers_digest(struct jetstream *jetstream, const struct stream *stream)
{
    struct arena *arena = &jetstream->home->arena;
    struct consumer **consumers;
    uint64_t hash = 1;
    struct buf state;
    size_t count;

    buf_init(&state, 64u << 20);
    consumers = stream_consumers(stream, arena, &count);
    for (size_t i = 0; i < count; i++) {
        buf_clear(&state);
        if (consumer_volatile(consumers[i]) || !consumer_state_encode(consumers[i], &state))
            continue;
        hash = hash * 31 + hash_of(consumer_name(consumers[i]));
        hash = hash * 31 + hash_of(buf_bytes(&state));
    }
    buf_deinit(&state);
    arena_reset(arena);
    return hash;
}

static struct digest digest_of(struct jetstream *jetstream, const struct stream *stream)
{
    const struct stream_state *state = stream_applied(stream);

    return (struct digest){
        .first = state->first_seq,
        .last = state->last_seq,
        .messages = stream_state_messages(state),
        .bytes = stream_state_bytes(state),
        .consumers = consumers_digest(jetstream, stream),
    };
}

/* Of the record of that message, 0: it is not in memory just now. */
static uint64_t record_hash(struct truth *truth, size_t node, const struct stream *stream,
                            const struct index_entry *entry)
{
    struct log *log = replica_log(stream_replica(stream));
    struct record record;
    struct bytes bytes;
    int64_t got = -ENOENT;

    buf_clear(&truth->content);
    bytes = bytes_of(buf_reserve(&truth->content, entry->record_size), entry->record_size);
    if (entry->place >> 32 != LOG_FILE_NONE)
        got = log_read_now(log, entry->place, (void *)bytes.at, bytes.size);
    if (got == -EAGAIN)
        return 0;
    if (got == (int64_t)bytes.size && record_read(bytes, &record) == OK &&
        record.size == bytes.size)
        return hash_of(bytes);
    report_violate(truth->report,
                   "n%zu has message %llu of %.*s and cannot read it (at %llx, size %u, got %lld)",
                   node + 1, ULL(entry->sequence), BYTES_ARG(stream_name(stream)),
                   ULL(entry->place), entry->record_size, (long long)got);
    return 0;
}

bool truth_readable(struct truth *truth, const char *stream, size_t node)
{
    const struct stream *at = stream_on(truth, node, stream);
    struct index_entry entry = {0};
    struct record record;

    while (at != NULL && index_next(stream_applied(at)->index, NULL, entry.sequence + 1, &entry)) {
        uint8_t *memory;
        int64_t got = -ENOENT;

        buf_clear(&truth->content);
        memory = buf_reserve(&truth->content, entry.record_size);
        if (entry.place >> 32 != LOG_FILE_NONE)
            got = log_read_now(replica_log(stream_replica(at)), entry.place, memory,
                               entry.record_size);
        if (got != -EAGAIN && (got != (int64_t)entry.record_size ||
                               record_read(bytes_of(memory, (size_t)got), &record) != OK))
            return false;
    }
    return at != NULL;
}

/* Every message that lives can be read, and is the same. */
static void compare_messages(struct truth *truth, size_t node, const struct stream *a, size_t other,
                             const struct stream *b)
{
    struct index_entry left = {0}, right = {0};

    while (report_good(truth->report) &&
           index_next(stream_applied(a)->index, NULL, left.sequence + 1, &left)) {
        uint64_t here = record_hash(truth, node, a, &left), there;

        if (!index_get(stream_applied(b)->index, left.sequence, &right)) {
            report_violate(truth->report, "n%zu has no message %llu of %.*s", other + 1,
                           ULL(left.sequence), BYTES_ARG(stream_name(a)));
            return;
        }
        there = record_hash(truth, other, b, &right);
        truth->compared++;
        if (here != 0 && there != 0 && here != there)
            report_violate(truth->report, "n%zu and n%zu have different messages %llu of %.*s",
                           node + 1, other + 1, ULL(left.sequence), BYTES_ARG(stream_name(a)));
    }
}

/* Who left, and has not heard of it yet, is behind. */
static bool is_in(struct truth *truth, size_t node, const struct raft_config *members)
{
    const struct jetstream *jetstream = nodes_jetstream(truth->nodes, node);

    return jetstream != NULL &&
           members_find(members, groups_self(jetstream->home->groups).node) != NULL;
}

static void compare_stream(struct truth *truth, uint64_t id)
{
    struct digest first = {0};
    size_t from = truth->nodes->count;
    uint64_t applied;
    const struct raft_config *members = members_of_group(truth, id, &applied);

    for (size_t i = 0; i < truth->nodes->count; i++) {
        struct catalogue_entry *entry = entry_on(truth, i, id);
        struct digest digest;

        if (entry == NULL || entry->stream == NULL || members == NULL || !is_in(truth, i, members))
            continue;
        digest = digest_of(nodes_jetstream(truth->nodes, i), entry->stream);
        if (from == truth->nodes->count) {
            from = i;
            first = digest;
        }
        compare_messages(truth, from, entry_on(truth, from, id)->stream, i, entry->stream);
        if (memcmp(&digest, &first, sizeof digest) != 0)
            report_violate(
                truth->report,
                "group %llx: the streams of n%zu and n%zu differ: first %llu %llu, last %llu "
                "%llu, messages %llu %llu, consumers %llx %llx",
                ULL(id), from + 1, i + 1, ULL(first.first), ULL(digest.first), ULL(first.last),
                ULL(digest.last), ULL(first.messages), ULL(digest.messages), ULL(first.consumers),
                ULL(digest.consumers));
    }
}

void truth_compare(struct truth *truth)
{
    struct jetstream *jetstream = reference(truth);

    truth->evicts = false;
    truth_look(truth);
    if (jetstream == NULL)
        return;
    for (size_t i = 0; i < truth->nodes->count; i++)
        compare_catalogues(truth, jetstream, i);
    for (struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        if (!entry->removed)
            compare_stream(truth, entry->assigned.id);
    }
}

uint64_t truth_handed_out(struct truth *truth, const char *stream, const char *consumer)
{
    uint64_t highest = 0;

    for (size_t i = 0; i < truth->nodes->count; i++) {
        const struct stream *at = stream_on(truth, i, stream);
        struct consumer *found = at != NULL ? stream_consumer(at, bytes_of_text(consumer)) : NULL;

        if (found != NULL && found->durable.delivered.consumer > highest)
            highest = found->durable.delivered.consumer;
    }
    return highest;
}

static void tell_replica(struct truth *truth, size_t node, uint64_t id, struct replica *replica)
{
    static const char *const roles[] = {"follows", "stands", "leads"};
    const struct raft_core *core = replica->core;

    report_say(
        truth->report,
        "group %llx on n%zu: %s%s%s, term %llu, applied %llu, committed %llu, durable %llu, "
        "last %llu, "
        "log %llu, damaged %llu, members %u, floor %llu, block %llu, catch %d of %llu (body %llu)",
        ULL(id), node + 1, roles[core->role], replica->leads ? " (told)" : "",
        core->asleep ? ", asleep" : "", ULL(core->term), ULL(replica->applied),
        ULL(core->committed), ULL(core->durable), ULL(raft_core_last(core)),
        ULL(log_durable(replica->log)), ULL(core->damaged), raft_core_config(core)->count,
        ULL(log_floor(replica->log)), ULL(replica->block.newest), (int)replica->catch.phase,
        ULL(replica->catch.index), ULL(replica->catch.body.size));
    for (uint32_t i = 0; core->role == RAFT_LEADER && i < core->lead.count; i++) {
        const struct progress *p = &core->lead.progress[i];

        report_say(truth->report,
                   "    member %u: state %d, match %llu, next %llu%s%s, heard %lld ms ago", i,
                   (int)p->state, ULL(p->match), ULL(p->next), p->held ? ", held" : "",
                   p->waiting ? ", waiting" : "",
                   (long long)((sim_now(truth->nodes->sim) - p->active_ns) / 1000000));
    }
}

void truth_tell(struct truth *truth)
{
    for (size_t i = 0; i < truth->nodes->count; i++)
        each_replica(truth, i, nodes_jetstream(truth->nodes, i), tell_replica);
}
