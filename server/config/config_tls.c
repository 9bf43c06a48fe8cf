/*
 * tls blocks (reference config.md 5). What they name is only checked for its form here; files are
 * read, and ciphers and curves known, by server/tls/tls.h.
 */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "server/config/blocks.h"

#define SECOND_NS    INT64_C(1000000000)
#define TIMEOUT_HIGH (60 * SECOND_NS)
#define PIN_SIZE     64u

/* A block in the making. */
struct tls_block {
    struct tls_options *options;
    enum config_tls_role role;
    const char *certificate; /* of the pair that is given without a list */
    const char *key;
    bool insecure_ciphers;
};

void config_timeout(struct config_reader *reader, const struct config_value *value,
                    const char *block, int64_t *to)
{
    int64_t ns;

    if (value->type == CONFIG_INTEGER && value->integer < INT64_MAX / SECOND_NS &&
        value->integer > INT64_MIN / SECOND_NS) {
        ns = value->integer * SECOND_NS;
    } else if (value->type == CONFIG_FLOAT && value->number > -1e9 && value->number < 1e9) {
        ns = (int64_t)(value->number * (double)SECOND_NS);
    } else if (value->type != CONFIG_STRING) {
        config_error(reader, value, "error parsing %s config, 'timeout' wrong type", block);
        return;
    } else if (!text_read_duration(value->text, &ns)) {
        config_error(reader, value,
                     "error parsing %s config, 'timeout' time: invalid duration \"%.*s\"", block,
                     BYTES_ARG(value->text));
        return;
    }
    if (ns > TIMEOUT_HIGH)
        config_warn(reader, value, value->key,
                    "timeout of %.6f seconds is high, consider keeping it under 60 seconds. "
                    "possibly caused by unquoted duration; use '1m' instead of 1m, for example",
                    (double)ns / (double)SECOND_NS);
    *to = ns;
}

/* ---- certificates --------------------------------------------------------------------------- */

static const struct config_option options_of_pair[] = {
    CONFIG_FIELD("cert_file", CONFIG_AS_TEXT, struct tls_pair, certificate),
    CONFIG_FIELD("key_file", CONFIG_AS_TEXT, struct tls_pair, key),
};

static const struct config_block pair = {options_of_pair, 2,
                                         "error parsing tls certs config, unknown field \"%.*s\""};

static void read_pairs(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct tls_options *options = ((struct tls_block *)to)->options;

    if (value->type != CONFIG_ARRAY) {
        config_error(reader, value, "error parsing certificates config: unsupported type %s",
                     config_type_text(value->type));
        return;
    }
    options->pairs = config_array(reader, value, sizeof(struct tls_pair), &options->pairs_count);
    for (const struct config_value *e = value->child; e != NULL; e = e->next) {
        struct tls_pair *read = &options->pairs[options->pairs_count];

        if (!config_read_block(reader, e, &pair, read))
            continue;
        if (read->certificate == NULL || read->key == NULL)
            config_error(reader, e,
                         "error parsing certificates config: both 'cert_file' and 'cert_key' "
                         "options are required");
        else
            options->pairs_count++;
    }
}

static void read_ca(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct tls_options *options = ((struct tls_block *)to)->options;

    (void)config_text(reader, value, &options->ca_file);
}

static bool is_pin(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.at[i] | 0x20;

        if (!(text.at[i] >= '0' && text.at[i] <= '9') && !(byte >= 'a' && byte <= 'f'))
            return false;
    }
    return text.size == PIN_SIZE;
}

static struct bytes lower(struct config_reader *reader, struct bytes text)
{
    uint8_t *copy = config_take(reader, text.size + 1);

    for (size_t i = 0; i < text.size; i++)
        copy[i] = text.at[i] >= 'A' && text.at[i] <= 'F' ? text.at[i] | 0x20 : text.at[i];
    return bytes_of(copy, text.size);
}

static void read_pins(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct tls_options *options = ((struct tls_block *)to)->options;

    if (value->type != CONFIG_ARRAY) {
        config_error(reader, value,
                     "error parsing tls config, expected 'pinned_certs' to be a list of "
                     "hex-encoded sha256 of DER encoded SubjectPublicKeyInfo");
        return;
    }
    options->pins = config_array(reader, value, sizeof(struct bytes), &options->pins_count);
    for (const struct config_value *e = value->child; e != NULL; e = e->next) {
        if (e->type == CONFIG_STRING && is_pin(e->text))
            options->pins[options->pins_count++] = lower(reader, e->text);
        else
            config_error(reader, e,
                         "error parsing tls config, 'pinned_certs' key %.*s does not look like "
                         "hex-encoded sha256 of DER encoded SubjectPublicKeyInfo",
                         BYTES_ARG(e->text));
    }
}

