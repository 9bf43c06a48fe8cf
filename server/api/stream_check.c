#include "server/api/stream_check.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/subject.h"

#define SECOND             INT64_C(1000000000)
#define MILLISECOND        INT64_C(1000000)
#define WINDOW_DEFAULT     (120 * SECOND)
#define NAME_MAX_SIZE      255
#define DESCRIPTION_MAX    4096
#define METADATA_MAX       131072
#define REPLICAS_MAX       5

[[gnu::format(printf, 3, 4)]] static bool refuse(struct stream_verdict *verdict, uint16_t error,
                                                 const char *format, ...)
{
    va_list arguments;

    verdict->error = error;
    va_start(arguments, format);
    vsnprintf(verdict->text, sizeof verdict->text, format, arguments);
    va_end(arguments);
    return false;
}

static bool refuse_constant(struct stream_verdict *verdict, uint16_t error)
{
    verdict->error = error;
    verdict->text[0] = 0;
    return false;
}

#define INVALID(...) refuse(verdict, 10052, __VA_ARGS__)

/* ---- name, texts, counts ------------------------------------------------------------------------------ */

static bool check_name(const struct stream_config *config, struct stream_verdict *verdict)
{
    bool bad = config->name.size == 0;

    for (size_t i = 0; i < config->name.size && !bad; i++)
        bad = memchr(" \t\r\n\f.*>\\/", config->name.at[i], 10) != NULL;
    if (bad)
        return INVALID("stream name is required and can not contain '.', '*', '>', '\\', '/'");
    if (config->name.size > NAME_MAX_SIZE)
        return INVALID("stream name is too long, maximum allowed is %d", NAME_MAX_SIZE);
    if (config->description.size > DESCRIPTION_MAX)
        return INVALID("stream description is too long, maximum allowed is %d", DESCRIPTION_MAX);
    return true;
}

static bool check_metadata(const struct stream_config *config, struct stream_verdict *verdict)
{
    size_t size = 0;

    for (size_t i = 0; i < config->metadata.count; i++)
        size += config->metadata.keys[i].size + config->metadata.values[i].size;
    return size <= METADATA_MAX ? true
                                : INVALID("stream metadata exceeds maximum size of %d bytes", METADATA_MAX);
}

static bool check_replicas(struct stream_config *config, struct stream_verdict *verdict)
{
    if (config->num_replicas > REPLICAS_MAX)
        return INVALID("maximum replicas is %d", REPLICAS_MAX);
    if (config->num_replicas < 0)
        return refuse_constant(verdict, 10133);
    if (config->num_replicas == 0)
        config->num_replicas = 1;
    return true;
}

/* 0 and anything below -1 mean unlimited; pedantic requests must say -1. */
static bool set_unlimited(struct stream_config *config, bool pedantic, struct stream_verdict *verdict)
{
    struct {
        int64_t *value;
        const char *name;
    } limits[] = {
        {&config->max_msgs, "max_msgs"},
        {&config->max_msgs_per_subject, "max_msgs_per_subject"},
        {&config->max_bytes, "max_bytes"},
        {&config->max_consumers, "max_consumers"},
    };

    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        if (pedantic && *limits[i].value < -1)
            return refuse(verdict, 10157, "pedantic mode: %s must be set to -1", limits[i].name);
        if (*limits[i].value == 0 || *limits[i].value < -1)
            *limits[i].value = -1;
    }
    if (pedantic && config->max_msg_size < -1)
        return refuse(verdict, 10157, "pedantic mode: max_msg_size must be set to -1");
    if (config->max_msg_size == 0 || config->max_msg_size < -1)
        config->max_msg_size = -1;
    return true;
}

/* ---- ages and windows ----------------------------------------------------------------------------------- */

