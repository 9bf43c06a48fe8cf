/*
 * jetstream_afresh: a stream whose group can have no leader any more gets another group, in which
 * it begins empty: one in memory, of which most replicas were lost with the memory of their nodes
 * while those that hold it are not those that it was created on; and one on disks, most of whose
 * first members never could make a replica, and that others are wished to hold by now.
 *
 * Whoever has a replica that hears no leader says so to the leader of the metadata group. When all
 * of its members are up, that one asks each what it has left of the stream (a survey). Who answers
 * holds still from then on: it makes no log, neither votes nor stands. So when all have answered
 * that nobody leads, nobody will. Then the stream is removed and created in one batch, of the same
 * name and config, with another id and incarnation: nothing of the old group counts in the new one,
 * and what was acknowledged to anybody since would have needed a leader.
 *
 * Not so if one that has all that is left of a stream in memory lacks only the votes of those who
 * have forgotten: they are lent its log for that, as they are let go (raft_core_lend).
 *
 * A node holds still until the stream is removed, until the asker lets go of it (and what that one
 * had applied then is applied here), or until an entry of a later metadata term is: what the asker
 * had proposed is before that, or nowhere.
 * It forgets that it holds still with its memory, and then waits until its catalogue is current
 * before it takes part with less than it had (jetstream_outdated).
 */
#include "base/codec.h"
#include "server/jetstream/jetstream_cluster_priv.h"

#define LOOK_NS   INT64_C(1000000000)
#define LOOKS     12 /* without a leader; a member that forgets takes part after ten at the latest */
#define TOLD_NS   (3 * LOOK_NS) /* so long what somebody has said of it counts */
#define ANSWER_NS INT64_C(1000000000)
#define AGAIN_NS  INT64_C(10000000000)

#define SURVEY_SIZE  24u
#define ANSWER_HEAD  48u
#define MEMBER_SIZE  24u
#define ANSWER_NEVER 1u
#define ANSWER_ABLE  2u
#define ANSWER_WAITS 4u
#define ANSWER_TERM  8u /* from this bit on; older servers leave it out */
#define ANSWER_MAX   (ANSWER_HEAD + RAFT_MEMBERS_MAX * MEMBER_SIZE)
#define LET_GO_SIZE  56u

/* LET_GO, read. */
struct going_on {
    uint64_t id, term, index;
    uint64_t number; /* of the survey; 0: none, and nothing is lent */
    struct catalogue_lent lent;
};

static struct logger *logger_of(const struct jetstream_cluster *cluster)
{
    return server_logger(cluster->jetstream->server);
}

static int64_t now_of(const struct jetstream_cluster *cluster)
{
    return io_now(server_io(cluster->jetstream->server));
}

static bool in_memory(const struct catalogue_entry *entry)
{
    return entry->readable && entry->config.storage == STORAGE_MEMORY;
}

/* Nobody waits for a backup of it, and it may be that it cannot come back by itself. */
static bool concerns(const struct catalogue_entry *entry)
{
    return entry != NULL && !entry->removed && entry->readable && !entry->assigned.restore &&
           (in_memory(entry) || entry->moved);
}

/* ---- a node that is asked -------------------------------------------------------------------- */

static void let_go(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    if (entry->held_term == 0)
        return;
    jetstream_entry_is_still(jetstream, entry);
    entry->held_term = entry->held_until = entry->held_number = 0;
    if (entry->stream != NULL) {
        jetstream_entry_lend(entry);
        (void)replica_hold_still(stream_replica(entry->stream), false);
    } else if (!entry->removed) {                  /* else its files go already */
        jetstream_entry_changed(jetstream, entry); /* its log is made now, if it is to be here */
        if (entry->lent.last_term != 0)
            jetstream_entry_needed(jetstream, entry);
    }
}

static enum left left_of(struct jetstream *jetstream, const struct catalogue_entry *entry)
{
    struct replica *replica;

    jetstream_entry_is_still(jetstream, entry);
    if (!jetstream->checked || entry->preparing || entry->offline)
        return LEFT_UNSURE;
    if (entry->stream == NULL)
        return LEFT_NOTHING;
    replica = stream_replica(entry->stream);
    if (replica_led(replica))
        return LEFT_LED;
    if (!replica_hold_still(replica, true))
        return LEFT_UNSURE;
    return replica_bare(replica) ? LEFT_BEGINNING : LEFT_CONTENT;
}

