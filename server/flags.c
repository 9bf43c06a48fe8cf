#include "server/flags.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/heap.h"
#include "server/cluster/route_url.h"

const char flags_usage[] =
    "\n"
    "Usage: nats-server [options]\n"
    "\n"
    "Millrace " MILLRACE_VERSION ", a persistent streaming server that speaks the protocols of\n"
    "nats-server " NATS_VERSION " and takes its place on the command line.\n"
    "\n"
    "Server options:\n"
    "    -a, --addr, --net <host>         Address to listen on (default: 0.0.0.0)\n"
    "    -p, --port <port>                Port for clients, -1 for any free one (default: 4222)\n"
    "    -n, --name\n"
    "        --server_name <name>         Name of the server (default: its id)\n"
    "    -P, --pid <file>                 File to write the process id to\n"
    "    -m, --http_port <port>           Port for monitoring: /healthz and /varz\n"
    "        --ports_file_dir <dir>       Write <program>_<pid>.ports into this directory\n"
    "\n"
    "Logging options:\n"
    "    -l, --log <file>                 Log to a file; SIGUSR1 opens it again\n"
    "    -D, --debug                      Debug output\n"
    "    -V, --trace                      Trace the protocol\n"
    "    -DV                              Both\n"
    "\n"
    "JetStream options:\n"
    "    -js, --jetstream                 Turn JetStream on\n"
    "    -sd, --store_dir <dir>           Where it keeps its data\n"
    "\n"
    "Cluster options:\n"
    "        --cluster, --cluster_listen <url>  Listen for other nodes, \"nats://host:port\"\n"
    "        --cluster_name <name>        Name of the cluster\n"
    "        --routes <urls>              Nodes to link to, separated by commas\n"
    "        --cluster_advertise <addr>   Where other nodes reach this one\n"
    "        --connect_retries <n>        Attempts at nodes that others told of\n"
    "        --no_advertise               Tell clients of no other nodes\n"
    "        --client_advertise <addr>    What clients are told of this server\n"
    "\n"
    "Common options:\n"
    "    -h, --help                       Show this text\n"
    "    -v, --version                    Show the version of nats-server whose protocols these "
    "are\n"
    "\n"
    "Other options of nats-server are refused by name. Configuration files come with a later "
    "release.\n"
    "\n";

enum kind {
    KIND_TEXT,
    KIND_NUMBER,
    KIND_BOOL,
    KIND_TRUE, /* a bool that cannot be turned off */
    KIND_BOTH, /* debug and trace */
    KIND_POINTER,  /* a text that stays where it is */
    KIND_NUMBER64,
    KIND_CLUSTER,
    KIND_ROUTES,
    KIND_CONFIG,
    KIND_TEST_CONFIG,
    KIND_HELP,
    KIND_VERSION,
    KIND_REFUSED, /* takes a value */
    KIND_REFUSED_BOOL,
};

struct flag {
    const char *names; /* separated by blanks */
    enum kind kind;
    size_t offset; /* in struct options */
    size_t size;   /* text: of the field */
};

#define FIELD(field) offsetof(struct options, field)
#define TEXT(names, field)                                                                         \
    {                                                                                              \
        names, KIND_TEXT, FIELD(field), sizeof(((struct options *)NULL)->field)                    \
    }