static bool check_times(struct stream_config *config, bool pedantic, struct stream_verdict *verdict)
{
    bool aged = config->max_age_ns != 0;

    if (config->max_age_ns < 0)
        return INVALID("max age can not be negative");
    if (aged && config->max_age_ns < 100 * MILLISECOND)
        return INVALID("max age needs to be >= 100ms");
    if (config->duplicate_window_ns == 0 && config->mirror == NULL && config->sources.count == 0) {
        config->duplicate_window_ns = WINDOW_DEFAULT;
        if (aged && config->max_age_ns < WINDOW_DEFAULT) {
            if (pedantic)
                return refuse(verdict, 10157,
                              "pedantic mode: duplicate window cannot be bigger than max age");
            config->duplicate_window_ns = config->max_age_ns;
        }
    }
    if (config->duplicate_window_ns < 0)
        return INVALID("duplicates window can not be negative");
    if (aged && config->duplicate_window_ns > config->max_age_ns)
        return INVALID("duplicates window can not be larger then max age");
    if (config->duplicate_window_ns > 0 && config->duplicate_window_ns < 100 * MILLISECOND)
        return INVALID("duplicates window needs to be >= 100ms");
    return true;
}

/* ---- features against each other --------------------------------------------------------------------------- */

static bool check_counter(const struct stream_config *config, struct stream_verdict *verdict)
{
    if (!config->allow_msg_counter)
        return true;
    if (config->discard == DISCARD_NEW)
        return INVALID("counter stream cannot use discard new");
    if (config->allow_msg_ttl)
        return INVALID("counter stream cannot use message TTLs");
    if (config->allow_msg_schedules)
        return INVALID("counter stream cannot use message schedules");
    if (config->retention != RETENTION_LIMITS)
        return INVALID("counter stream can only use limits retention");
    return true;
}

static bool check_markers(struct stream_config *config, bool pedantic, struct stream_verdict *verdict)
{
    int64_t marker_ns = config->subject_delete_marker_ttl_ns;

    if (marker_ns > 0 && marker_ns < SECOND)
        return INVALID("subject delete marker TTL must be at least 1 second");
    if (marker_ns < 0)
        return INVALID("subject delete marker TTL must not be negative");
    if (marker_ns > 0 && pedantic && !config->allow_msg_ttl)
        return INVALID("subject delete marker cannot be set if message TTLs are disabled");
    if (marker_ns > 0 && pedantic && !config->allow_rollup_hdrs)
        return INVALID("subject delete marker cannot be set if roll-ups are disabled");
    if (config->allow_msg_schedules && config->discard == DISCARD_NEW)
        return INVALID("message scheduling cannot use discard new");
    return true;
}

static bool check_features(struct stream_config *config, bool pedantic, struct stream_verdict *verdict)
{
    if (config->deny_purge && config->allow_rollup_hdrs)
        return INVALID("roll-ups require the purge permission");
    if (!check_counter(config, verdict))
        return false;
    if (config->discard_new_per_subject && config->discard != DISCARD_NEW)
        return INVALID("discard new per subject requires discard new policy to be set");
    if (config->discard_new_per_subject && config->max_msgs_per_subject <= 0)
        return INVALID("discard new per subject requires max msgs per subject > 0");
    return check_markers(config, pedantic, verdict);
}

static bool check_mirror(const struct stream_config *config, struct stream_verdict *verdict)
{
    if (config->mirror == NULL)
        return true;
    if (config->first_seq > 0)
        return refuse_constant(verdict, 10143);
    if (config->subjects.count > 0)
        return refuse_constant(verdict, 10034);
    if (config->sources.count > 0)
        return refuse_constant(verdict, 10031);
    return true;
}

/* ---- subjects -------------------------------------------------------------------------------------------------- */

static void set_subjects(struct stream_config *config, struct arena *arena)
{
    if (config->subjects.count > 0 || config->mirror != NULL || config->sources.count > 0)
        return;
    config->subjects.at = ARENA_ARRAY(arena, struct bytes, 1);
    config->subjects.at[0] = config->name;
    config->subjects.count = 1;
}

static bool overlaps_system(struct bytes subject, struct bytes system, struct bytes allowed)
{
    return subject_collide(subject, system) && !subject_covers(allowed, subject);
}

