/*
 * What a published message costs the program itself: a client core is fed with lines, without
 * sockets, and what it makes its receivers write is thrown away.
 *
 *     build/tests/cost/publish [receivers [payload [subjects [rounds]]]]
 *
 * Processor time per message of the quickest round; on a busy machine the instructions that
 * `valgrind --tool=callgrind` counts are steadier (docs/benchmarks.md).
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/heap.h"
#include "server/clients/client.h"
#include "server/router/router_priv.h"

#define PIECE    (32u << 10) /* as the server receives them */
#define MESSAGES 20000u

struct rig {
    struct options options;
    struct info info;
    struct logger logger;
    struct clients clients;
    struct client publisher, *receivers;
    size_t receivers_count;
};

static double cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void say(struct client *client, const char *text)
{
    client_feed(client, bytes_of_text(text), 0);
}

static void line_drop(void *context, struct bytes line)
{
    (void)context;
    (void)line;
}

static void rig_init(struct rig *rig, size_t receivers)
{
    options_default(&rig->options);
    rig->logger.line = line_drop;
    rig->info.name = rig->info.host = "cost";
    rig->info.max_payload = rig->options.max_payload;
    clients_init(&rig->clients, &rig->options, &rig->info, &rig->logger, 1);
    rig->clients.router = router_create(&rig->clients, 2);
    rig->clients.account = router_account_default(rig->clients.router);
    client_init(&rig->publisher, &rig->clients, "127.0.0.1", 1, NULL, 0);
    say(&rig->publisher, "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n");
    rig->receivers = heap_take(receivers * sizeof(struct client) + 1);
    rig->receivers_count = receivers;
    for (size_t i = 0; i < receivers; i++) {
        client_init(&rig->receivers[i], &rig->clients, "127.0.0.1", 1, NULL, 0);
        say(&rig->receivers[i], "CONNECT {\"verbose\":false}\r\nSUB bench.> 1\r\n");
    }
}

static void lines_write(struct buf *lines, size_t payload, unsigned subjects)
{
    char line[64];

    buf_init(lines, SIZE_MAX / 2);
    for (unsigned i = 0; i < MESSAGES; i++) {
        snprintf(line, sizeof line, "PUB bench.subject.%04u %zu\r\n", i % subjects, payload);
        (void)buf_add(lines, bytes_of_text(line));
        memset(buf_reserve(lines, payload), 'x', payload);
        buf_commit(lines, payload);
        (void)BUF_ADD(lines, "\r\n");
    }
}

static void drain(struct rig *rig)
{
    struct client *client;

    while ((client = clients_dirty_next(&rig->clients)) != NULL)
        client->out.size = 0;
}

static double round_run(struct rig *rig, struct bytes lines)
{
    double begin = cpu_ns();

    while (lines.size > 0) {
        struct bytes piece = bytes_take(lines, lines.size < PIECE ? lines.size : PIECE);

        client_feed(&rig->publisher, piece, 0);
        drain(rig);
        lines = bytes_skip(lines, piece.size);
    }
    return (cpu_ns() - begin) / MESSAGES;
}

static unsigned long argument(int argc, char **argv, int at, unsigned long otherwise)
{
    return argc > at ? strtoul(argv[at], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    unsigned long receivers = argument(argc, argv, 1, 0), payload = argument(argc, argv, 2, 128);
    unsigned long subjects = argument(argc, argv, 3, 1), rounds = argument(argc, argv, 4, 100);
    static struct rig rig;
    struct buf lines;
    double best = 1e18;

    rig_init(&rig, receivers);
    lines_write(&lines, payload, (unsigned)subjects);
    for (unsigned long i = 0; i < rounds; i++) {
        double ns = round_run(&rig, buf_bytes(&lines));

        best = ns < best ? ns : best;
    }
    printf("%lu receivers, %lu bytes, %lu subjects: %.1f ns a message\n", receivers, payload,
           subjects, best);
    return 0;
}
