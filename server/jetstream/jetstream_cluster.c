#include "server/jetstream/jetstream_cluster.h"

#include "base/codec.h"
#include "base/heap.h"
#include "base/owner.h"
#include "server/jetstream/jetstream_cluster_priv.h"
#include "storage/batch.h"

#include <stdlib.h>

#define LEADER_SIZE  24u
#define REFUSED_HEAD 24u

/* ---- sending -------------------------------------------------------------------------------- */

uint64_t cluster_self_id(const struct jetstream_cluster *cluster)
{
    return groups_self(cluster->jetstream->home->groups).node;
}

void cluster_tell(struct jetstream_cluster *cluster, uint64_t node, enum jetstream_frame kind,
                  struct bytes body)
{
    (void)cluster_send(cluster->cluster, node, (uint8_t)kind, CLUSTER_CONTROL, &body, 1);
}

void cluster_tell_all(struct jetstream_cluster *cluster, enum jetstream_frame kind,
                      struct bytes body)
{
    const struct cluster_node *node;

    for (size_t at = 0; (node = cluster_next(cluster->cluster, &at)) != NULL;) {
        if (node->up && node->jetstream)
            cluster_tell(cluster, node->id, kind, body);
    }
}

/* ---- nodes ---------------------------------------------------------------------------------- */

struct node_state *cluster_node_state(struct jetstream_cluster *cluster, uint64_t id)
{
    for (unsigned i = 0; i < CLUSTER_NODES_MAX; i++) {
        if (cluster->nodes[i].id == id)
            return &cluster->nodes[i];
    }
    return NULL;
}

/* With the term that it leads: of a successor's it may have heard already, and not yet given way.
 */
static void write_leader(const struct jetstream_cluster *cluster, uint8_t at[LEADER_SIZE],
                         const struct catalogue_entry *entry)
{
    bool heard = jetstream_flawed(cluster->jetstream, JETSTREAM_FLAW_LEADER_TERM_HEARD);

    at = encode_u64(at, entry->assigned.id);
    at = encode_u64(at, heard ? entry->leader_term : stream_term(entry->stream));
    (void)encode_u64(at, entry->configured);
}

/* Everything that is led here, for a node that has just come. */
static void tell_leaders(struct jetstream_cluster *cluster, uint64_t node)
{
    struct buf body;
    const struct catalogue_entry *entry = cluster->jetstream->catalogue.first;

    buf_init(&body, 1u << 20);
    for (; entry != NULL; entry = entry->next) {
        uint8_t leader[LEADER_SIZE];

        jetstream_entry_is_still(cluster->jetstream, entry);
        if (entry->stream == NULL || !stream_leads(entry->stream))
            continue;
        write_leader(cluster, leader, entry);
        if (!buf_add(&body, bytes_of(leader, sizeof leader))) {
            cluster_tell(cluster, node, JETSTREAM_LEADER, buf_bytes(&body));
            buf_clear(&body);
            (void)buf_add(&body, bytes_of(leader, sizeof leader));
        }
    }
    if (body.size > 0)
        cluster_tell(cluster, node, JETSTREAM_LEADER, buf_bytes(&body));
    buf_deinit(&body);
}

/* For a node that was not there when it happened. */
static void tell_gone(struct jetstream_cluster *cluster, uint64_t node)
{
    const struct catalogue_entry *entry = cluster->jetstream->catalogue.first;
    uint8_t body[sizeof(uint64_t)];

    for (; entry != NULL; entry = entry->next) {
        if (!entry->removed || !entry->files_gone)
            continue;
        (void)encode_u64(body, entry->assigned.id);
        cluster_tell(cluster, node, JETSTREAM_GONE, bytes_of(body, sizeof body));
    }
}

/* What was heard of it before is gone with its link. */
static void begin_state(struct node_state *state, const struct cluster_node *node)
{
    struct bytes name = state->id != 0 ? state->name : heap_copy(node->name);

    *state = (struct node_state){.id = node->id, .name = name, .incarnation = node->incarnation};
}

static void node_up(struct cluster_watcher *watcher, const struct cluster_node *node)
{
    struct jetstream_cluster *cluster = owner_of(watcher, struct jetstream_cluster, watcher);
    struct node_state *state = cluster_node_state(cluster, node->id);

    if (state == NULL)
        state = cluster_node_state(cluster, 0);
    if (state == NULL || !node->jetstream)
        return;
    jetstream_halt(cluster->jetstream);
    begin_state(state, node);
    jetstream_lanes_node(cluster->jetstream, node->id, true);
    form_hello(cluster, node->id);
    tell_leaders(cluster, node->id);
    tell_gone(cluster, node->id);
    jetstream_go_on(cluster->jetstream);
    cluster->holding_again = true;
    afresh_node(cluster);
    cluster->look = true;
    jetstream_awake(cluster->jetstream);
}

