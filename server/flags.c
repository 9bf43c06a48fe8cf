#include "server/flags.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/io_real.h"

enum kind {
    KIND_CHARS,    /* char[size] */
    KIND_HOST,     /* the same; it stands in no file then */
    KIND_TEXT,     /* const char * */
    KIND_BYTES,    /* struct bytes */
    KIND_NUMBER,   /* int */
    KIND_NUMBER64, /* int64_t */
    KIND_SHARDS,   /* the same, or "auto" */
    KIND_BOOL,
    KIND_BOTH,    /* debug and trace */
    KIND_VERBOSE, /* trace, and that of the system account */
    KIND_ALL,     /* debug and those */
    KIND_SEEN_TEXT,
    KIND_SEEN_BOOL,
    KIND_TLS,
    KIND_REFUSED, /* takes a value */
    KIND_REFUSED_BOOL,
};

struct flag {
    const char *names; /* separated by blanks */
    enum kind kind;
    size_t offset; /* in struct options; of KIND_SEEN_... in struct seen */
    size_t size;   /* of char[] */
};

/* What was said besides values of options. */
struct seen {
    bool help;
    bool help_tls;
    bool version;
    bool test_config;
    bool tls;
    bool tls_off; /* --tls=false */
    bool tls_verify;
    const char *config_file;
    const char *signal;
    const char *tls_certificate;
    const char *tls_key;
    const char *tls_ca;
    const char *routes;
    const char *cluster;
};

#define OPTION(names, kind, field)                                                                 \
    {                                                                                              \
        names, KIND_##kind, offsetof(struct options, field),                                       \
            sizeof(((struct options *)NULL)->field)                                                \
    }
#define SEEN(names, kind, field)                                                                   \
    {                                                                                              \
        names, KIND_SEEN_##kind, offsetof(struct seen, field), 0                                   \
    }

static const struct flag table[] = {
    OPTION("a addr net", HOST, host),
    OPTION("p port", NUMBER, port),
    OPTION("n name server_name", CHARS, server_name),
    OPTION("io", TEXT, io),
    OPTION("shards", SHARDS, shards),
    OPTION("P pid", CHARS, pid_file),
    OPTION("m http_port", NUMBER, http_port),
    OPTION("ms https_port", NUMBER, https_port),
    OPTION("ports_file_dir", CHARS, ports_file_dir),
    OPTION("client_advertise", TEXT, client_advertise),
    OPTION("l log", CHARS, log_file),
    OPTION("log_size_limit", NUMBER64, log_size_max),
    OPTION("T logtime", BOOL, log_time),
    OPTION("logtime_utc", BOOL, log_time_utc),
    OPTION("max_traced_msg_len", NUMBER64, traced_size_max),
    OPTION("D debug", BOOL, debug),
    OPTION("V trace", BOOL, trace),
    {"DV", KIND_BOTH, 0, 0},
    {"VV", KIND_VERBOSE, 0, 0},
    {"DVV", KIND_ALL, 0, 0},
    OPTION("js jetstream", BOOL, jetstream),
    OPTION("sd store_dir", CHARS, store_dir),
    OPTION("user", BYTES, auth.user),
    OPTION("pass", BYTES, auth.password),
    OPTION("auth", BYTES, auth.token),
    OPTION("cluster_name", TEXT, cluster.name),
    OPTION("cluster_advertise", TEXT, cluster.advertise),
    OPTION("no_advertise", BOOL, cluster.no_advertise),
    OPTION("connect_retries", NUMBER64, cluster.connect_retries),
    SEEN("cluster cluster_listen", TEXT, cluster),
    SEEN("routes", TEXT, routes),
    {"tls", KIND_TLS, 0, 0},
    SEEN("tlsverify", BOOL, tls_verify),
    SEEN("tlscert", TEXT, tls_certificate),
    SEEN("tlskey", TEXT, tls_key),
    SEEN("tlscacert", TEXT, tls_ca),
    SEEN("c config", TEXT, config_file),
    SEEN("t", BOOL, test_config),
    SEEN("sl signal", TEXT, signal),
    SEEN("h help", BOOL, help),
    SEEN("help_tls", BOOL, help_tls),
    SEEN("v version", BOOL, version),
    {"s syslog", KIND_REFUSED_BOOL, 0, 0},
    {"r remote_syslog profile", KIND_REFUSED, 0, 0},
};

/* One flag as it stands on the command line. */
struct word {
    const char *name;
    size_t size;
    const char *value; /* NULL: none */
    const struct flag *flag;
};

static void fail(struct flags *flags, enum flags_verdict verdict, const char *format,
                 const struct word *word)
{
    flags->verdict = verdict;
    snprintf(flags->error, sizeof(flags->error), format, (int)(word->size < 60 ? word->size : 60),
             word->name);
}

