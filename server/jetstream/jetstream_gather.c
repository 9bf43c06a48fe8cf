/* jetstream_gather: what the leaders of several streams say of them, for lists. */
#include "base/codec.h"
#include "base/heap.h"
#include "base/owner.h"
#include "server/api/api.h"
#include "server/jetstream/jetstream_cluster_priv.h"

#define ASK_SIZE    24u
#define TELL_HEAD   16u
#define TELL_MAX    (16u << 20)
#define DEADLINE_NS INT64_C(2000000000)

static void write_entry(struct jetstream *jetstream, struct catalogue_entry *entry, struct buf *out)
{
    struct account *account =
        router_account(server_router(jetstream->server), entry->assigned.account);

    if (account != NULL)
        api_list_entry(jetstream->api, account, entry->stream, out);
}

static bool led_here(const struct catalogue_entry *entry)
{
    return entry != NULL && entry->stream != NULL && stream_applied(entry->stream)->configured &&
           stream_leads(entry->stream);
}

/* A server on its own knows what its streams are before it has elected itself at their heads: right
 * after its start nothing is missing. */
static bool known_here(const struct jetstream *jetstream, const struct catalogue_entry *entry)
{
    return led_here(entry) || (jetstream->cluster == NULL && entry->stream != NULL &&
                               stream_applied(entry->stream)->configured &&
                               replica_whole(stream_replica(entry->stream)));
}

/* True: it is in, or will not come. */
static bool take_here(struct jetstream *jetstream, struct jetstream_gather *gather, size_t place)
{
    struct catalogue_entry *entry = catalogue_find(&jetstream->catalogue, gather->ids[place]);
    struct buf out;

    if (entry == NULL)
        return true;
    jetstream_entry_is_still(jetstream, entry);
    if (!known_here(jetstream, entry))
        return false;
    buf_init(&out, TELL_MAX);
    write_entry(jetstream, entry, &out);
    gather->infos[place] = arena_copy(gather->arena, buf_bytes(&out));
    buf_deinit(&out);
    return true;
}

static bool ask(struct jetstream_cluster *cluster, const struct jetstream_gather *gather,
                size_t place)
{
    const struct catalogue_entry *entry =
        catalogue_find(&cluster->jetstream->catalogue, gather->ids[place]);
    uint8_t memory[ASK_SIZE], *at = memory;
    struct bytes body = bytes_of(memory, sizeof memory);

    at = encode_u64(at, gather->number);
    at = encode_u64(at, place);
    (void)encode_u64(at, gather->ids[place]);
    return entry->leader != 0 &&
           cluster_send(cluster->cluster, entry->leader, JETSTREAM_ASK, CLUSTER_MESSAGES, &body, 1);
}

void jetstream_gather(struct jetstream *jetstream, struct jetstream_gather *gather)
{
    struct jetstream_cluster *cluster = jetstream->cluster;

    gather->missing = 0;
    gather->number = cluster != NULL ? ++cluster->gather_number : 0;
    for (size_t i = 0; i < gather->count; i++) {
        if (!take_here(jetstream, gather, i) && cluster != NULL && ask(cluster, gather, i))
            gather->missing++;
    }
    if (gather->missing == 0) {
        gather->done(gather);
        return;
    }
    gather->deadline_ns = io_now(server_io(jetstream->server)) + DEADLINE_NS;
    gather->next = cluster->gathers;
    cluster->gathers = gather;
    timers_arm(io_timers(server_io(jetstream->server)), &cluster->gather_timer,
               gather->deadline_ns);
}

void gather_asked(struct jetstream_cluster *cluster, uint64_t node, struct bytes body)
{
    struct catalogue_entry *entry;
    struct decoder in;
    struct bytes head = bytes_take(body, TELL_HEAD < body.size ? TELL_HEAD : body.size), answer;
    struct buf out;

    decoder_init(&in, body);
    (void)decode_bytes(&in, TELL_HEAD);
    entry = catalogue_find(&cluster->jetstream->catalogue, decode_u64(&in));
    if (entry != NULL)
        jetstream_entry_is_still(cluster->jetstream, entry);
    if (in.failed || !led_here(entry))
        return;
    buf_init(&out, TELL_MAX);
    (void)buf_add(&out, head);
    write_entry(cluster->jetstream, entry, &out);
    answer = buf_bytes(&out);
    (void)cluster_send(cluster->cluster, node, JETSTREAM_TELL, CLUSTER_MESSAGES, &answer, 1);
    buf_deinit(&out);
}

void gather_told(struct jetstream_cluster *cluster, struct bytes body)
{
    struct jetstream_gather *gather = cluster->gathers;
    uint64_t number, place;
    struct decoder in;

    decoder_init(&in, body);
    number = decode_u64(&in);
    place = decode_u64(&in);
    while (gather != NULL && gather->number != number)
        gather = gather->next;
    if (in.failed || gather == NULL || place >= gather->count || gather->infos[place].size > 0)
        return;
    gather->infos[place] = arena_copy(gather->arena, in.rest);
    gather->missing--;
    jetstream_awake(cluster->jetstream);
}

/* Those that are complete or late. */
static struct jetstream_gather *take_ended(struct jetstream_cluster *cluster, int64_t now)
{
    for (struct jetstream_gather **at = &cluster->gathers; *at != NULL; at = &(*at)->next) {
        struct jetstream_gather *gather = *at;

        if (gather->missing > 0 && gather->deadline_ns > now)
            continue;
        *at = gather->next;
        return gather;
    }
    return NULL;
}

void gather_turn(struct jetstream_cluster *cluster)
{
    struct io *io = server_io(cluster->jetstream->server);
    struct jetstream_gather *gather;

    while ((gather = take_ended(cluster, io_now(io))) != NULL)
        gather->done(gather);
    if (cluster->gathers != NULL && !timer_armed(&cluster->gather_timer))
        timers_arm(io_timers(io), &cluster->gather_timer, cluster->gathers->deadline_ns);
}

void gather_fired(struct timer *timer)
{
    (void)timer; /* its only purpose is that the loop turns */
}

void gather_free(struct jetstream_cluster *cluster)
{
    timers_cancel(io_timers(server_io(cluster->jetstream->server)), &cluster->gather_timer);
    while (cluster->gathers != NULL) {
        struct jetstream_gather *gather = cluster->gathers;

        cluster->gathers = gather->next;
        gather->done(gather);
    }
}