static void node_down(struct cluster_watcher *watcher, const struct cluster_node *node)
{
    struct jetstream_cluster *cluster = owner_of(watcher, struct jetstream_cluster, watcher);
    struct node_state *state = cluster_node_state(cluster, node->id);

    if (state != NULL)
        state->heard = false;
    afresh_node(cluster);
    jetstream_lanes_node(cluster->jetstream, node->id, false);
    jetstream_awake(cluster->jetstream);
}

/* ---- who leads what ------------------------------------------------------------------------- */

static void heard_leader(struct jetstream_cluster *cluster, uint64_t node, uint64_t id,
                         uint64_t term, uint64_t configured)
{
    struct catalogue_entry *entry = catalogue_find(&cluster->jetstream->catalogue, id);

    if (entry == NULL ||
        (term < entry->leader_term &&
         !jetstream_flawed(cluster->jetstream, JETSTREAM_FLAW_OLD_LEADER_BELIEVED)))
        return;
    entry->leader = node;
    entry->leader_term = term;
    jetstream_entry_led(cluster->jetstream, entry);
    if (configured > entry->configured)
        jetstream_configured(cluster->jetstream, entry, configured, 0, NULL);
}

static void leaders_received(struct jetstream_cluster *cluster, uint64_t node, struct bytes body)
{
    struct decoder in;

    decoder_init(&in, body);
    while (in.rest.size >= LEADER_SIZE) {
        uint64_t id = decode_u64(&in);
        uint64_t term = decode_u64(&in);

        heard_leader(cluster, node, id, term, decode_u64(&in));
    }
}

void jetstream_cluster_ask_leader(struct jetstream_cluster *cluster,
                                  const struct catalogue_entry *entry)
{
    const struct raft_config *members = &entry->assigned.members;
    uint8_t id[8];

    if (cluster == NULL || entry->leader != 0 ||
        jetstream_flawed(cluster->jetstream, JETSTREAM_FLAW_LEADER_NOT_ASKED))
        return;
    (void)encode_u64(id, entry->assigned.id);
    for (uint32_t i = 0; i < members->count; i++)
        cluster_tell(cluster, members->at[i].node, JETSTREAM_WHO, bytes_of(id, sizeof id));
}

static void leader_asked(struct jetstream_cluster *cluster, uint64_t node, struct bytes body)
{
    const struct catalogue_entry *entry;
    uint8_t leader[LEADER_SIZE];
    struct decoder in;

    decoder_init(&in, body);
    entry = catalogue_find(&cluster->jetstream->catalogue, decode_u64(&in));
    if (entry != NULL)
        jetstream_entry_is_still(cluster->jetstream, entry);
    if (entry == NULL || entry->stream == NULL || !stream_leads(entry->stream))
        return; /* whoever comes to lead says so to all */
    write_leader(cluster, leader, entry);
    cluster_tell(cluster, node, JETSTREAM_LEADER, bytes_of(leader, sizeof leader));
}

void jetstream_cluster_leader(struct jetstream_cluster *cluster, struct catalogue_entry *entry)
{
    uint8_t leader[LEADER_SIZE];

    if (cluster == NULL)
        return;
    jetstream_entry_is_still(cluster->jetstream, entry);
    write_leader(cluster, leader, entry);
    cluster_tell_all(cluster, JETSTREAM_LEADER, bytes_of(leader, sizeof leader));
}

void jetstream_cluster_configured(struct jetstream_cluster *cluster, struct catalogue_entry *entry,
                                  uint64_t version, uint16_t error, const char *text)
{
    uint8_t memory[512];
    struct buf body = {.at = memory, .capacity = sizeof memory, .limit = sizeof memory};
    uint8_t *at;

    if (cluster == NULL)
        return;
    if (error == 0) {
        jetstream_cluster_leader(cluster, entry);
        return;
    }
    at = buf_reserve(&body, REFUSED_HEAD);
    at = encode_u64(at, entry->assigned.id);
    at = encode_u64(at, version);
    at = encode_u16(at, error);
    (void)encode_zeros(at, 6);
    buf_commit(&body, REFUSED_HEAD);
    (void)buf_add(&body, bytes_of_text(text != NULL ? text : ""));
    cluster_tell_all(cluster, JETSTREAM_REFUSED, buf_bytes(&body));
}