static void refuse(struct flags *flags, const char *why)
{
    flags->verdict = FLAGS_REFUSED;
    snprintf(flags->error, sizeof(flags->error), "%s", why);
}

/* The reference's words: invalid value "x" for flag -p: parse error. */
static void fail_value(struct flags *flags, const struct word *word, const char *kind)
{
    flags->verdict = FLAGS_BAD;
    snprintf(flags->error, sizeof(flags->error),
             "invalid %svalue \"%.60s\" for %s-%.*s: parse error", kind, word->value,
             *kind == 0 ? "flag " : "", (int)(word->size < 60 ? word->size : 60), word->name);
}

/* ---- one flag ------------------------------------------------------------------------------- */

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
    case KIND_CHARS:
    case KIND_HOST:
    case KIND_TEXT:
    case KIND_BYTES:
    case KIND_NUMBER:
    case KIND_NUMBER64:
    case KIND_SHARDS:
    case KIND_SEEN_TEXT:
    case KIND_REFUSED: return true;
    default: return false;
    }
}

static void set_chars(struct flags *flags, const struct word *word, char *to)
{
    size_t size = strlen(word->value) + 1;

    if (size > word->flag->size)
        fail(flags, FLAGS_REFUSED, "the value of flag -%.*s is too long", word);
    else
        memcpy(to, word->value, size);
}

static bool read_number(struct flags *flags, const struct word *word, long least, long most,
                        long *number)
{
    char *end;

    *number = strtol(word->value, &end, 10);
    if (word->value[0] != 0 && *end == 0 && *number >= least && *number <= most)
        return true;
    fail_value(flags, word, "");
    return false;
}

static void set_number(struct flags *flags, const struct word *word, int *to)
{
    long number;

    if (read_number(flags, word, INT_MIN, INT_MAX, &number))
        *to = (int)number;
}

static void set_number64(struct flags *flags, const struct word *word, int64_t *to)
{
    long number;

    static_assert(sizeof(long) == sizeof(int64_t), "numbers of flags fit");
    if (read_number(flags, word, LONG_MIN + 1, LONG_MAX - 1, &number))
        *to = number;
}

static void set_shards(struct flags *flags, const struct word *word, int64_t *to)
{
    if (strcmp(word->value, "auto") == 0)
        *to = SHARDS_AUTO;
    else
        set_number64(flags, word, to);
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
    struct options *options = &flags->options;
    void *option = (char *)options + word->flag->offset;
    void *noted = (char *)seen + word->flag->offset;
    bool on = true;

    if (!takes_value(word->flag) && !read_bool(flags, word, &on))
        return;
    switch (word->flag->kind) {
    case KIND_CHARS: set_chars(flags, word, option); break;
    case KIND_HOST:
        set_chars(flags, word, option);
        options->host_place = NULL;
        break;
    case KIND_TEXT: *(const char **)option = word->value; break;
    case KIND_BYTES: *(struct bytes *)option = bytes_of_text(word->value); break;
    case KIND_NUMBER: set_number(flags, word, option); break;
    case KIND_NUMBER64: set_number64(flags, word, option); break;
    case KIND_SHARDS: set_shards(flags, word, option); break;
    case KIND_BOOL: *(bool *)option = on; break;
    case KIND_BOTH: options->debug = options->trace = on; break;
    case KIND_VERBOSE: options->trace = options->trace_verbose = on; break;
    case KIND_ALL: options->debug = options->trace = options->trace_verbose = on; break;
    case KIND_SEEN_TEXT: *(const char **)noted = word->value; break;
    case KIND_SEEN_BOOL: *(bool *)noted = on; break;
    case KIND_TLS:
        seen->tls = on;
        seen->tls_off = !on;
        break;
    case KIND_REFUSED_BOOL:
        if (on)
            fail(flags, FLAGS_REFUSED, "flag -%.*s is not supported yet", word);
        break;
    case KIND_REFUSED: fail(flags, FLAGS_REFUSED, "flag -%.*s is not supported yet", word); break;
    }
}

/* ---- what several flags make together ------------------------------------------------------- */

static void *take(struct arena *arena, size_t size)
{
    void *at = arena_take(arena, size);

    assert(at != NULL); /* the command line is bounded by the system */
    return at;
}