static const struct flag table[] = {
    TEXT("a addr net", host),
    {"p port", KIND_NUMBER, FIELD(port), 0},
    TEXT("n name server_name", server_name),
    TEXT("P pid", pid_file),
    {"m http_port", KIND_NUMBER, FIELD(http_port), 0},
    TEXT("ports_file_dir", ports_file_dir),
    TEXT("l log", log_file),
    {"D debug", KIND_BOOL, FIELD(debug), 0},
    {"V trace VV", KIND_BOOL, FIELD(trace),
     0}, /* VV adds a system account, which we have none of */
    {"DV DVV", KIND_BOTH, 0, 0},
    {"T logtime", KIND_TRUE, 0, 0},
    {"js jetstream", KIND_BOOL, FIELD(jetstream), 0},
    TEXT("sd store_dir", store_dir),
    {"client_advertise", KIND_POINTER, FIELD(client_advertise), 0},
    {"cluster_name", KIND_POINTER, FIELD(cluster.name), 0},
    {"cluster_advertise", KIND_POINTER, FIELD(cluster.advertise), 0},
    {"no_advertise", KIND_BOOL, FIELD(cluster.no_advertise), 0},
    {"connect_retries", KIND_NUMBER64, FIELD(cluster.connect_retries), 0},
    {"cluster cluster_listen", KIND_CLUSTER, 0, 0},
    {"routes", KIND_ROUTES, 0, 0},
    {"c config", KIND_CONFIG, 0, 0},
    {"t", KIND_TEST_CONFIG, 0, 0},
    {"h help", KIND_HELP, 0, 0},
    {"v version", KIND_VERSION, 0, 0},
    {"logtime_utc s syslog tls tlsverify help_tls", KIND_REFUSED_BOOL, 0, 0},
    {"ms https_port sl signal r remote_syslog log_size_limit max_traced_msg_len "
     "user pass auth tlscert tlskey tlscacert profile",
     KIND_REFUSED, 0, 0},
};

/* One flag as it stands on the command line. */
struct word {
    const char *name;
    size_t size;
    const char *value; /* NULL: none */
    const struct flag *flag;
};

/* What was said besides values of options. */
struct seen {
    bool help;
    bool version;
    bool test_config;
};

static void fail(struct flags *flags, enum flags_verdict verdict, const char *format,
                 const struct word *word)
{
    flags->verdict = verdict;
    snprintf(flags->error, sizeof(flags->error), format, (int)(word->size < 60 ? word->size : 60),
             word->name);
}

/* The reference's words: invalid value "x" for flag -p: parse error. */
static void fail_value(struct flags *flags, const struct word *word, const char *kind)
{
    flags->verdict = FLAGS_BAD;
    snprintf(flags->error, sizeof(flags->error),
             "invalid %svalue \"%.60s\" for %s-%.*s: parse error", kind, word->value,
             *kind == 0 ? "flag " : "", (int)(word->size < 60 ? word->size : 60), word->name);
}

/* ---- one flag ---------------------------------------------------------------------------------
 */

static bool has_name(const char *names, const char *name, size_t size)
{
    while (*names != 0) {
        size_t length = strcspn(names, " ");

        if (length == size && memcmp(names, name, size) == 0)
            return true;
        names += length + (names[length] == ' ');
    }
    return false;
}

static const struct flag *find(const char *name, size_t size)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (has_name(table[i].names, name, size))
            return &table[i];
    }
    return NULL;
}

static bool takes_value(const struct flag *flag)
{
    switch (flag->kind) {
    case KIND_TEXT:
    case KIND_NUMBER:
    case KIND_NUMBER64:
    case KIND_POINTER:
    case KIND_CLUSTER:
    case KIND_ROUTES:
    case KIND_CONFIG:
    case KIND_REFUSED: return true;
    default: return false;
    }
}

static void set_text(struct flags *flags, const struct word *word)
{
    size_t size = strlen(word->value) + 1;

    if (size > word->flag->size)
        fail(flags, FLAGS_REFUSED, "the value of flag -%.*s is too long", word);
    else
        memcpy((char *)&flags->options + word->flag->offset, word->value, size);
}

static void set_number(struct flags *flags, const struct word *word)
{
    char *end;
    long number = strtol(word->value, &end, 10);

    if (word->value[0] == 0 || *end != 0 || number < INT_MIN || number > INT_MAX)
        fail_value(flags, word, "");
    else
        *(int *)((char *)&flags->options + word->flag->offset) = (int)number;
}

