/*
 * load: a load generator that speaks the raw protocol to any server and measures it.
 *
 *     load MODE --port PORT [--server PID] [options]        see usage() below
 *
 * One process, one thread, one epoll loop. It links nothing of the servers it measures. Messages
 * are written and read in bulk, so that on a machine of two cores the server is the slow part; the
 * result says how busy the load generator was, and a value near 100 % says that the server was not.
 *
 * What each mode measures, and why it is fair:
 *
 *   pub       One connection publishes a constant message that nobody subscribes to; a PONG at the
 *             end says that the server has handled the last one. Pure parsing: nothing can be
 *             skipped, as the PONG follows in the same byte stream.
 *   fan1      One publisher, one and four subscribers on connections of their own. Every delivery
 *   fan4      counts; each subscriber checks that it gets each message once, in order. The
 *             publisher stays a window ahead of the slowest subscriber, so no server is punished
 *             or rewarded for how it treats slow consumers. Latency is publish to delivery.
 *   reqrep1   A requester and a responder on connections of their own, replies to an inbox behind
 *   reqrepw   a wildcard as real clients do; with one request in flight and with a window. The
 *             former measures latency: every message is a wake-up for everybody.
 *   jspub1    Publishes into a stream in files, with one in flight and with a window, each with
 *   jspubw    its own reply inbox. Every ack is checked: no error, and the sequence that this
 *             message must have. At the end the stream must hold as many messages as were
 *             acknowledged. Latency is publish to ack. What an ack promises is the server's
 *             affair: docs/benchmarks.md says what each one promises.
 *   replay    A push consumer reads a stream from the start, without acks and with flow control,
 *             configured as clients configure their ordered readers; flow control requests and
 *             stalled heartbeats are answered. Both sequences of every message are checked. The
 *             stream was just written, so all servers read from memory what they keep there or in
 *             the page cache. Latency is from asking for the consumer to its first message.
 *   pull      A durable pull consumer with explicit acks; several requests are outstanding, every
 *             message is acknowledged, and the phase ends when the consumer reports that all are.
 *             Latency is from a request to the last message of its worth.
 *   dget1     Direct gets by subject of keys spread over a stream, with one in flight and with a
 *   dgetw     window; each answer is checked to be of the key asked for.
 *   idle      Connections that have been greeted and answered, and do nothing: anonymous memory of
 *             each, after one was there already. Latency is connect to PONG.
 *   subs      Subscriptions of distinct subjects on few connections: memory of each, and the time
 *             until all are in force. Some of them are then proven to work.
 *   start     From starting the program with an empty store to the first PONG.
 *
 * CPU and memory of the server are read by this program itself (watch.h) at the very ends of the
 * phase, so neither set-up nor tear-down counts.
 *
 * The result is one line of JSON on stdout. The exit status is 1 if anything was wrong.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench/load.h"
#include "bench/names.h"
#include "bench/watch.h"

static const struct mode modes[] = {
    {"pub", run_pub, 0, 0},         {"fan1", run_fan, 4096, 1},       {"fan4", run_fan, 4096, 4},
    {"reqrep1", run_reqrep, 1, 0},  {"reqrepw", run_reqrep, 1000, 0}, {"jspub1", run_jspub, 1, 0},
    {"jspubw", run_jspub, 1000, 0}, {"replay", run_replay, 0, 0},     {"pull", run_pull, 0, 0},
    {"dget1", run_dget, 1, 0},      {"dgetw", run_dget, 256, 0},      {"idle", run_idle, 0, 0},
    {"subs", run_subs, 0, 0},       {"start", run_start, 0, 0},
};

#define MODE_COUNT (sizeof modes / sizeof modes[0])

[[gnu::noreturn]] static void usage(void)
{
    fputs("usage: load MODE --port PORT [options] [-- COMMAND...]\n"
          "  --address A        of the server (127.0.0.1)\n"
          "  --server PID       whose CPU and memory are measured; several: the sum\n"
          "  --seconds S        length of the phase where time bounds it (2)\n"
          "  --messages N       messages to send; for replay and pull: in the stream (200000)\n"
          "  --deadline S       end with an error after this (seconds + 60)\n"
          "  --window N         messages in flight\n"
          "  --size N           bytes of a payload (128)\n"
          "  --batch N          messages of a pull request (100)\n"
          "  --requests N       pull requests outstanding (4)\n"
          "  --connections N    of idle (1000) and subs (10)\n"
          "  --subscriptions N  of subs, in all (100000)\n"
          "  --keys N           of dget (10000)\n"
          "  --replicas N       of the stream (1)\n"
          "  COMMAND            starts the server; mode start only\n"
          "modes:",
          stderr);
    for (size_t i = 0; i < MODE_COUNT; i++)
        fprintf(stderr, " %s", modes[i].name);
    fputc('\n', stderr);
    exit(2);
}

static const struct mode *mode_find(const char *name)
{
    for (size_t i = 0; i < MODE_COUNT; i++) {
        if (strcmp(modes[i].name, name) == 0)
            return &modes[i];
    }
    usage();
}

static double number_of(const char *text)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || !(value >= 0) || value > 1e15)
        usage();
    return value;
}

static uint64_t count_of(const char *text)
{
    return (uint64_t)number_of(text);
}

static void add_server(struct options *options, pid_t pid)
{
    if (options->server_count == SERVERS_MAX)
        usage();
    options->servers[options->server_count++] = pid;
}

static void read_options(struct options *options, int argc, char **argv)
{
    static const struct option names[] = {
        {"address", required_argument, NULL, 'a'},
        {"port", required_argument, NULL, 'p'},
        {"server", required_argument, NULL, 'P'},
        {"seconds", required_argument, NULL, 's'},
        {"messages", required_argument, NULL, 'm'},
        {"deadline", required_argument, NULL, 'd'},
        {"window", required_argument, NULL, 'w'},
        {"size", required_argument, NULL, 'z'},
        {"batch", required_argument, NULL, 'b'},
        {"requests", required_argument, NULL, 'r'},
        {"connections", required_argument, NULL, 'c'},
        {"subscriptions", required_argument, NULL, 'u'},
        {"keys", required_argument, NULL, 'k'},
        {"replicas", required_argument, NULL, 'R'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 'a': options->address = optarg; break;
        case 'p': options->port = (unsigned)count_of(optarg); break;
        case 'P': add_server(options, (pid_t)count_of(optarg)); break;
        case 'R': options->replicas = count_of(optarg); break;
        case 's': options->seconds = number_of(optarg); break;
        case 'm': options->messages = count_of(optarg); break;
        case 'd': options->deadline = number_of(optarg); break;
        case 'w': options->window = count_of(optarg); break;
        case 'z': options->size = count_of(optarg); break;
        case 'b': options->batch = count_of(optarg); break;
        case 'r': options->requests = count_of(optarg); break;
        case 'c': options->connections = count_of(optarg); break;
        case 'u': options->subscriptions = count_of(optarg); break;
        case 'k': options->keys = count_of(optarg); break;
        default: usage();
        }
    }
    if (optind < argc)
        options->command = &argv[optind];
}

static void check_options(struct options *options)
{
    if (options->port == 0 || options->port > 65535 || options->keys == 0)
        usage();
    if (options->size == 0 || options->size > PAYLOAD_SIZE_MAX)
        usage();
    if (options->connections > 60000 || options->seconds == 0)
        usage();
    if (options->deadline == 0)
        options->deadline = options->seconds + 60;
}

static uint64_t own_cpu_ns(void)
{
    return watch_cpu_ns(getpid());
}

static uint64_t servers_sum(const struct options *options, uint64_t (*watch)(pid_t))
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < options->server_count; i++)
        sum += watch(options->servers[i]);
    return sum;
}

uint64_t load_rss_anon(const struct load *load)
{
    return servers_sum(&load->options, watch_rss_anon);
}

void phase_begin(struct load *load)
{
    struct result *result = &load->result;

    result->machine_cpu_ns = watch_machine_ns();
    result->load_cpu_ns = own_cpu_ns();
    result->server_cpu_ns = servers_sum(&load->options, watch_cpu_ns);
    load->now = clock_ns();
    result->time_ns = load->now;
    load->phase_end = load->now + (uint64_t)(load->options.seconds * 1e9);
}

void phase_end(struct load *load)
{
    struct result *result = &load->result;

    result->time_ns = clock_ns() - result->time_ns;
    result->load_cpu_ns = own_cpu_ns() - result->load_cpu_ns;
    result->machine_cpu_ns = watch_machine_ns() - result->machine_cpu_ns;
    result->server_cpu_ns = servers_sum(&load->options, watch_cpu_ns) - result->server_cpu_ns;
    result->rss_anon = load_rss_anon(load);
    result->rss = servers_sum(&load->options, watch_rss);
}

/* With fewer samples than `least` the quantile would be the maximum under another name. */
static void print_quantile(const struct result *result, const char *key, double quantile,
                           uint64_t least)
{
    if (result->latency.count >= least)
        printf(",\"%s\":%.3f", key, (double)hist_quantile(&result->latency, quantile) / 1e3);
}

