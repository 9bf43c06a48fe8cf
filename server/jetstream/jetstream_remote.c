/*
 * jetstream_remote: a stream that is not led on this node: what clients of this node publish for
 * it, ask of it and ack is taken here and goes to its leader.
 */
#include "base/heap.h"
#include "server/jetstream/jetstream_cluster_priv.h"
#include "server/router/message_trace.h"

struct remote {
    struct jetstream *jetstream;
    struct account *account;
    const struct catalogue_entry *entry;
    uint64_t id;
    uint64_t version; /* of the config whose subjects are taken */
    struct sink **sinks;
    size_t count;
};

/* The leader does not tell of it. */
static void take_unfollowed(const struct remote *remote, struct message *sent,
                            struct trace_egress *egress)
{
    struct buf headers;

    if (!message_trace_unfollowed(sent->trace, egress))
        return;
    sent->headers = trace_headers_set(sent->headers, TRACE_DEST, TRACE_DISABLED, false, &headers);
    (void)jetstream_forward(remote->jetstream, remote->account, remote->id, sent);
    buf_deinit(&headers);
}

/* It is another message at the leader: one hop on. Who leads may have changed when it goes. */
static void take_traced(const struct remote *remote, struct message *sent)
{
    struct trace_egress egress = {.to = {.kind = TRACE_ROUTE}};
    struct buf headers;
    bool traces;

    egress.to.name = forward_name(remote->jetstream->cluster, remote->id, &egress.to.id, &traces);
    if (!traces || message_trace_exported(sent->trace) == TRACE_EXPORTED_UNTRACED) {
        take_unfollowed(remote, sent, &egress);
        return;
    }
    sent->headers = message_trace_hop(sent->trace, sent->headers, &headers, &egress.hop);
    (void)jetstream_forward(remote->jetstream, remote->account, remote->id, sent);
    message_trace_left(sent->trace, &egress);
    buf_deinit(&headers);
}

static void take(void *owner, const struct message *message)
{
    struct remote *remote = owner;
    struct message sent = *message;

    sent.subject = message_sent_to(message);
    sent.route = bytes_of(NULL, 0);
    if (message->trace != NULL)
        take_traced(remote, &sent);
    else
        (void)jetstream_forward(remote->jetstream, remote->account, remote->id, &sent);
}

/* It may lead already, and home not have heard of it: then it takes what comes itself. */
static bool takes(void *owner, const struct message *message)
{
    const struct remote *remote = owner;

    (void)message;
    return !jetstream_leads_here(remote->entry);
}

/* What is published: a stream that led for a moment only, of which home has not heard, keeps it for
 * the next leader until then. Taken twice it would be stored twice. */
static bool takes_published(void *owner, const struct message *message)
{
    const struct remote *remote = owner;

    return takes(owner, message) && !jetstream_keeps_here(remote->entry);
}

static struct sink *add(struct remote *remote, struct bytes subject, struct bytes queue)
{
    struct sink *sink = router_sink_add(server_router(remote->jetstream->server), remote->account,
                                        subject, queue, take, remote);

    router_sink_choose(sink, takes);
    remote->sinks[remote->count++] = sink;
    return sink;
}

/* $JS.API.CONSUMER.MSG.NEXT.<stream>.>, and so on. */
static void add_named(struct remote *remote, const char *prefix, struct bytes name,
                      const char *suffix, struct bytes queue)
{
    struct buf subject;

    buf_init(&subject, 1024);
    (void)buf_add(&subject, bytes_of_text(prefix));
    (void)buf_add(&subject, name);
    (void)buf_add(&subject, bytes_of_text(suffix));
    (void)add(remote, buf_bytes(&subject), queue);
    buf_deinit(&subject);
}

static void remove_sinks(struct remote *remote)
{
    for (size_t i = 0; i < remote->count; i++)
        router_sink_remove(server_router(remote->jetstream->server), remote->sinks[i]);
    heap_give(remote->sinks);
    remote->sinks = NULL;
    remote->count = 0;
}

static void add_sinks(struct remote *remote, const struct stream_config *config)
{
    struct bytes none = bytes_of(NULL, 0), get = BYTES("_sys_");
    char acks[JETSTREAM_ACK_PREFIX_MAX];

    remote->sinks = heap_take(sizeof(struct sink *) * (config->subjects.count + 8));
    for (size_t i = 0; i < config->subjects.count; i++)
        router_sink_choose(add(remote, config->subjects.at[i], none), takes_published);
    add_named(remote, "$JS.API.CONSUMER.MSG.NEXT.", config->name, ".>", none);
    add_named(remote, "$JS.ACK.", config->name, ".>", none);
    jetstream_ack_prefix(remote->jetstream, remote->account, acks);
    add_named(remote, acks, config->name, ".>", none);
    add_named(remote, "$JS.FC.", config->name, ".>", none);
    add_named(remote, "$JS.SNAPSHOT.ACK.", config->name, ".>", none);
    add_named(remote, "$JS.SNAPSHOT.RESTORE.", config->name, ".>", none);
    if (!config->allow_direct)
        return;
    add_named(remote, "$JS.API.DIRECT.GET.", config->name, "", get);
    add_named(remote, "$JS.API.DIRECT.GET.", config->name, ".>", get);
}

void remote_close(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    (void)jetstream;
    if (entry->remote == NULL)
        return;
    remove_sinks(entry->remote);
    heap_give(entry->remote);
    entry->remote = NULL;
}

void remote_look(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    struct remote *remote = entry->remote;

    if (jetstream->cluster == NULL || entry->removed || !entry->readable ||
        jetstream_leads_here(entry)) {
        remote_close(jetstream, entry);
        return;
    }
    if (remote != NULL && remote->version == entry->version)
        return;
    if (remote == NULL) {
        remote = HEAP_NEW(struct remote);
        remote->jetstream = jetstream;
        remote->entry = entry;
        remote->account = router_account(server_router(jetstream->server), entry->assigned.account);
        remote->id = entry->assigned.id;
        if (remote->account == NULL) {
            heap_give(remote);
            return;
        }
        entry->remote = remote;
    }
    remove_sinks(remote);
    remote->version = entry->version;
    add_sinks(remote, &entry->config);
}