static void set_number64(struct flags *flags, const struct word *word)
{
    char *end;
    long long number = strtoll(word->value, &end, 10);

    if (word->value[0] == 0 || *end != 0)
        fail_value(flags, word, "");
    else
        *(int64_t *)((char *)&flags->options + word->flag->offset) = number;
}

/* Texts that a URL is cut into live as long as the process, like the command line. */
static const char *text_or_null(struct bytes b)
{
    return b.size > 0 ? heap_text(b) : NULL;
}

static void set_cluster(struct flags *flags, const struct word *word)
{
    struct cluster_options *cluster = &flags->options.cluster;
    struct route_url url;

    if (!route_url_read(bytes_of_text(word->value), &url) || url.port == 0) {
        fail(flags, FLAGS_REFUSED, "missing port in address of flag -%.*s", word);
        return;
    }
    cluster->configured = true;
    cluster->host = text_or_null(url.host);
    cluster->port = url.port;
    cluster->user = text_or_null(url.user);
    cluster->password = text_or_null(url.password);
}

static bool add_route(struct cluster_options *cluster, struct bytes text)
{
    struct cluster_route *route;
    struct route_url url;

    if (!route_url_read(text, &url) || url.host.size == 0 || url.port <= 0)
        return false;
    cluster->routes =
        heap_resize(cluster->routes, (cluster->routes_count + 1) * sizeof(*cluster->routes));
    route = &cluster->routes[cluster->routes_count++];
    *route = (struct cluster_route){
        .url = heap_text(text),
        .host = heap_text(url.host),
        .port = url.port,
        .user = text_or_null(url.user),
        .password = text_or_null(url.password),
    };
    return true;
}

static void set_routes(struct flags *flags, const struct word *word)
{
    struct bytes rest = bytes_of_text(word->value);

    while (rest.size > 0 && flags->verdict == FLAGS_SERVE) {
        size_t size = bytes_find(rest, ',');

        if (size > 0 && !add_route(&flags->options.cluster, bytes_trim(bytes_take(rest, size))))
            fail(flags, FLAGS_REFUSED, "a URL of flag -%.*s could not be parsed", word);
        rest = bytes_skip(rest, size < rest.size ? size + 1 : size);
    }
}

/* As Go's ParseBool has it; no value is true. */
static bool read_bool(struct flags *flags, const struct word *word, bool *value)
{
    static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"};
    static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False"};

    *value = true;
    if (word->value == NULL)
        return true;
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        *value = strcmp(word->value, yes[i]) == 0;
        if (*value || strcmp(word->value, no[i]) == 0)
            return true;
    }
    fail_value(flags, word, "boolean ");
    return false;
}

static void set(struct flags *flags, const struct word *word, struct seen *seen)
{
    bool on = true;

    if (!takes_value(word->flag) && !read_bool(flags, word, &on))
        return;
    switch (word->flag->kind) {
    case KIND_TEXT: set_text(flags, word); break;
    case KIND_NUMBER: set_number(flags, word); break;
    case KIND_NUMBER64: set_number64(flags, word); break;
    case KIND_POINTER:
        *(const char **)((char *)&flags->options + word->flag->offset) = word->value;
        break;
    case KIND_CLUSTER: set_cluster(flags, word); break;
    case KIND_ROUTES: set_routes(flags, word); break;
    case KIND_BOOL: *(bool *)((char *)&flags->options + word->flag->offset) = on; break;
    case KIND_BOTH: flags->options.debug = flags->options.trace = on; break;
    case KIND_CONFIG: flags->config_file = word->value; break;
    case KIND_TEST_CONFIG: seen->test_config = on; break;
    case KIND_HELP: seen->help = on; break;
    case KIND_VERSION: seen->version = on; break;
    case KIND_TRUE:
        if (!on)
            fail(flags, FLAGS_REFUSED, "flag -%.*s cannot be turned off in this release", word);
        break;
    case KIND_REFUSED_BOOL:
        if (on)
            fail(flags, FLAGS_REFUSED, "flag -%.*s is not supported in this release", word);
        break;
    case KIND_REFUSED:
        fail(flags, FLAGS_REFUSED, "flag -%.*s is not supported in this release", word);
        break;
    }
}