static void refused_received(struct jetstream_cluster *cluster, struct bytes body)
{
    struct catalogue_entry *entry;
    struct decoder in;
    uint64_t version;
    uint16_t error;
    char text[160] = {0};

    decoder_init(&in, body);
    entry = catalogue_find(&cluster->jetstream->catalogue, decode_u64(&in));
    version = decode_u64(&in);
    error = decode_u16(&in);
    (void)decode_bytes(&in, 6);
    if (in.failed || entry == NULL || error == 0)
        return;
    memcpy(text, in.rest.at, in.rest.size < sizeof text ? in.rest.size : sizeof text - 1);
    jetstream_configured(cluster->jetstream, entry, version, error, text);
}

/* ---- files of removed streams --------------------------------------------------------------- */

/* The metadata leader forgets a stream when the files are gone on all nodes that had some. */
static void forget_gone(struct jetstream_cluster *cluster, const struct catalogue_entry *entry)
{
    uint32_t missing = 0;

    for (uint32_t i = 0; i < entry->wished.count; i++)
        missing += members_find(&entry->gone, entry->wished.at[i].node) == NULL &&
                   !leave_expelled(cluster, entry->wished.at[i]);
    if (missing == 0 && cluster->jetstream->lead)
        jetstream_forget(cluster->jetstream, entry->assigned.id);
}

static void heard_gone(struct jetstream_cluster *cluster, struct raft_member node, uint64_t id)
{
    struct catalogue_entry *entry = catalogue_find(&cluster->jetstream->catalogue, id);

    if (entry == NULL || !entry->removed)
        return;
    if (members_find(&entry->gone, node.node) == NULL && entry->gone.count < RAFT_MEMBERS_MAX)
        entry->gone.at[entry->gone.count++] = node;
    forget_gone(cluster, entry);
}

/* Nobody waits for the word of a node that was removed. */
void cluster_forget_gone(struct jetstream_cluster *cluster)
{
    const struct catalogue *catalogue = &cluster->jetstream->catalogue;

    if (!cluster->jetstream->lead || catalogue->expelled.count == 0)
        return;
    for (const struct catalogue_entry *entry = catalogue->first; entry != NULL; entry = entry->next)
        if (entry->removed)
            forget_gone(cluster, entry);
}

static void gone_received(void *owner, uint64_t node, enum cluster_class class, struct bytes body)
{
    struct jetstream_cluster *cluster = owner;
    struct decoder in;

    (void)class;
    decoder_init(&in, body);
    while (in.rest.size >= sizeof(uint64_t))
        heard_gone(cluster, (struct raft_member){.node = node}, decode_u64(&in));
}

void jetstream_cluster_files_gone(struct jetstream_cluster *cluster, uint64_t id)
{
    uint8_t body[sizeof id];

    (void)encode_u64(body, id);
    cluster_tell_all(cluster, JETSTREAM_GONE, bytes_of(body, sizeof body));
    heard_gone(cluster, groups_self(cluster->jetstream->home->groups), id);
}

void jetstream_cluster_look(struct jetstream_cluster *cluster)
{
    if (cluster == NULL)
        return;
    cluster->look = true;
    jetstream_awake(cluster->jetstream);
}

/* ---- receiving ------------------------------------------------------------------------------ */

static void raft_received(void *owner, uint64_t node, enum cluster_class class, struct bytes body)
{
    struct jetstream_cluster *cluster = owner;

    (void)class;
    jetstream_lanes_received(cluster->jetstream, node, body);
}

static void hello_received(void *owner, uint64_t node, enum cluster_class class, struct bytes body)
{
    (void)class;
    jetstream_halt(((struct jetstream_cluster *)owner)->jetstream);
    form_heard(owner, node, body);
    jetstream_go_on(((struct jetstream_cluster *)owner)->jetstream);
    jetstream_awake(((struct jetstream_cluster *)owner)->jetstream);
}

static void bootstrap_received(void *owner, uint64_t node, enum cluster_class class,
                               struct bytes body)
{
    (void)class;
    form_bootstrap(owner, node, body);
}

