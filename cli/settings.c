#include "cli/settings.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/context.h"

#define PREFIX_MAX 64u /* what follows it is short: the whole has room wherever it is put */

const struct flag settings_flags[] = {
    {"help", 'h', FLAG_SWITCH, NULL, "Show this text", NULL},
    {"server", 's', FLAG_TEXT, "URL", "Servers, separated by commas ($NATS_URL)", NULL},
    {"user", 0, FLAG_TEXT, "USER", "User, or a token ($NATS_USER)", NULL},
    {"password", 0, FLAG_TEXT, "PASSWORD", "Password ($NATS_PASSWORD)", NULL},
    {"connection-name", 0, FLAG_TEXT, "NAME", "What the server calls this connection", NULL},
    {"creds", 0, FLAG_TEXT, "FILE", "Credentials of a user ($NATS_CREDS)", NULL},
    {"nkey", 0, FLAG_TEXT, "FILE", "Seed of a user ($NATS_NKEY)", NULL},
    {"tlscert", 0, FLAG_TEXT, "FILE", "Our certificate ($NATS_CERT)", NULL},
    {"tlskey", 0, FLAG_TEXT, "FILE", "and its private key ($NATS_KEY)", NULL},
    {"tlsca", 0, FLAG_TEXT, "FILE", "Who may have issued the server's ($NATS_CA)", NULL},
    {"tlsfirst", 0, FLAG_SWITCH, NULL, "TLS before the server has greeted", NULL},
    {"timeout", 0, FLAG_DURATION, "DURATION", "How long to wait for an answer ($NATS_TIMEOUT)",
     NULL},
    {"socks-proxy", 0, FLAG_TEXT, "URL", "The way to the servers ($NATS_SOCKS_PROXY)", NULL},
    {"js-api-prefix", 0, FLAG_TEXT, "PREFIX", "Where the JetStream API is ($JS.API)", NULL},
    {"js-event-prefix", 0, FLAG_TEXT, "PREFIX", "Where its advisories are ($JS.EVENT)", NULL},
    {"js-domain", 0, FLAG_TEXT, "DOMAIN", "JetStream domain", NULL},
    {"inbox-prefix", 0, FLAG_TEXT, "PREFIX", "Where answers are sent (_INBOX)", NULL},
    {"context", 0, FLAG_TEXT, "NAME", "A saved context ($NATS_CONTEXT)", NULL},
    {"no-context", 0, FLAG_SWITCH, NULL, "Use no context, not even the selected one", NULL},
    {"json", 'j', FLAG_SWITCH, NULL, "Answers as JSON (docs/cli.md)", NULL},
    {"colors", 0, FLAG_TEXT, "WHEN", "auto, always or never ($NO_COLOR)", NULL},
    {"trace", 0, FLAG_SWITCH, NULL, "Show requests and answers of the API", NULL},
};
const size_t settings_flag_count = sizeof(settings_flags) / sizeof(settings_flags[0]);

/* A flag, or the environment, or what the context says. */
static const char *pick(const struct args *args, const char *flag, const char *variable,
                        const char *otherwise)
{
    const char *value = args_text(args, flag);

    if (value == NULL && variable != NULL)
        value = getenv(variable);
    return value != NULL && value[0] != 0 ? value : otherwise;
}

static const char *print(struct arena *arena, const char *format, const char *value)
{
    char text[512];

    snprintf(text, sizeof(text), format, value);
    return (const char *)arena_copy(arena, bytes_of_text(text)).at;
}

static const char *or_empty(const char *text, const char *otherwise)
{
    return text[0] != 0 ? text : otherwise;
}

static bool choose_context(const struct args *args, struct arena *arena, struct context *context,
                           const char **name, char error[static SETTINGS_ERROR_SIZE])
{
    *name = NULL;
    *context = (struct context){0};
    if (!args_on(args, "no-context")) {
        *name = pick(args, "context", "NATS_CONTEXT", NULL);
        if (*name == NULL)
            *name = context_selected(arena);
    }
    return *name == NULL || context_load(context, *name, arena, error);
}

static bool read_timeout(struct settings *settings, const struct args *args,
                         char error[static SETTINGS_ERROR_SIZE])
{
    const char *text = pick(args, "timeout", "NATS_TIMEOUT", NULL);

    settings->timeout_ns = SETTINGS_TIMEOUT_NS;
    if (text == NULL ||
        (args_read_duration(text, &settings->timeout_ns) && settings->timeout_ns > 0))
        return true;
    snprintf(error, SETTINGS_ERROR_SIZE,
             "the timeout must be a positive duration such as 5s, not \"%.60s\"", text);
    return false;
}