/* ---- the line ---------------------------------------------------------------------------------
 */

/* Takes the flag at *at; false when it is none, or not to be had. */
static bool read_word(struct flags *flags, int argc, char *const *argv, int *at, struct word *word)
{
    const char *text = argv[*at];

    word->name = text + 1 + (text[1] == '-');
    word->size = strcspn(word->name, "=");
    word->value = word->name[word->size] == '=' ? word->name + word->size + 1 : NULL;
    if (word->size == 0 || word->name[0] == '-') {
        flags->verdict = FLAGS_BAD;
        snprintf(flags->error, sizeof(flags->error), "bad flag syntax: %.60s", text);
        return false;
    }
    word->flag = find(word->name, word->size);
    if (word->flag == NULL) {
        fail(flags, FLAGS_BAD, "flag provided but not defined: -%.*s", word);
        return false;
    }
    if (word->value == NULL && takes_value(word->flag)) {
        if (*at + 1 == argc) {
            fail(flags, FLAGS_BAD, "flag needs an argument: -%.*s", word);
            return false;
        }
        word->value = argv[++*at];
    }
    (*at)++;
    return true;
}

static bool is_flag(const char *text)
{
    return text[0] == '-' && text[1] != 0;
}

/* Words behind the flags: two are commands. */
static void read_command(struct flags *flags, const char *text)
{
    if (strcasecmp(text, "help") == 0) {
        flags->verdict = FLAGS_HELP;
    } else if (strcasecmp(text, "version") == 0) {
        flags->verdict = FLAGS_VERSION;
    } else {
        flags->verdict = FLAGS_REFUSED;
        snprintf(flags->error, sizeof(flags->error), "unrecognized command: \"%.100s\"", text);
    }
}

static void check(struct flags *flags, const struct seen *seen)
{
    const char *why = NULL;

    if (seen->test_config && flags->config_file == NULL)
        why = "must specify [-c, --config] option to check configuration file syntax";
    else if (flags->config_file != NULL)
        why = "configuration files come with a later release";
    else if (strchr(flags->options.server_name, ' ') != NULL)
        why = "server name cannot contain spaces";
    else if (flags->options.cluster.routes_count > 0 && !flags->options.cluster.configured)
        why = "solicited routes require cluster capabilities, e.g. --cluster";
    else if (flags->options.cluster.name != NULL &&
             strchr(flags->options.cluster.name, ' ') != NULL)
        why = "cluster name cannot contain spaces";
    if (why == NULL)
        return;
    flags->verdict = FLAGS_REFUSED;
    snprintf(flags->error, sizeof(flags->error), "%s", why);
}

void flags_parse(int argc, char *const *argv, struct flags *flags)
{
    struct seen seen = {0};
    int at = 1;

    *flags = (struct flags){.verdict = FLAGS_SERVE};
    options_default(&flags->options);
    while (at < argc && is_flag(argv[at]) && flags->verdict == FLAGS_SERVE) {
        struct word word;

        if (strcmp(argv[at], "--") == 0) {
            at++;
            break;
        }
        if (read_word(flags, argc, argv, &at, &word))
            set(flags, &word, &seen);
    }
    if (flags->verdict == FLAGS_SERVE && seen.version)
        flags->verdict = FLAGS_VERSION;
    if (flags->verdict == FLAGS_SERVE && seen.help)
        flags->verdict = FLAGS_HELP;
    if (flags->verdict == FLAGS_SERVE && at < argc)
        read_command(flags, argv[at]);
    if (flags->verdict == FLAGS_SERVE)
        check(flags, &seen);
    if (flags->options.port == 0)
        flags->options.port = 4222;
}