static void leader_received(void *owner, uint64_t node, enum cluster_class class, struct bytes body)
{
    (void)class;
    jetstream_halt(((struct jetstream_cluster *)owner)->jetstream);
    leaders_received(owner, node, body);
    jetstream_go_on(((struct jetstream_cluster *)owner)->jetstream);
    jetstream_awake(((struct jetstream_cluster *)owner)->jetstream);
}

static void who_received(void *owner, uint64_t node, enum cluster_class class, struct bytes body)
{
    (void)class;
    jetstream_halt(((struct jetstream_cluster *)owner)->jetstream);
    leader_asked(owner, node, body);
    jetstream_go_on(((struct jetstream_cluster *)owner)->jetstream);
}

static void refusal_received(void *owner, uint64_t node, enum cluster_class class,
                             struct bytes body)
{
    (void)node;
    (void)class;
    jetstream_halt(((struct jetstream_cluster *)owner)->jetstream);
    refused_received(owner, body);
    jetstream_go_on(((struct jetstream_cluster *)owner)->jetstream);
}

static void message_received(void *owner, uint64_t node, enum cluster_class class,
                             struct bytes body)
{
    (void)class;
    forward_received(owner, node, body);
}

static void change_received(void *owner, uint64_t node, enum cluster_class class, struct bytes body)
{
    (void)node;
    (void)class;
    jetstream_halt(((struct jetstream_cluster *)owner)->jetstream);
    changed_received(owner, body);
    jetstream_go_on(((struct jetstream_cluster *)owner)->jetstream);
}

static void ask_received(void *owner, uint64_t node, enum cluster_class class, struct bytes body)
{
    (void)class;
    jetstream_halt(((struct jetstream_cluster *)owner)->jetstream);
    gather_asked(owner, node, body);
    jetstream_go_on(((struct jetstream_cluster *)owner)->jetstream);
}

static void tell_received(void *owner, uint64_t node, enum cluster_class class, struct bytes body)
{
    (void)node;
    (void)class;
    gather_told(owner, body);
}

static void held_received(void *owner, uint64_t node, enum cluster_class class, struct bytes body)
{
    (void)node;
    (void)class;
    jetstream_halt(((struct jetstream_cluster *)owner)->jetstream);
    holding_received(owner, body);
    jetstream_go_on(((struct jetstream_cluster *)owner)->jetstream);
}

/* Only those who were members with it can know. */
static void expelled_received(void *owner, uint64_t node, enum cluster_class class,
                              struct bytes body)
{
    struct jetstream_cluster *cluster = owner;
    const struct replica *meta = cluster->jetstream->meta;

    (void)class;
    (void)body;
    if (meta != NULL && members_find(replica_members(meta), node) != NULL)
        leave_told(cluster);
}

static void unled_received(void *owner, uint64_t node, enum cluster_class class, struct bytes body)
{
    (void)node;
    (void)class;
    jetstream_halt(((struct jetstream_cluster *)owner)->jetstream);
    afresh_unled(owner, body);
    jetstream_go_on(((struct jetstream_cluster *)owner)->jetstream);
}

static void survey_received(void *owner, uint64_t node, enum cluster_class class, struct bytes body)
{
    (void)class;
    jetstream_halt(((struct jetstream_cluster *)owner)->jetstream);
    afresh_asked(owner, node, body);
    jetstream_go_on(((struct jetstream_cluster *)owner)->jetstream);
}

static void left_received(void *owner, uint64_t node, enum cluster_class class, struct bytes body)
{
    (void)class;
    jetstream_halt(((struct jetstream_cluster *)owner)->jetstream);
    afresh_told(owner, node, body);
    jetstream_go_on(((struct jetstream_cluster *)owner)->jetstream);
}

static void let_go_received(void *owner, uint64_t node, enum cluster_class class, struct bytes body)
{
    (void)node;
    (void)class;
    jetstream_halt(((struct jetstream_cluster *)owner)->jetstream);
    afresh_let_go(owner, body);
    jetstream_go_on(((struct jetstream_cluster *)owner)->jetstream);
}

static void belongs_received(void *owner, uint64_t node, enum cluster_class class,
                             struct bytes body)
{
    (void)class;
    jetstream_halt(((struct jetstream_cluster *)owner)->jetstream);
    outsider_asked(owner, node, body);
    jetstream_go_on(((struct jetstream_cluster *)owner)->jetstream);
}

static void outside_received(void *owner, uint64_t node, enum cluster_class class,
                             struct bytes body)
{
    (void)node;
    (void)class;
    jetstream_halt(((struct jetstream_cluster *)owner)->jetstream);
    outsider_told(owner, body);
    jetstream_go_on(((struct jetstream_cluster *)owner)->jetstream);
}