/* In which it may have voted last, with or without a log, as far as it knows. */
static uint64_t term_of(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    struct store_vote vote;

    if (entry->stream != NULL)
        return replica_term(stream_replica(entry->stream));
    return store_vote_found(jetstream_lane(jetstream, entry)->store, entry->assigned.id, &vote)
               ? vote.term
               : 0;
}

static struct left_answer answer_of(struct jetstream *jetstream, struct catalogue_entry *entry,
                                    uint64_t number, uint64_t term)
{
    struct left_answer answer = {.number = number, .id = entry->assigned.id};

    answer.left = left_of(jetstream, entry);
    if (answer.left >= LEFT_LED)
        return answer;
    entry->held_term = term;
    entry->held_until = 0; /* what was said of an earlier one does not let go of this */
    entry->held_number = number;
    entry->lent = (struct catalogue_lent){0};
    answer.never_made = entry->never_made;
    answer.term = term_of(jetstream, entry);
    if (entry->stream == NULL)
        return answer;
    answer.able = !replica_begins_anew(stream_replica(entry->stream));
    answer.waits = replica_waits(stream_replica(entry->stream));
    answer.last = log_appended(replica_log(stream_replica(entry->stream)));
    answer.last_term = log_term_last(replica_log(stream_replica(entry->stream)));
    answer.group = *replica_members(stream_replica(entry->stream));
    return answer;
}

static void send_answer(struct jetstream_cluster *cluster, uint64_t node,
                        const struct left_answer *answer)
{
    uint8_t memory[ANSWER_MAX], *at = memory;

    at = encode_u64(at, answer->number);
    at = encode_u64(at, answer->id);
    at = encode_u64(at, answer->left);
    at = encode_u64(at, (answer->never_made ? ANSWER_NEVER : 0) | (answer->able ? ANSWER_ABLE : 0) |
                            (answer->waits ? ANSWER_WAITS : 0) | answer->last_term << ANSWER_TERM);
    at = encode_u64(at, answer->last);
    at = encode_u64(at, answer->term);
    for (uint32_t i = 0; i < answer->group.count; i++) {
        at = encode_u64(at, answer->group.at[i].node);
        at = encode_u64(at, answer->group.at[i].incarnation);
        at = encode_u64(at, answer->group.at[i].learner);
    }
    cluster_tell(cluster, node, JETSTREAM_LEFT, bytes_of(memory, (size_t)(at - memory)));
}

static void read_answer(struct decoder *in, struct left_answer *answer)
{
    uint64_t left, flags;

    answer->number = decode_u64(in);
    answer->id = decode_u64(in);
    left = decode_u64(in);
    flags = decode_u64(in);
    answer->last = decode_u64(in);
    answer->term = decode_u64(in);
    answer->left = left < LEFT_UNSURE ? (enum left)left : LEFT_UNSURE;
    answer->never_made = (flags & ANSWER_NEVER) != 0;
    answer->able = (flags & ANSWER_ABLE) != 0;
    answer->waits = (flags & ANSWER_WAITS) != 0;
    answer->last_term = flags >> ANSWER_TERM;
    while (in->rest.size >= MEMBER_SIZE && answer->group.count < RAFT_MEMBERS_MAX) {
        struct raft_member *member = &answer->group.at[answer->group.count++];

        member->node = decode_u64(in);
        member->incarnation = decode_u64(in);
        member->learner = decode_u64(in) != 0;
    }
    in->failed = in->failed || in->rest.size > 0;
}

void afresh_asked(struct jetstream_cluster *cluster, uint64_t node, struct bytes body)
{
    struct jetstream *jetstream = cluster->jetstream;
    struct catalogue_entry *entry;
    struct left_answer answer;
    struct decoder in;
    uint64_t number, term;

    decoder_init(&in, body);
    number = decode_u64(&in);
    term = decode_u64(&in);
    entry = catalogue_find(&jetstream->catalogue, decode_u64(&in));
    if (in.failed || jetstream->meta == NULL || !concerns(entry) ||
        replica_leader(jetstream->meta).node != node || replica_term(jetstream->meta) != term)
        return;
    answer = answer_of(jetstream, entry, number, term);
    send_answer(cluster, node, &answer);
}

/* What the asker had applied then is applied here first: the removal may be among it. */
static void let_go_at(struct jetstream *jetstream, struct catalogue_entry *entry,
                      const struct going_on *on)
{
    if (entry->held_term != on->term)
        return;
    if (entry->held_number == on->number)
        entry->lent = on->lent; /* it has accepted nothing since it answered */
    entry->held_until = on->index;
    if (replica_applied(jetstream->meta) >= on->index)
        let_go(jetstream, entry);
}

