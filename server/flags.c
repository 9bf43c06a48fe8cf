#include "server/flags.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char flags_usage[] =
    "\n"
    "Usage: millrace [options]\n"
    "\n"
    "Millrace " MILLRACE_VERSION ", a persistent streaming server that speaks the NATS and JetStream\n"
    "protocols (level of nats-server " NATS_VERSION ").\n"
    "\n"
    "Server options:\n"
    "    -a, --addr, --net <host>         Address to listen on (default: 0.0.0.0)\n"
    "    -p, --port <port>                Port for clients, -1 for any free one (default: 4222)\n"
    "    -n, --name, --server_name <name> Server name (default: the server id)\n"
    "    -P, --pid <file>                 File to write the process id to\n"
    "    -m, --http_port <port>           Port for monitoring: /healthz, /varz\n"
    "        --ports_file_dir <dir>       Write <program>_<pid>.ports into this directory\n"
    "\n"
    "Logging options:\n"
    "    -l, --log <file>                 Log to a file\n"
    "    -D, --debug                      Debug output\n"
    "    -V, --trace                      Trace the protocol\n"
    "    -DV                              Both\n"
    "\n"
    "JetStream options:\n"
    "    -js, --jetstream                 Turn JetStream on\n"
    "    -sd, --store_dir <dir>           Where it keeps its data\n"
    "\n"
    "Common options:\n"
    "    -h, --help                       This text\n"
    "    -v, --version                    The version of nats-server whose protocol this is\n"
    "\n";

enum kind { KIND_TEXT, KIND_NUMBER, KIND_BOOL, KIND_BOTH, KIND_HELP, KIND_VERSION, KIND_REFUSED, KIND_REFUSED_VALUE };

struct flag {
    const char *names; /* separated by blanks */
    enum kind kind;
    size_t offset;
    size_t size; /* text: of the field */
};

#define TEXT(names, field)   {names, KIND_TEXT, offsetof(struct options, field), sizeof(((struct options *)0)->field)}
#define NUMBER(names, field) {names, KIND_NUMBER, offsetof(struct options, field), 0}
#define BOOL(names, field)   {names, KIND_BOOL, offsetof(struct options, field), 0}

static const struct flag table[] = {
    TEXT("a addr net", host),
    NUMBER("p port", port),
    TEXT("n name server_name", server_name),
    TEXT("P pid", pid_file),
    NUMBER("m http_port", http_port),
    TEXT("ports_file_dir", ports_file_dir),
    TEXT("l log", log_file),
    BOOL("D debug", debug),
    BOOL("V trace", trace),
    {"DV", KIND_BOTH, 0, 0},
    BOOL("js jetstream", jetstream),
    TEXT("sd store_dir", store_dir),
    {"h help", KIND_HELP, 0, 0},
    {"v version", KIND_VERSION, 0, 0},
    {"t VV DVV T logtime s syslog tls tlsverify help_tls", KIND_REFUSED, 0, 0},
    {"c config ms https_port sl signal client_advertise r remote_syslog log_size_limit max_traced_msg_len user pass "
     "auth tlscert tlskey tlscacert routes cluster cluster_name no_advertise cluster_advertise connect_retries "
     "cluster_listen profile",
     KIND_REFUSED_VALUE, 0, 0},
};

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
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (has_name(table[i].names, name, size))
            return &table[i];
    }
    return NULL;
}

static void fail(struct flags *flags, const char *format, const char *name, size_t size, const char *value)
{
    flags->verdict = FLAGS_BAD;
    snprintf(flags->error, sizeof flags->error, format, (int)(size < 64 ? size : 64), name,
             value != NULL ? value : "");
}

static void set_text(struct flags *flags, const struct flag *flag, const char *name, size_t size, const char *value)
{
    char *field = (char *)&flags->options + flag->offset;

    if (strlen(value) >= flag->size)
        fail(flags, "value for flag -%.*s is too long", name, size, NULL);
    else
        memcpy(field, value, strlen(value) + 1);
}

static void set_number(struct flags *flags, const struct flag *flag, const char *name, size_t size, const char *value)
{
    char *end;
    long number = strtol(value, &end, 10);

    if (*value == 0 || *end != 0 || number < -1 || number > 65535)
        fail(flags, "invalid value for flag -%.*s: \"%.60s\"", name, size, value);
    else
        *(int *)((char *)&flags->options + flag->offset) = (int)number;
}

static void set_bool(struct flags *flags, const struct flag *flag, const char *name, size_t size, const char *value)
{
    bool *field = (bool *)((char *)&flags->options + flag->offset);

    if (value == NULL || strcmp(value, "true") == 0 || strcmp(value, "1") == 0)
        *field = true;
    else if (strcmp(value, "false") == 0 || strcmp(value, "0") == 0)
        *field = false;
    else
        fail(flags, "invalid boolean value for -%.*s: \"%.60s\"", name, size, value);
}

static void set(struct flags *flags, const struct flag *flag, const char *name, size_t size, const char *value)
{
    switch (flag->kind) {
    case KIND_TEXT: set_text(flags, flag, name, size, value); break;
    case KIND_NUMBER: set_number(flags, flag, name, size, value); break;
    case KIND_BOOL: set_bool(flags, flag, name, size, value); break;
    case KIND_BOTH: flags->options.debug = flags->options.trace = true; break;
    case KIND_HELP: flags->verdict = FLAGS_HELP; break;
    case KIND_VERSION: flags->verdict = FLAGS_VERSION; break;
    case KIND_REFUSED:
    case KIND_REFUSED_VALUE:
        fail(flags, "flag -%.*s is not supported by this version of Millrace%s", name, size, NULL);
        flags->verdict = FLAGS_REFUSED;
        break;
    }
}

static bool takes_value(const struct flag *flag)
{
    return flag->kind == KIND_TEXT || flag->kind == KIND_NUMBER || flag->kind == KIND_REFUSED_VALUE;
}

void flags_parse(int argc, char *const *argv, struct flags *flags)
{
    *flags = (struct flags){.verdict = FLAGS_SERVE};
    options_default(&flags->options);
    for (int i = 1; i < argc && flags->verdict == FLAGS_SERVE; i++) {
        const char *name = argv[i], *value = NULL;
        const struct flag *flag;
        size_t size;

        if (name[0] != '-' || name[1] == 0) {
            fail(flags, "unrecognized command: \"%.*s\"", name, strlen(name), NULL);
            return;
        }
        name += name[1] == '-' ? 2 : 1;
        size = strcspn(name, "=");
        flag = find(name, size);
        if (flag == NULL) {
            fail(flags, "flag provided but not defined: -%.*s", name, size, NULL);
            return;
        }
        if (name[size] == '=') {
            value = name + size + 1;
        } else if (takes_value(flag)) {
            if (i + 1 == argc) {
                fail(flags, "flag needs an argument: -%.*s", name, size, NULL);
                return;
            }
            value = argv[++i];
        }
        set(flags, flag, name, size, value);
    }
}