/* ---- life ----------------------------------------------------------------------------------- */

struct jetstream_cluster *jetstream_cluster_create(struct jetstream *jetstream)
{
    static const struct {
        uint8_t kind;
        cluster_handler_fn *handler;
    } handlers[] = {
        {CLUSTER_RAFT, raft_received},
        {JETSTREAM_HELLO, hello_received},
        {JETSTREAM_BOOTSTRAP, bootstrap_received},
        {JETSTREAM_LEADER, leader_received},
        {JETSTREAM_REFUSED, refusal_received},
        {JETSTREAM_FORWARD, message_received},
        {JETSTREAM_CHANGED, change_received},
        {JETSTREAM_GONE, gone_received},
        {JETSTREAM_ASK, ask_received},
        {JETSTREAM_TELL, tell_received},
        {JETSTREAM_WHO, who_received},
        {JETSTREAM_HOLDING, held_received},
        {JETSTREAM_EXPELLED, expelled_received},
        {JETSTREAM_UNLED, unled_received},
        {JETSTREAM_SURVEY, survey_received},
        {JETSTREAM_LEFT, left_received},
        {JETSTREAM_LET_GO, let_go_received},
        {JETSTREAM_BELONGS, belongs_received},
        {JETSTREAM_OUTSIDE, outside_received},
    };
    struct cluster *links = server_cluster(jetstream->server);
    struct jetstream_cluster *cluster;

    if (links == NULL)
        return NULL;
    cluster = HEAP_NEW(struct jetstream_cluster);
    cluster->jetstream = jetstream;
    cluster->cluster = links;
    cluster->transport = cluster_transport(links);
    cluster->form.fire = form_fired;
    cluster->waiting_timer.fire = forward_fired;
    cluster->gather_timer.fire = gather_fired;
    cluster->watcher = (struct cluster_watcher){.up = node_up, .down = node_down};
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++)
        cluster_subscribe(links, handlers[i].kind, handlers[i].handler, cluster);
    cluster_watch(links, &cluster->watcher);
    holding_begin(cluster);
    return cluster;
}

void jetstream_cluster_destroy(struct jetstream_cluster *cluster)
{
    holding_end(cluster);
    form_drop(cluster);
    forward_free(cluster);
    gather_free(cluster);
    for (unsigned i = 0; i < CLUSTER_NODES_MAX; i++)
        heap_give((void *)cluster->nodes[i].name.at);
    heap_give(cluster);
}

const struct transport *jetstream_cluster_transport(struct jetstream_cluster *cluster)
{
    return cluster != NULL ? &cluster->transport : NULL;
}

bool jetstream_cluster_busy(const struct jetstream_cluster *cluster)
{
    return cluster != NULL && (cluster->look || cluster->gathers != NULL);
}

void jetstream_cluster_turn(struct jetstream_cluster *cluster)
{
    if (cluster == NULL)
        return;
    form_turn(cluster);
    forward_turn(cluster);
    gather_turn(cluster);
}

/* ---- names ---------------------------------------------------------------------------------- */

struct bytes jetstream_cluster_name(const struct jetstream *jetstream)
{
    return jetstream->cluster != NULL
               ? cluster_name(jetstream->cluster->cluster)
               : cluster_options_name(&server_options(jetstream->server)->cluster);
}

struct bytes jetstream_node_name(struct jetstream *jetstream, uint64_t node)
{
    const struct node_state *found = jetstream->cluster != NULL && node != 0
                                         ? cluster_node_state(jetstream->cluster, node)
                                         : NULL;

    if (node == groups_self(jetstream->home->groups).node)
        return bytes_of_text(server_name(jetstream->server));
    return found != NULL ? found->name : BYTES("Server name unknown at this time");
}

uint64_t jetstream_node_named(struct jetstream *jetstream, struct bytes name)
{
    const struct cluster_node *node;

    if (bytes_equal(name, bytes_of_text(server_name(jetstream->server))))
        return groups_self(jetstream->home->groups).node;
    if (jetstream->cluster == NULL)
        return 0;
    for (size_t at = 0; (node = cluster_next(jetstream->cluster->cluster, &at)) != NULL;) {
        if (bytes_equal(node->name, name))
            return node->id;
    }
    return 0;
}

struct replica *jetstream_meta(struct jetstream *jetstream)
{
    return jetstream->meta;
}
