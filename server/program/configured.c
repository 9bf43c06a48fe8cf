#include "server/program/configured.h"

#include <stdio.h>
#include <string.h>

#include "base/heap.h"
#include "server/flags.h"
#include "server/program/files.h"
#include "server/program/resolver_dir.h"
#include "server/tls/tls.h"

/* The files that a tls block names are read as part of the configuration. */
static struct tls_context *certificates_of(struct config *config, const struct tls_options *tls)
{
    struct config_value at = {0};
    char reason[TLS_REASON_SIZE];
    struct tls_context *made;

    if (tls == NULL)
        return NULL;
    made = tls_context_create(tls, reason);
    if (made != NULL)
        return made;
    if (tls->place != NULL)
        at.place = *tls->place;
    config_error(&config->reader, &at, "%s", reason);
    return NULL;
}

static void load_certificates(struct config *config)
{
    struct options *options = &config->options;

    options->tls_context = certificates_of(config, options->tls);
    options->websocket.tls_context = certificates_of(config, options->websocket.tls);
    options->cluster.tls_context = certificates_of(config, options->cluster.tls);
    options->leaf.tls_context = certificates_of(config, options->leaf.tls);
    for (size_t i = 0; i < options->leaf.remotes_count; i++)
        options->leaf.remotes[i].tls_context =
            certificates_of(config, options->leaf.remotes[i].tls);
}

/* The flags over what the file says. Where the data is, only one of both may say: the other may
 * hold data, too. */
static void read_flags(int argc, char *const *argv, struct config *config, struct flags *flags)
{
    const struct config_place *place = config->options.store_dir_place;
    struct options base = config->options;

    if (place != NULL)
        base.store_dir[0] = 0;
    flags_parse(argc, argv, &base, &config->made, flags);
    if (place != NULL && flags->options.store_dir[0] != 0)
        config_error(&config->reader, &(struct config_value){.place = *place},
                     "Duplicate 'store_dir' configuration");
    else if (place != NULL)
        memcpy(flags->options.store_dir, config->options.store_dir, sizeof(base.store_dir));
}

struct configured *configured_read(int argc, char *const *argv, const char *file)
{
    struct configured *configured = HEAP_NEW(struct configured);
    struct config *config = &configured->config;
    struct options usual;
    struct flags flags;

    options_default(&usual);
    config_init(config, &usual);
    if (file != NULL && !config_load(config, &program_source, file))
        return configured;
    read_flags(argc, argv, config, &flags);
    config->options = flags.options;
    config_digest(config, configured->digest);
    config->options.config_file = file;
    config->options.config_digest = configured->digest;
    program_place_store(&config->options);
    if (flags.verdict == FLAGS_REFUSED)
        config_error(&config->reader, NULL, "%s", flags.error);
    else
        (void)config_check(config);
    load_certificates(config);
    config->options.auth.resolver.files = &program_resolver_files;
    configured->good = config->reader.error_count == 0;
    return configured;
}

void configured_free(struct configured *configured)
{
    tls_context_give(configured->config.options.tls_context);
    tls_context_give(configured->config.options.websocket.tls_context);
    tls_context_give(configured->config.options.cluster.tls_context);
    tls_context_give(configured->config.options.leaf.tls_context);
    for (size_t i = 0; i < configured->config.options.leaf.remotes_count; i++)
        tls_context_give(configured->config.options.leaf.remotes[i].tls_context);
    config_deinit(&configured->config);
    heap_give(configured);
}

void configured_log_notices(const struct configured *configured, const struct logger *logger)
{
    struct bytes rest = buf_bytes(&configured->config.reader.notices);

    while (rest.size > 0) {
        size_t size = bytes_find(rest, '\n');

        logger_warn(logger, "%.*s", BYTES_ARG(bytes_take(rest, size)));
        rest = bytes_skip(rest, size < rest.size ? size + 1 : size);
    }
}

void configured_say_notices(const struct configured *configured)
{
    const struct buf *notices = &configured->config.reader.notices;

    fprintf(stderr, "%.*s", BYTES_ARG(buf_bytes(notices)));
}

bool configured_say_wrong(const struct configured *configured, bool strict)
{
    const struct config *config = &configured->config;
    const struct buf *errors = &config->reader.errors, *warnings = &config->reader.warnings;
    bool wrong = !configured->good || (strict && warnings->size > 0);

    if (config->error[0] != 0)
        fprintf(stderr, "nats-server: %s\n", config->error);
    else if (wrong)
        fprintf(stderr, "nats-server: %.*s%.*s\n", BYTES_ARG(buf_bytes(warnings)),
                BYTES_ARG(buf_bytes(errors)));
    else if (warnings->size > 0)
        fprintf(stderr, "%.*s", BYTES_ARG(buf_bytes(warnings)));
    return wrong;
}

void configured_wrong_text(const struct configured *configured, struct buf *out)
{
    const struct config *config = &configured->config;

    if (config->error[0] != 0)
        (void)buf_add(out, bytes_of_text(config->error));
    else
        (void)buf_add(out, bytes_trim(buf_bytes(&config->reader.errors)));
}