static void print_result(const struct load *load, const char *mode)
{
    const struct result *result = &load->result;
    double seconds = (double)result->time_ns / 1e9;

    printf("{\"mode\":\"%s\",\"messages\":%llu,\"seconds\":%.6f,\"rate\":%.1f,\"errors\":%llu",
           mode, (unsigned long long)result->messages, seconds, (double)result->messages / seconds,
           (unsigned long long)result->errors);
    printf(",\"samples\":%llu", (unsigned long long)result->latency.count);
    print_quantile(result, "p50_us", 0.5, 1);
    print_quantile(result, "p99_us", 0.99, 100);
    print_quantile(result, "p999_us", 0.999, 1000);
    if (result->rss > 0)
        printf(",\"server_cpu_s\":%.6f,\"rss_anon\":%llu,\"rss\":%llu",
               (double)result->server_cpu_ns / 1e9, (unsigned long long)result->rss_anon,
               (unsigned long long)result->rss);
    if (result->items > 0)
        printf(",\"items\":%llu,\"item_bytes\":%.1f", (unsigned long long)result->items,
               result->item_bytes);
    printf(",\"load_cpu_s\":%.6f,\"machine_cpu_s\":%.6f}\n", (double)result->load_cpu_ns / 1e9,
           (double)result->machine_cpu_ns / 1e9);
}

static void load_deinit(struct load *load)
{
    for (uint32_t i = 0; i < load->client_count; i++)
        conn_deinit(&load->clients[i].conn);
    free(load->clients);
    close(load->epoll);
}

int main(int argc, char **argv)
{
    struct load *load = calloc(1, sizeof *load);
    const struct mode *mode;
    int status;

    if (argc < 2)
        usage();
    if (!load)
        die("no memory");
    mode = mode_find(argv[1]);
    load->options = (struct options){.address = "127.0.0.1",
                                     .seconds = 2,
                                     .size = 128,
                                     .batch = 100,
                                     .requests = 4,
                                     .subscriptions = 100000,
                                     .keys = 10000,
                                     .replicas = 1};
    read_options(&load->options, argc - 1, argv + 1);
    check_options(&load->options);
    memset(load->payload, 'x', sizeof load->payload);
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (load->epoll < 0)
        die("epoll: %s", strerror(errno));
    load->deadline = clock_ns() + (uint64_t)(load->options.deadline * 1e9);

    mode->run(load, mode);
    print_result(load, mode->name);
    status = load->result.errors > 0;
    load_deinit(load);
    free(load);
    return status;
}