void afresh_let_go(struct jetstream_cluster *cluster, struct bytes body)
{
    struct jetstream *jetstream = cluster->jetstream;
    struct going_on on = {0};
    struct decoder in;

    decoder_init(&in, body);
    on.id = decode_u64(&in);
    on.term = decode_u64(&in);
    on.index = decode_u64(&in);
    if (in.rest.size > 0) { /* older servers end here */
        on.number = decode_u64(&in);
        on.lent.term = decode_u64(&in);
        on.lent.last_term = decode_u64(&in);
        on.lent.last = decode_u64(&in);
    }
    if (in.failed || on.term == 0 || on.lent.term >= RAFT_NUMBER_MAX || jetstream->meta == NULL)
        return;
    for (struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        if (on.id == 0 || entry->assigned.id == on.id)
            let_go_at(jetstream, entry, &on);
    }
}

/* ---- who hears no leader says so ------------------------------------------------------------- */

static void say(struct jetstream_cluster *cluster, struct catalogue_entry *entry)
{
    uint64_t leader = replica_leader(cluster->jetstream->meta).node;
    uint8_t id[8];

    (void)encode_u64(id, entry->assigned.id);
    if (leader == cluster_self_id(cluster))
        entry->unled_ns = now_of(cluster);
    else if (leader != 0)
        cluster_tell(cluster, leader, JETSTREAM_UNLED, bytes_of(id, sizeof id));
}

void afresh_unled(struct jetstream_cluster *cluster, struct bytes body)
{
    struct catalogue_entry *entry;
    struct decoder in;

    decoder_init(&in, body);
    entry = catalogue_find(&cluster->jetstream->catalogue, decode_u64(&in));
    if (!in.failed && concerns(entry))
        entry->unled_ns = now_of(cluster);
}

/* `again`: it has looked a while ago, too; else others may have led meanwhile. */
static void look(struct jetstream_cluster *cluster, struct catalogue_entry *entry, bool again)
{
    struct replica *replica = entry->stream != NULL ? stream_replica(entry->stream) : NULL;

    jetstream_entry_is_still(cluster->jetstream, entry);
    if (replica == NULL || !concerns(entry) || replica_led(replica) ||
        (!in_memory(entry) && !replica_bare(replica))) {
        entry->unled_looks = 0;
        return;
    }
    if (!again)
        entry->unled_looks = 0;
    if (entry->unled_looks < LOOKS)
        entry->unled_looks++;
    else
        say(cluster, entry);
}

/* The next look at its members sees to those that wait for a later term. */
static void look_at_led(struct jetstream_cluster *cluster, struct catalogue_entry *entry)
{
    struct raft_progress progress[RAFT_MEMBERS_MAX];
    uint32_t count = replica_progress(stream_replica(entry->stream), progress);

    for (uint32_t i = 0; i < count; i++) {
        if (progress[i].anew) {
            entry->settled = false;
            jetstream_cluster_look(cluster);
        }
    }
}

static void look_at_all(struct jetstream_cluster *cluster)
{
    struct jetstream *jetstream = cluster->jetstream;
    uint64_t term = replica_term_applied(jetstream->meta);
    bool again = now_of(cluster) - cluster->afresh_looked_ns <= 3 * LOOK_NS;

    for (struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        if (term > entry->held_term ||
            (entry->held_until != 0 && replica_applied(jetstream->meta) >= entry->held_until))
            let_go(jetstream, entry);
        look(cluster, entry, again);
        outsider_look(cluster, entry);
        if (concerns(entry) && entry->moved && entry->settled && entry->stream != NULL &&
            stream_leads(entry->stream))
            look_at_led(cluster, entry);
    }
    cluster->afresh_looked_ns = now_of(cluster);
}

/* ---- the survey ------------------------------------------------------------------------------ */

/* The metadata leader lets go of it, or (0) of all; it does so itself. */
static void tell_let_go(struct jetstream_cluster *cluster, uint64_t id, uint64_t number,
                        struct catalogue_lent lent)
{
    const struct replica *meta = cluster->jetstream->meta;
    uint8_t memory[LET_GO_SIZE], *at = memory;

    at = encode_u64(at, id);
    at = encode_u64(at, replica_term(meta));
    at = encode_u64(at, replica_applied(meta));
    at = encode_u64(at, number);
    at = encode_u64(at, lent.term);
    at = encode_u64(at, lent.last_term);
    (void)encode_u64(at, lent.last);
    cluster_tell_all(cluster, JETSTREAM_LET_GO, bytes_of(memory, sizeof memory));
    afresh_let_go(cluster, bytes_of(memory, sizeof memory));
}

