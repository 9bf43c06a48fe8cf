/* jetstream (reference config.md 4.6). */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "server/config/blocks.h"

/* Sizes as texts count in 1024 and must have a letter. */
static bool text_size(struct config_reader *reader, const struct config_value *value,
                      const char *field, int64_t *to)
{
    static const char letters[] = "KMGT";
    struct bytes text = value->text;
    const char *letter = text.size > 0 ? strchr(letters, text.at[text.size - 1]) : NULL;
    uint64_t number;
    unsigned shift;

    if (letter == NULL || *letter == 0) {
        config_error(reader, value, "%s sizes defined as strings must end in K, M, G, T", field);
        return false;
    }
    shift = 10 * (unsigned)(letter - letters + 1);
    text = bytes_take(text, text.size - 1);
    if (!bytes_read_u64(text, &number) || number > (uint64_t)INT64_MAX >> shift) {
        config_error(reader, value, "%s strconv.ParseInt: parsing \"%.*s\": invalid syntax", field,
                     BYTES_ARG(text));
        return false;
    }
    *to = (int64_t)(number << shift);
    return true;
}

static void read_size(struct config_reader *reader, const struct config_value *value,
                      const char *field, int64_t *to)
{
    if (value->type == CONFIG_INTEGER)
        *to = value->integer;
    else if (value->type == CONFIG_STRING)
        (void)text_size(reader, value, field, to);
    else
        config_error(reader, value, "%s: expected a size, got %s", field,
                     config_type_text(value->type));
}

static void read_memory(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct options *options = to;

    read_size(reader, value, "max_mem_store", &options->jetstream_options.memory_max);
}

static void read_store(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct options *options = to;

    read_size(reader, value, "max_file_store", &options->jetstream_options.store_max);
}

static void read_reserve(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct options *options = to;

    read_size(reader, value, "disk_reserve", &options->jetstream_options.disk_reserve);
    if (options->jetstream_options.disk_reserve < 0)
        config_error(reader, value, "disk_reserve may not be negative");
}

static void read_scrub(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct options *options = to;

    read_size(reader, value, "scrub_rate", &options->jetstream_options.scrub_rate);
    if (options->jetstream_options.scrub_rate < 0)
        config_error(reader, value, "scrub_rate may not be negative");
}

static void read_index(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct options *options = to;

    options->jetstream_options.index_cache = 0; /* what is no size is one error */
    read_size(reader, value, "index_cache", &options->jetstream_options.index_cache);
    if (options->jetstream_options.index_cache < 0)
        config_error(reader, value, "index_cache may not be negative");
}

/* It may stand in two places, but not in both. */
void config_store_dir(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct options *options = to;

    if (options->store_dir_place != NULL)
        config_error(reader, value, "Duplicate 'store_dir' configuration");
    else if (config_chars(reader, value, options->store_dir, sizeof(options->store_dir)))
        options->store_dir_place = &value->place;
}

/* What is acknowledged is on disk: any interval is kept. */
static void read_sync(struct config_reader *reader, const struct config_value *value, void *to)
{
    int64_t ns;

    (void)to;
    if (value->type != CONFIG_STRING || !bytes_equal_nocase(value->text, BYTES("always")))
        (void)config_duration(reader, value, &ns);
}

static void read_domain(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct options *options = to;

    if (!config_text(reader, value, &options->jetstream_options.domain))
        return;
    if (strlen(options->jetstream_options.domain) > DOMAIN_SIZE_MAX)
        config_error(reader, value, "domain: longer than %u bytes", DOMAIN_SIZE_MAX);
    if (strpbrk(options->jetstream_options.domain, ".*> \t\r\n\f") != NULL)
        config_error(reader, value, "invalid domain name: may not contain ., * or >");
    if (options->jetstream_options.domain[0] == 0)
        options->jetstream_options.domain = NULL;
}

static void read_strict(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct options *options = to;
    bool strict;

    if (config_bool(reader, value, &strict))
        options->jetstream_options.lenient = !strict;
}

#define BATCH_FIELD(name, kind, field) CONFIG_FIELD(name, kind, struct jetstream_options, field)

