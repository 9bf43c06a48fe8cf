/*
 * Modes of many: idle connections, subscriptions. What they cost is memory; the time is told too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bench/load.h"
#include "bench/names.h"
#include "bench/watch.h"

#define SUBS_PROBED 1000u

static void files_allow(uint64_t count)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        die("getrlimit failed");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < count + 32)
        die("%llu connections need more open files than allowed", (unsigned long long)count);
}

/* Memory before and after, shared out; a server that shrank meanwhile counts as zero. */
static uint64_t memory_now(const struct load *load)
{
    return load_rss_anon(load);
}

static void memory_share(struct load *load, uint64_t before, uint64_t items)
{
    uint64_t after = memory_now(load);

    load->result.items = items;
    load->result.item_bytes = after > before ? (double)(after - before) / (double)items : 0;
}

void run_idle(struct load *load, const struct mode *mode)
{
    uint64_t count = load->options.connections ? load->options.connections : 1000;
    uint64_t before;

    (void)mode;
    files_allow(count);
    load_clients(load, (uint32_t)count + 1);
    client_open(load, client_no_message, NULL); /* what the first one brings is not its own */
    before = memory_now(load);

    phase_begin(load);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t begun = clock_ns();

        client_open(load, client_no_message, NULL);
        hist_add(&load->result.latency, load->now - begun);
    }
    phase_end(load);
    load->result.messages = count;
    memory_share(load, before, count);

    for (uint32_t i = 0; i < load->client_count; i++)
        client_barrier(&load->clients[i]);
}

/* Counts the probes that came back, each on the subscription it was sent to. */
static void probe_message(struct client *client, const struct frame *frame)
{
    uint64_t *probed = client->context;
    char expected[64];
    uint64_t sid;

    if (!span_u64(frame->sid, &sid)) {
        load_error(client->load, "a message without sid");
        return;
    }
    snprintf(expected, sizeof expected, SUBJECT_SUBS "%u.%llu", client->index,
             (unsigned long long)sid);
    if (!span_equal(frame->subject, span_of(expected)))
        load_error(client->load, "%.*s where %s was due", (int)frame->subject.size,
                   frame->subject.at, expected);
    (*probed)++;
}

static void subs_send(struct load *load, uint64_t each)
{
    char subject[64];

    for (uint64_t sid = 1; sid <= each; sid++) {
        for (uint32_t i = 0; i < load->client_count; i++) {
            struct client *client = &load->clients[i];

            while (!client_room(client, 128))
                load_turn(load);
            snprintf(subject, sizeof subject, SUBJECT_SUBS "%u.%llu", i, (unsigned long long)sid);
            client_subscribe(client, subject, sid);
        }
    }
    for (uint32_t i = 0; i < load->client_count; i++)
        client_barrier(&load->clients[i]);
}

/* Some subscriptions, spread over all, must each get the one message sent to them. */
static void subs_probe(struct load *load, uint64_t each, const uint64_t *probed)
{
    struct span none = {0};
    char subject[64];
    uint64_t sent = 0;

    for (uint64_t sid = 1; sid <= each; sid += each / SUBS_PROBED + 1) {
        snprintf(subject, sizeof subject, SUBJECT_SUBS "%llu.%llu",
                 (unsigned long long)(sid % load->client_count), (unsigned long long)sid);
        client_publish(&load->clients[0], span_of(subject), none, span_of("probe"));
        sent++;
    }
    while (*probed < sent)
        load_turn(load);
    for (uint32_t i = 0; i < load->client_count; i++)
        client_barrier(&load->clients[i]);
    if (*probed != sent)
        load_error(load, "%llu probes came back %llu times", (unsigned long long)sent,
                   (unsigned long long)*probed);
}

void run_subs(struct load *load, const struct mode *mode)
{
    uint64_t connections = load->options.connections ? load->options.connections : 10;
    uint64_t each = load->options.subscriptions / connections;
    uint64_t probed = 0;
    uint64_t before;

    (void)mode;
    files_allow(connections);
    load_clients(load, (uint32_t)connections);
    for (uint64_t i = 0; i < connections; i++)
        client_open(load, probe_message, &probed);
    before = memory_now(load);

    phase_begin(load);
    subs_send(load, each);
    phase_end(load);
    load->result.messages = each * connections;
    memory_share(load, before, each * connections);
    subs_probe(load, each, &probed);
}