static void end(struct jetstream_cluster *cluster, struct catalogue_lent lent)
{
    uint64_t id = cluster->survey.id;

    cluster->survey.id = 0;
    tell_let_go(cluster, id, cluster->survey.number, lent);
}

static void give_up(struct jetstream_cluster *cluster)
{
    end(cluster, (struct catalogue_lent){0});
}

/* Every member of the metadata group, on the disk that it has there. */
static bool all_here(struct jetstream_cluster *cluster)
{
    const struct raft_config *members = replica_members(cluster->jetstream->meta);

    for (uint32_t i = 0; i < members->count; i++) {
        if (!place_is_here(cluster, members->at[i]))
            return false;
    }
    return true;
}

/* All those that are members now. */
static bool all_told(const struct jetstream_cluster *cluster)
{
    const struct raft_config *members = replica_members(cluster->jetstream->meta);
    const struct survey *survey = &cluster->survey;

    for (uint32_t i = 0; i < members->count; i++) {
        const struct raft_member *told = members_find(&survey->told, members->at[i].node);

        if (told == NULL || !members_equal(*told, members->at[i]))
            return false;
    }
    return true;
}

/* Nobody has accepted anything, in a group that most of its first members never had a log of. */
static bool never_was(const struct catalogue_entry *entry, const struct survey *survey)
{
    const struct raft_config *first = &entry->assigned.members;
    uint32_t never = 0;

    for (uint32_t i = 0; i < first->count; i++) {
        const struct left_answer *answer = survey_answer(survey, first->at[i]);

        never += answer != NULL && answer->never_made;
    }
    return never * 2 > first->count;
}

static bool may_begin(struct jetstream_cluster *cluster, const struct catalogue_entry *entry,
                      bool all)
{
    const struct survey *survey = &cluster->survey;

    if (!concerns(entry) || (all && !in_memory(entry) && !never_was(entry, survey)))
        return false;
    for (uint32_t i = 0; i < entry->wished.count; i++) {
        if (leave_expelled(cluster, entry->wished.at[i]) ||
            !place_is_here(cluster, entry->wished.at[i]))
            return false;
    }
    return true;
}

static void report(const struct jetstream_cluster *cluster, const struct catalogue_entry *entry)
{
    const struct survey *survey = &cluster->survey;
    uint32_t content = 0;
    uint64_t last = 0;

    for (uint32_t i = 0; i < survey->told.count; i++) {
        if (survey->answers[i].left != LEFT_CONTENT)
            continue;
        content++;
        last = survey->answers[i].last > last ? survey->answers[i].last : last;
    }
    if (!in_memory(entry))
        logger_warn(logger_of(cluster),
                    "Stream '%.*s': most of its first servers never could make a replica: it is "
                    "begun by those that hold it now",
                    BYTES_ARG(entry->config.name));
    else if (content == 0)
        logger_warn(logger_of(cluster),
                    "Stream '%.*s': what it held in memory is lost on all servers: it begins empty",
                    BYTES_ARG(entry->config.name));
    else
        logger_warn(logger_of(cluster),
                    "Stream '%.*s': most of the servers that held it in memory have lost it, and "
                    "what %u of them had left is given up (a log up to %llu): it begins empty",
                    BYTES_ARG(entry->config.name), content, (unsigned long long)last);
}

static bool write(struct jetstream *jetstream, const struct catalogue_entry *entry)
{
    struct buf *out = replica_gather(jetstream->meta);
    struct catalogue_assignment assignment = entry->assigned;

    assignment.id = jetstream->catalogue.id_next;
    assignment.members = entry->wished;
    io_random(server_io(jetstream->server), assignment.incarnation, sizeof assignment.incarnation);
    return catalogue_write_remove(out, entry->assigned.id) &&
           catalogue_write_assign(out, &assignment);
}

static void begin_again(struct jetstream_cluster *cluster, const struct catalogue_entry *entry)
{
    struct jetstream *jetstream = cluster->jetstream;

    if (!write(jetstream, entry)) {
        replica_gather_drop(jetstream->meta);
        give_up(cluster);
        return;
    }
    report(cluster, entry);
    cluster->survey.index = replica_propose(jetstream->meta, jetstream_log_now(jetstream), 2);
}

static void lend(struct jetstream_cluster *cluster, const struct catalogue_entry *entry,
                 struct catalogue_lent lent)
{
    logger_warn(logger_of(cluster),
                "Stream '%.*s': most of the servers that held it in memory have lost it, and vote "
                "for one that has what is left (a log up to %llu)",
                BYTES_ARG(entry->config.name), (unsigned long long)lent.last);
    end(cluster, lent);
}