/* ---- handshake ------------------------------------------------------------------------------ */

static void read_timeout(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct tls_options *options = ((struct tls_block *)to)->options;

    config_timeout(reader, value, "tls", &options->timeout_ns);
}

/* A boolean, "auto", or how long to wait for a client that begins. */
static void read_first(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct tls_options *options = ((struct tls_block *)to)->options;
    struct bytes word = value->text;

    if (value->type == CONFIG_BOOL) {
        options->handshake_first = value->boolean;
        return;
    }
    if (value->type != CONFIG_STRING) {
        config_error(reader, value, "field \"%.*s\" should be a boolean or a string, got %s",
                     CONFIG_KEY(value), config_type_text(value->type));
        return;
    }
    options->handshake_first =
        !bytes_equal_nocase(word, BYTES("off")) && !bytes_equal_nocase(word, BYTES("false"));
    if (!options->handshake_first || bytes_equal_nocase(word, BYTES("on")) ||
        bytes_equal_nocase(word, BYTES("true")))
        return;
    options->fallback_ns = TLS_FALLBACK_NS;
    if (bytes_equal_nocase(word, BYTES("auto")) || bytes_equal_nocase(word, BYTES("auto_fallback")))
        return;
    if (!text_read_duration(word, &options->fallback_ns) || options->fallback_ns <= 0)
        config_error(reader, value, "field \"%.*s\"'s value \"%.*s\" is invalid", CONFIG_KEY(value),
                     BYTES_ARG(word));
}

static void read_version(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct tls_options *options = ((struct tls_block *)to)->options;
    struct bytes version = value->text;

    if (value->type != CONFIG_STRING)
        config_error(reader, value, "error parsing tls config: 'min_version' wrong type: %s",
                     config_type_text(value->type));
    else if (bytes_equal(version, BYTES("1.2")))
        options->version_min = 12;
    else if (bytes_equal(version, BYTES("1.3")))
        options->version_min = 13;
    else if (bytes_equal(version, BYTES("1.0")) || bytes_equal(version, BYTES("1.1")))
        config_error(reader, value, "error parsing tls config: unsupported TLS version: TLS %.*s",
                     BYTES_ARG(version));
    else
        config_error(reader, value, "error parsing tls config: unknown version: %.*s",
                     BYTES_ARG(version));
}

/* A list of names that may not be empty. */
static bool read_names(struct config_reader *reader, const struct config_value *value,
                       struct bytes **names, size_t *count)
{
    if (!config_is(reader, value, CONFIG_ARRAY))
        return false;
    if (value->child == NULL) {
        config_error(reader, value, "error parsing tls config, '%.*s' cannot be empty",
                     CONFIG_KEY(value));
        return false;
    }
    *names = config_array(reader, value, sizeof(struct bytes), count);
    for (const struct config_value *e = value->child; e != NULL; e = e->next) {
        if (!config_bytes(reader, e, &(*names)[(*count)++]))
            return false;
    }
    return true;
}

static void read_ciphers(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct tls_options *options = ((struct tls_block *)to)->options;
    const struct config_value *e = value->child;

    if (!read_names(reader, value, &options->ciphers, &options->ciphers_count))
        return;
    for (size_t i = 0; i < options->ciphers_count; i++, e = e->next) {
        if (!tls_cipher_known(options->ciphers[i]))
            config_error(reader, e, "unrecognized cipher %.*s", BYTES_ARG(options->ciphers[i]));
    }
}

static void read_curves(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct tls_options *options = ((struct tls_block *)to)->options;
    const struct config_value *e = value->child;

    if (!read_names(reader, value, &options->curves, &options->curves_count))
        return;
    for (size_t i = 0; i < options->curves_count; i++, e = e->next) {
        if (!tls_curve_known(options->curves[i]))
            config_error(reader, e, "unrecognized curve preference %.*s",
                         BYTES_ARG(options->curves[i]));
    }
}

static void read_rate(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct tls_options *options = ((struct tls_block *)to)->options;

    if (value->type == CONFIG_INTEGER)
        options->rate_max = value->integer > 0 ? value->integer : 0;
    else
        config_error(reader, value, "error parsing tls config, 'connection_rate_limit' wrong type");
}

static void read_map(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct tls_options *options = ((struct tls_block *)to)->options;

    if (config_bool(reader, value, &options->map) && options->map)
        options->verify = true;
}

static void read_verify(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct tls_options *options = ((struct tls_block *)to)->options;
    bool verify;

    if (config_bool(reader, value, &verify))
        options->verify = options->verify || verify;
}