static bool check_subject(const struct stream_config *config, struct bytes subject,
                          struct stream_verdict *verdict)
{
    if (!subject_valid_strict(subject))
        return INVALID("invalid subject");
    if (bytes_equal(subject, BYTES(">"))) {
        if (!config->no_ack)
            return INVALID("capturing all subjects requires no-ack to be true");
        if (config->num_replicas != 1)
            return INVALID("capturing all subjects requires replicas of 1");
        return true;
    }
    if (config->no_ack)
        return true;
    if (overlaps_system(subject, BYTES("$JS.>"), BYTES("$JS.EVENT.>")) ||
        subject_collide(subject, BYTES("$JSC.>")) || subject_collide(subject, BYTES("$NRG.>")))
        return INVALID("subjects that overlap with jetstream api require no-ack to be true");
    if (overlaps_system(subject, BYTES("$SYS.>"), BYTES("$SYS.ACCOUNT.>")))
        return INVALID("subjects that overlap with system api require no-ack to be true");
    return true;
}

static bool check_subjects(const struct stream_config *config, struct stream_verdict *verdict)
{
    const struct schema_strings *subjects = &config->subjects;

    for (size_t i = 0; i < subjects->count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (bytes_equal(subjects->at[i], subjects->at[j]))
                return INVALID("duplicate subjects detected");
        }
        if (!check_subject(config, subjects->at[i], verdict))
            return false;
        for (size_t j = 0; j < i; j++) {
            if (subject_collide(subjects->at[i], subjects->at[j]))
                return INVALID("subject \"%.*s\" overlaps with \"%.*s\"", BYTES_ARG(subjects->at[i]),
                               BYTES_ARG(subjects->at[j]));
        }
    }
    return true;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static void set_level(struct stream_config *config, struct arena *arena)
{
    (void)schema_map_set(&config->metadata, arena, BYTES("_nats.ver"), bytes_of(NULL, 0));
    (void)schema_map_set(&config->metadata, arena, BYTES("_nats.level"), bytes_of(NULL, 0));
    (void)schema_map_set(&config->metadata, arena, BYTES("_nats.req.level"), BYTES("0"));
}

void stream_check(struct stream_config *config, bool pedantic, struct arena *arena,
                  struct stream_verdict *verdict)
{
    const char *unsupported;

    *verdict = (struct stream_verdict){0};
    if (!check_name(config, verdict) || !check_metadata(config, verdict) ||
        !check_replicas(config, verdict) || !set_unlimited(config, pedantic, verdict) ||
        !check_times(config, pedantic, verdict) || !check_features(config, pedantic, verdict) ||
        !check_mirror(config, verdict))
        return;
    set_subjects(config, arena);
    if (!check_subjects(config, verdict))
        return;
    if (config->num_replicas > 1) {
        (void)refuse_constant(verdict, 10074);
        return;
    }
    unsupported = schema_refused(&stream_config_schema, config);
    if (unsupported != NULL) {
        (void)INVALID("%s is not supported by this version of Millrace", unsupported);
        return;
    }
    set_level(config, arena);
}

/* A sealed stream takes nothing and gives nothing away. */
static void seal(struct stream_config *config)
{
    config->max_age_ns = 0;
    config->discard = DISCARD_NEW;
    config->deny_delete = true;
    config->deny_purge = true;
    config->allow_rollup_hdrs = false;
}

void stream_check_update(const struct stream_config *from, struct stream_config *to,
                         struct stream_verdict *verdict)
{
    const char *text = NULL;

    *verdict = (struct stream_verdict){0};
    if (!bytes_equal(from->name, to->name))
        text = "stream configuration name must match original";
    else if (from->storage != to->storage)
        text = "stream configuration update can not change storage type";
    else if (from->retention != to->retention)
        text = "stream configuration update can not change retention policy to/from workqueue";
    else if (from->sealed && !to->sealed)
        text = "stream configuration update can not unseal a sealed stream";
    else if (from->deny_delete && !to->deny_delete)
        text = "stream configuration update can not cancel deny message deletes";
    else if (from->deny_purge && !to->deny_purge)
        text = "stream configuration update can not cancel deny purge";
    if (text != NULL)
        (void)INVALID("%s", text);
    else if (to->sealed)
        seal(to);
}