static void conclude(struct jetstream_cluster *cluster)
{
    struct jetstream *jetstream = cluster->jetstream;
    const struct catalogue_entry *entry = catalogue_find(&jetstream->catalogue, cluster->survey.id);
    bool all = all_told(cluster) || jetstream_flawed(jetstream, JETSTREAM_FLAW_SURVEY_CUT_SHORT);
    struct catalogue_lent lent;

    if (!may_begin(cluster, entry, all) || now_of(cluster) >= cluster->survey.until_ns ||
        (all && survey_refused(&cluster->survey)))
        give_up(cluster);
    else if (all && in_memory(entry) && survey_lends(&cluster->survey, &lent))
        lend(cluster, entry, lent);
    else if (all && jetstream_catalogue_quiet(jetstream))
        begin_again(cluster, entry);
}

static void take(struct jetstream_cluster *cluster, struct raft_member member,
                 const struct left_answer *answer)
{
    struct survey *survey = &cluster->survey;

    if (survey->id == 0 || answer->id != survey->id || answer->number != survey->number ||
        members_find(&survey->told, member.node) != NULL || survey->told.count == RAFT_MEMBERS_MAX)
        return;
    survey->answers[survey->told.count] = *answer;
    survey->told.at[survey->told.count++] = member;
}

void afresh_told(struct jetstream_cluster *cluster, uint64_t node, struct bytes body)
{
    const struct node_state *state = cluster_node_state(cluster, node);
    struct left_answer answer = {0};
    struct decoder in;

    decoder_init(&in, body);
    read_answer(&in, &answer);
    if (in.failed || state == NULL || !state->heard)
        return;
    take(cluster, (struct raft_member){.node = node, .incarnation = state->incarnation}, &answer);
    cluster->look = true;
    jetstream_awake(cluster->jetstream);
}

static void ask(struct jetstream_cluster *cluster, struct catalogue_entry *entry)
{
    struct jetstream *jetstream = cluster->jetstream;
    uint64_t term = replica_term(jetstream->meta), number = ++cluster->survey_number;
    uint8_t memory[SURVEY_SIZE];
    struct left_answer own;

    entry->surveyed_ns = now_of(cluster);
    cluster->survey = (struct survey){
        .id = entry->assigned.id, .number = number, .until_ns = now_of(cluster) + ANSWER_NS};
    (void)encode_u64(encode_u64(encode_u64(memory, number), term), entry->assigned.id);
    cluster_tell_all(cluster, JETSTREAM_SURVEY, bytes_of(memory, sizeof memory));
    own = answer_of(jetstream, entry, number, term);
    take(cluster, groups_self(jetstream->home->groups), &own);
}

static void find(struct jetstream_cluster *cluster)
{
    int64_t now = now_of(cluster);

    if (!all_here(cluster))
        return;
    for (struct catalogue_entry *entry = cluster->jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        if (!concerns(entry) || entry->unled_ns == 0 || now - entry->unled_ns > TOLD_NS ||
            (entry->surveyed_ns != 0 && now - entry->surveyed_ns < AGAIN_NS))
            continue;
        ask(cluster, entry);
        return;
    }
}

/* What was proposed is applied, or was refused by the disk of an only member. */
static bool is_over(struct jetstream_cluster *cluster)
{
    const struct replica *meta = cluster->jetstream->meta;

    return replica_applied(meta) >= cluster->survey.index ||
           replica_proposed(meta) < cluster->survey.index;
}

void afresh_node(struct jetstream_cluster *cluster)
{
    cluster->survey_node = true;
}

void afresh_turn(struct jetstream_cluster *cluster)
{
    struct survey *survey = &cluster->survey;

    if (now_of(cluster) - cluster->afresh_looked_ns >= LOOK_NS)
        look_at_all(cluster);
    if (!cluster->jetstream->lead) {
        survey->id = 0; /* who holds still sees that another leads */
        return;
    }
    if (survey->id != 0 && survey->index != 0) {
        if (is_over(cluster))
            give_up(cluster); /* what is removed is so before anybody lets go of it */
        return;
    }
    if (cluster
            ->survey_node) { /* what it said was of another life; or it missed that it may go on */
        cluster->survey_node = false;
        survey->id = 0;
        tell_let_go(cluster, 0, 0, (struct catalogue_lent){0});
    }
    if (survey->id == 0)
        find(cluster);
    if (survey->id != 0)
        conclude(cluster);
}