static void make_tls(struct flags *flags, const struct seen *seen, struct arena *arena)
{
    struct tls_options *tls;

    if (seen->tls_off) {
        flags->options.tls = NULL;
        return;
    }
    if (!seen->tls && !seen->tls_verify && seen->tls_certificate == NULL && seen->tls_key == NULL &&
        seen->tls_ca == NULL)
        return;
    tls = take(arena, sizeof(*tls));
    if (flags->options.tls != NULL)
        *tls = *flags->options.tls;
    else
        *tls = (struct tls_options){.timeout_ns = TLS_TIMEOUT_NS, .version_min = 12};
    if (seen->tls_certificate == NULL) {
        refuse(flags, "TLS Server certificate must be present and valid");
        return;
    }
    if (seen->tls_key == NULL) {
        refuse(flags, "TLS Server private key must be present and valid");
        return;
    }
    tls->pairs = take(arena, sizeof(*tls->pairs));
    *tls->pairs = (struct tls_pair){seen->tls_certificate, seen->tls_key};
    tls->pairs_count = 1;
    tls->ca_file = seen->tls_ca;
    tls->verify = tls->verify || seen->tls_verify;
    flags->options.tls = tls;
}

/* "nats://user:password@host:port"; empty: no cluster. */
static void make_cluster(struct flags *flags, const char *url, struct arena *arena)
{
    struct cluster_options *cluster = &flags->options.cluster;
    struct cluster_route listen;

    if (url == NULL)
        return;
    if (url[0] == 0) {
        *cluster = (struct cluster_options){0};
        return;
    }
    if (!cluster_route_read(arena, bytes_of_text(url), &listen) || listen.port == 0) {
        refuse(flags, "missing port in address of flag -cluster");
        return;
    }
    cluster->configured = true;
    cluster->host = listen.host;
    cluster->host_place = NULL;
    cluster->port = listen.port;
    if (listen.user != NULL) {
        cluster->user = listen.user;
        cluster->password = listen.password;
    }
}

static void make_routes(struct flags *flags, const char *list, struct arena *arena)
{
    struct cluster_options *cluster = &flags->options.cluster;
    struct bytes rest;

    if (list == NULL)
        return;
    rest = bytes_of_text(list);
    cluster->routes = take(arena, (rest.size / 2 + 1) * sizeof(struct cluster_route));
    cluster->routes_count = 0;
    while (rest.size > 0) {
        size_t size = bytes_find(rest, ',');
        struct bytes url = bytes_trim(bytes_take(rest, size));
        struct cluster_route *route = &cluster->routes[cluster->routes_count];

        if (url.size > 0 &&
            (!cluster_route_read(arena, url, route) || route->host == NULL || route->port <= 0)) {
            refuse(flags, "a URL of flag -routes could not be parsed");
            return;
        }
        cluster->routes_count += url.size > 0;
        rest = bytes_skip(rest, size < rest.size ? size + 1 : size);
    }
}

/* ---- the line ------------------------------------------------------------------------------- */

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

static void decide(struct flags *flags, const struct seen *seen)
{
    if (seen->version)
        flags->verdict = FLAGS_VERSION;
    else if (seen->help)
        flags->verdict = FLAGS_HELP;
    else if (seen->help_tls)
        flags->verdict = FLAGS_HELP_TLS;
}

static void check(struct flags *flags, const struct seen *seen, struct arena *arena)
{
    if (flags->signal != NULL) {
        flags->verdict = FLAGS_SIGNAL;
        return;
    }
    if (seen->test_config && flags->config_file == NULL)
        refuse(flags, "must specify [-c, --config] option to check configuration file syntax");
    else if (seen->test_config)
        flags->verdict = FLAGS_TEST_CONFIG;
    if (flags->options.io != NULL &&
        !io_choice_read(bytes_of_text(flags->options.io), &(enum io_choice){0}))
        refuse(flags, "the value of flag -io must be auto, uring or epoll");
    if (strchr(flags->options.server_name, ' ') != NULL)
        refuse(flags, "server name cannot contain spaces");
    if (flags->options.cluster.name != NULL && strchr(flags->options.cluster.name, ' ') != NULL)
        refuse(flags, "cluster name cannot contain spaces");
    make_cluster(flags, seen->cluster, arena);
    make_routes(flags, seen->routes, arena);
    make_tls(flags, seen, arena);
}

void flags_parse(int argc, char *const *argv, const struct options *base, struct arena *arena,
                 struct flags *flags)
{
    struct seen seen = {0};
    int at = 1;

    *flags = (struct flags){.verdict = FLAGS_SERVE};
    if (base != NULL)
        flags->options = *base;
    else
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
    flags->config_file = seen.config_file;
    flags->signal = seen.signal;
    if (flags->verdict == FLAGS_SERVE)
        decide(flags, &seen);
    if (flags->verdict == FLAGS_SERVE && at < argc)
        read_command(flags, argv[at]);
    if (flags->verdict == FLAGS_SERVE)
        check(flags, &seen, arena);
    if (flags->options.port == 0)
        flags->options.port = 4222;
}