/* What subjects begin with: words joined by dots, that match nothing but themselves. */
static bool prefix_good(const char *prefix)
{
    size_t size = strlen(prefix);

    for (size_t i = 0; i < size; i++)
        if ((unsigned char)prefix[i] <= ' ' || prefix[i] == 127 || strchr("*>", prefix[i]) != NULL)
            return false;
    return size > 0 && size <= PREFIX_MAX && prefix[0] != '.' && prefix[size - 1] != '.' &&
           strstr(prefix, "..") == NULL;
}

static bool check_prefixes(const struct settings *settings, char error[static SETTINGS_ERROR_SIZE])
{
    const char *const prefixes[] = {settings->api_prefix, settings->event_prefix,
                                    settings->inbox_prefix};

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (!prefix_good(prefixes[i])) {
            snprintf(error, SETTINGS_ERROR_SIZE,
                     "\"%.120s\" is no prefix for subjects: words joined by dots, %u bytes at most",
                     prefixes[i], PREFIX_MAX);
            return false;
        }
    return true;
}

/* The prefix for the API: said outright, or that of a domain. */
static const char *api_prefix(const struct args *args, const struct context *context,
                              struct arena *arena)
{
    const char *domain = pick(args, "js-domain", NULL, context->domain);
    const char *prefix = pick(args, "js-api-prefix", NULL, context->api_prefix);

    if (prefix == NULL && domain != NULL)
        prefix = print(arena, "$JS.%s.API", domain);
    return prefix != NULL ? prefix : "$JS.API";
}

/* Who we are: one way of saying so must not be mixed with another from below. */
static void read_identity(struct settings *settings, const struct args *args,
                          const struct context *context)
{
    settings->user = pick(args, "user", "NATS_USER", NULL);
    settings->password = pick(args, "password", "NATS_PASSWORD", NULL);
    settings->creds = pick(args, "creds", "NATS_CREDS", NULL);
    settings->nkey = pick(args, "nkey", "NATS_NKEY", NULL);
    if (settings->user == NULL && settings->creds == NULL && settings->nkey == NULL) {
        settings->user = context->user;
        settings->password = settings->password != NULL ? settings->password : context->password;
        settings->token = context->token;
        settings->creds = context->creds;
        settings->nkey = context->nkey;
        settings->jwt = context->jwt;
    } else if (settings->user != NULL && settings->password == NULL) {
        settings->token = settings->user; /* as `nats` takes it */
        settings->user = NULL;
    }
}

bool settings_read(struct settings *settings, const struct args *args, struct arena *arena,
                   char error[static SETTINGS_ERROR_SIZE])
{
    struct context context;

    *settings = (struct settings){0};
    if (!choose_context(args, arena, &context, &settings->context, error) ||
        !read_timeout(settings, args, error))
        return false;
    read_identity(settings, args, &context);
    settings->url = pick(args, "server", "NATS_URL", context.url);
    if (settings->url == NULL)
        settings->url = "nats://127.0.0.1:4222";
    settings->tls_cert = pick(args, "tlscert", "NATS_CERT", context.cert);
    settings->tls_key = pick(args, "tlskey", "NATS_KEY", context.key);
    settings->tls_ca = pick(args, "tlsca", "NATS_CA", context.ca);
    settings->tls_first =
        args_flag(args, "tlsfirst")->given ? args_on(args, "tlsfirst") : context.tls_first;
    settings->socks_proxy = pick(args, "socks-proxy", "NATS_SOCKS_PROXY", context.socks_proxy);
    settings->name = pick(args, "connection-name", NULL, "millrace");
    settings->api_prefix = api_prefix(args, &context, arena);
    settings->event_prefix = pick(args, "js-event-prefix", NULL, context.event_prefix);
    if (settings->event_prefix == NULL)
        settings->event_prefix = "$JS.EVENT";
    settings->inbox_prefix = pick(args, "inbox-prefix", NULL, context.inbox_prefix);
    settings->inbox_prefix =
        or_empty(settings->inbox_prefix != NULL ? settings->inbox_prefix : "", "_INBOX");
    settings->trace = args_on(args, "trace");
    if ((settings->tls_cert == NULL) != (settings->tls_key == NULL)) {
        snprintf(error, SETTINGS_ERROR_SIZE, "--tlscert and --tlskey need each other");
        return false;
    }
    return check_prefixes(settings, error);
}