static const struct config_option options_of_batch[] = {
    BATCH_FIELD("max_inflight_per_stream", CONFIG_AS_INT64, batches_max),
    BATCH_FIELD("max_inflight_total", CONFIG_AS_INT64, batches_total_max),
    BATCH_FIELD("max_msgs", CONFIG_AS_INT64, batch_messages_max),
    BATCH_FIELD("timeout", CONFIG_AS_DURATION, batch_timeout),
};

static const struct config_block batch = CONFIG_BLOCK(options_of_batch);

static void read_batch(struct config_reader *reader, const struct config_value *value, void *to)
{
    (void)config_read_block(reader, value, &batch, to);
}

static const struct config_option options_of_limits[] = {
    CONFIG_FIELD("max_ack_pending", CONFIG_AS_INT64, struct jetstream_options, ack_pending_max),
    CONFIG_FIELD("duplicate_window", CONFIG_AS_DURATION, struct jetstream_options,
                 duplicate_window_max),
    CONFIG_NOTICED("max_ha_assets", "replicated streams are not limited in number"),
    CONFIG_NOTICED("max_request_batch", "the limit is fixed"),
    CONFIG_READ("batch", read_batch),
};

static const struct config_block limits = CONFIG_BLOCK(options_of_limits);

static void read_limits(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct options *options = to;

    (void)config_read_block(reader, value, &limits, &options->jetstream_options);
}

#define FIXED "the limit is fixed"

static const struct config_option options_of_jetstream[] = {
    CONFIG_FIELD("enabled enable", CONFIG_AS_BOOL, struct options, jetstream),
    CONFIG_READ("store_dir store storedir", config_store_dir),
    CONFIG_READ("max_memory_store max_mem_store max_mem", read_memory),
    CONFIG_READ("max_file_store max_file", read_store),
    CONFIG_READ("disk_reserve", read_reserve),
    CONFIG_READ("scrub_rate", read_scrub),
    CONFIG_READ("index_cache", read_index),
    CONFIG_READ("domain", read_domain),
    CONFIG_READ("sync_interval sync", read_sync),
    CONFIG_READ("strict", read_strict),
    CONFIG_FIELD("unique_tag", CONFIG_AS_TEXT, struct options, jetstream_options.unique_tag),
    CONFIG_READ("limits", read_limits),
    CONFIG_REFUSED("key ek encryption_key"),
    CONFIG_REFUSED("prev_key prev_ek prev_encryption_key"),
    CONFIG_REFUSED("cipher"),
    CONFIG_REFUSED("tpm"),
    CONFIG_NOTICED("request_queue_limit", FIXED),
    CONFIG_NOTICED("info_queue_limit", FIXED),
    CONFIG_NOTICED("max_buffered_msgs", FIXED),
    CONFIG_NOTICED("max_buffered_size", FIXED),
    CONFIG_NOTICED("max_outstanding_catchup", FIXED),
    CONFIG_NOTICED("max_concurrent_io", FIXED),
    CONFIG_NOTICED("meta_compact", FIXED),
    CONFIG_NOTICED("meta_compact_size", FIXED),
    CONFIG_NOTICED("meta_compact_sync", FIXED),
    CONFIG_NOTICED("extension_hint", "there is nothing to extend"),
};

static const struct config_block jetstream = CONFIG_BLOCK(options_of_jetstream);

bool config_jetstream_word(struct config_reader *reader, const struct config_value *value, bool *on)
{
    bool enabled, disabled;

    if (value->type == CONFIG_BOOL) {
        *on = value->boolean;
        return true;
    }
    if (value->type != CONFIG_STRING) {
        config_error(reader, value, "Expected map, bool or string to define JetStream, got %s",
                     config_type_text(value->type));
        return false;
    }
    enabled = bytes_equal_nocase(value->text, BYTES("enabled")) ||
              bytes_equal_nocase(value->text, BYTES("enable"));
    disabled = bytes_equal_nocase(value->text, BYTES("disabled")) ||
               bytes_equal_nocase(value->text, BYTES("disable"));
    if (!enabled && !disabled) {
        config_error(reader, value, "Expected 'enabled' or 'disabled' for string value, got '%.*s'",
                     BYTES_ARG(value->text));
        return false;
    }
    *on = enabled;
    return true;
}

void config_jetstream(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct options *options = to;

    if (value->type != CONFIG_MAP) {
        (void)config_jetstream_word(reader, value, &options->jetstream);
        return;
    }
    options->jetstream = true;
    (void)config_read_block(reader, value, &jetstream, options);
}