static void read_known_urls(struct config_reader *reader, const struct config_value *value,
                            void *to)
{
    const struct tls_block *block = to;
    bool asked;

    if (!config_bool(reader, value, &asked) || !asked)
        return;
    if (block->role == CONFIG_TLS_CLIENTS)
        config_error(reader, value,
                     "verify_cert_and_check_known_urls not supported in this context");
    else
        config_error(reader, value, "\"verify_cert_and_check_known_urls\" is not supported yet");
}

static void read_windows(struct config_reader *reader, const struct config_value *value, void *to)
{
    (void)to;
    config_error(reader, value, "%.*s: there is no certificate store on this system",
                 CONFIG_KEY(value));
}

static void read_insecure(struct config_reader *reader, const struct config_value *value, void *to)
{
    const struct tls_block *block = to;

    if (!config_bool(reader, value, &block->options->insecure))
        return;
    if (block->role == CONFIG_TLS_CLIENTS)
        config_notice(reader, value, "\"insecure\" has no effect: no server is connected to");
    else if (block->options->insecure)
        config_notice(reader, value,
                      "TLS certificate chain and hostname of solicited %s will not be verified. "
                      "DO NOT USE IN PRODUCTION!",
                      block->role == CONFIG_TLS_PEERS ? "routes" : "leafnodes");
}

static const struct config_option options_of_tls[] = {
    CONFIG_FIELD("cert_file", CONFIG_AS_TEXT, struct tls_block, certificate),
    CONFIG_FIELD("key_file", CONFIG_AS_TEXT, struct tls_block, key),
    CONFIG_READ("certs certificates", read_pairs),
    CONFIG_READ("ca_file", read_ca),
    CONFIG_READ("verify", read_verify),
    CONFIG_READ("verify_and_map", read_map),
    CONFIG_READ("verify_cert_and_check_known_urls", read_known_urls),
    CONFIG_READ("insecure", read_insecure),
    CONFIG_READ("timeout", read_timeout),
    CONFIG_READ("handshake_first first immediate", read_first),
    CONFIG_READ("min_version", read_version),
    CONFIG_READ("cipher_suites", read_ciphers),
    CONFIG_FIELD("allow_insecure_cipher_suites", CONFIG_AS_BOOL, struct tls_block,
                 insecure_ciphers),
    CONFIG_READ("curve_preferences", read_curves),
    CONFIG_READ("connection_rate_limit", read_rate),
    CONFIG_READ("pinned_certs", read_pins),
    CONFIG_REFUSED("ocsp_peer"),
    CONFIG_READ("cert_store cert_match_by cert_match ca_certs_match cert_match_skip_invalid",
                read_windows),
};

static const struct config_block tls = {options_of_tls,
                                        sizeof(options_of_tls) / sizeof(options_of_tls[0]),
                                        "error parsing tls config, unknown field \"%.*s\""};

/* ---- the whole ------------------------------------------------------------------------------ */

static void add_pair(struct config_reader *reader, const struct config_value *value,
                     const struct tls_block *block)
{
    struct tls_options *options = block->options;

    if (block->certificate == NULL && block->key == NULL)
        return;
    if (options->pairs_count > 0)
        config_error(reader, value,
                     "error parsing tls config, cannot combine 'cert_file' option with 'certs' "
                     "option");
    else if (block->key == NULL)
        config_error(reader, value, "missing 'key_file' in TLS configuration");
    else if (block->certificate == NULL)
        config_error(reader, value, "missing 'cert_file' in TLS configuration");
    options->pairs = CONFIG_NEW(reader, struct tls_pair);
    *options->pairs = (struct tls_pair){block->certificate, block->key};
    options->pairs_count = 1;
}

static void check_ciphers(struct config_reader *reader, const struct config_value *value,
                          const struct tls_block *block)
{
    const struct tls_options *options = block->options;

    for (size_t i = 0; i < options->ciphers_count && !block->insecure_ciphers; i++) {
        if (tls_cipher_insecure(options->ciphers[i]))
            config_error(reader, value,
                         "insecure cipher suites configured without "
                         "'allow_insecure_cipher_suites' option set: %.*s",
                         BYTES_ARG(options->ciphers[i]));
    }
}

const struct tls_options *config_tls(struct config_reader *reader, const struct config_value *value,
                                     enum config_tls_role role)
{
    unsigned errors = reader->error_count;
    struct tls_block block = {.options = CONFIG_NEW(reader, struct tls_options), .role = role};

    block.options->timeout_ns = TLS_TIMEOUT_NS;
    block.options->version_min = 12;
    block.options->place = &value->place;
    block.options->peers = role != CONFIG_TLS_CLIENTS;
    block.options->verify = block.options->peers;
    if (!config_read_block(reader, value, &tls, &block))
        return NULL;
    add_pair(reader, value, &block);
    check_ciphers(reader, value, &block);
    return reader->error_count == errors ? block.options : NULL;
}
