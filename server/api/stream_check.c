#include "server/api/stream_check.h"

#include <stdio.h>

#include "base/limits.h"
#include "base/subject.h"
#include "server/api/stream_check_origins.h"
#include "server/api/stream_check_transforms.h"
#include "server/jetstream/placement.h"

#define SECOND            INT64_C(1000000000)
#define MILLISECOND       INT64_C(1000000)
#define WINDOW_DEFAULT_NS (120 * SECOND)
#define GRANULARITY_NS    (100 * MILLISECOND)

struct checking {
    struct stream_config *config;
    bool pedantic;
    struct arena *arena;
    struct verdict *verdict;
};

static bool invalid(const struct checking *in, const char *text)
{
    return verdict_refuse(in->verdict, 10052, "%s", text);
}

/* ---- names and sizes ------------------------------------------------------------------------ */

static bool check_names(const struct checking *in)
{
    const struct stream_config *config = in->config;

    if (config->name.size == 0 || !verdict_name_clean(config->name))
        return invalid(in, "stream name is required and can not contain '.', '*', '>', '\\', '/'");
    if (config->name.size > NAME_SIZE_MAX)
        return invalid(in, "stream name is too long, maximum allowed is 255");
    if (config->description.size > VERDICT_DESCRIPTION_MAX)
        return invalid(in, "stream description is too long, maximum allowed is 4096");
    if (verdict_metadata_size(&config->metadata) > VERDICT_METADATA_MAX)
        return invalid(in, "stream metadata exceeds maximum size of 131072 bytes");
    return true;
}

/* ---- limits --------------------------------------------------------------------------------- */

struct limit_rule {
    int64_t *value;
    const char *name;
};

/* Zero and anything below -1 mean "no limit", which is -1; pedantic requests must say so
 * themselves. */
static bool settle_limits(const struct checking *in)
{
    struct stream_config *config = in->config;
    int64_t size = config->max_msg_size;
    struct limit_rule rules[] = {
        {&config->max_msgs, "max_msgs"},
        {&config->max_msgs_per_subject, "max_msgs_per_subject"},
        {&config->max_bytes, "max_bytes"},
        {&size, "max_msg_size"},
        {&config->max_consumers, "max_consumers"},
    };

    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (*rules[i].value < -1 && in->pedantic)
            return verdict_refuse(in->verdict, 10157, "pedantic mode: %s must be set to -1",
                                  rules[i].name);
        if (*rules[i].value == 0 || *rules[i].value < -1)
            *rules[i].value = -1;
    }
    config->max_msg_size = (int32_t)size;
    return true;
}

static bool check_replicas(const struct checking *in)
{
    struct stream_config *config = in->config;

    if (config->num_replicas == 0)
        config->num_replicas = 1;
    if (config->num_replicas > (int64_t)REPLICAS_MAX)
        return invalid(in, "maximum replicas is 5");
    if (config->num_replicas < 0)
        return verdict_refuse_plain(in->verdict, 10133);
    return true;
}

static bool check_age(const struct checking *in)
{
    if (in->config->max_age_ns < 0)
        return invalid(in, "max age can not be negative");
    if (in->config->max_age_ns > 0 && in->config->max_age_ns < GRANULARITY_NS)
        return invalid(in, "max age needs to be >= 100ms");
    return true;
}

static bool check_window(const struct checking *in)
{
    struct stream_config *config = in->config;

    if (config->duplicate_window_ns == 0 && config->mirror == NULL && config->sources.count == 0) {
        config->duplicate_window_ns = WINDOW_DEFAULT_NS;
        if (config->max_age_ns != 0 && config->max_age_ns < WINDOW_DEFAULT_NS) {
            if (in->pedantic)
                return verdict_refuse(
                    in->verdict, 10157,
                    "pedantic mode: duplicate window cannot be bigger than max age");
            config->duplicate_window_ns = config->max_age_ns;
        }
    }
    if (config->duplicate_window_ns < 0)
        return invalid(in, "duplicates window can not be negative");
    if (config->max_age_ns != 0 && config->duplicate_window_ns > config->max_age_ns)
        return invalid(in, "duplicates window can not be larger then max age");
    if (config->duplicate_window_ns > 0 && config->duplicate_window_ns < GRANULARITY_NS)
        return invalid(in, "duplicates window needs to be >= 100ms");
    return true;
}

/* ---- combinations --------------------------------------------------------------------------- */

static bool check_counter(const struct checking *in)
{
    const struct stream_config *config = in->config;

    if (!config->allow_msg_counter)
        return true;
    if (config->discard == DISCARD_NEW)
        return invalid(in, "counter stream cannot use discard new");
    if (config->allow_msg_ttl)
        return invalid(in, "counter stream cannot use message TTLs");
    if (config->allow_msg_schedules)
        return invalid(in, "counter stream cannot use message schedules");
    if (config->retention != RETENTION_LIMITS)
        return invalid(in, "counter stream can only use limits retention");
    return true;
}

static bool check_discard(const struct checking *in)
{
    const struct stream_config *config = in->config;

    if (config->deny_purge && config->allow_rollup_hdrs)
        return invalid(in, "roll-ups require the purge permission");
    if (!check_counter(in))
        return false;
    if (!config->discard_new_per_subject)
        return true;
    if (config->discard != DISCARD_NEW)
        return invalid(in, "discard new per subject requires discard new policy to be set");
    if (config->max_msgs_per_subject <= 0)
        return invalid(in, "discard new per subject requires max msgs per subject > 0");
    return true;
}

/* Markers and schedules need roll-ups, which need the permission to purge. */
static bool need_rollup(const struct checking *in, const char *otherwise)
{
    if (in->config->allow_rollup_hdrs)
        return true;
    if (in->pedantic)
        return invalid(in, otherwise);
    in->config->allow_rollup_hdrs = true;
    in->config->deny_purge = false;
    return true;
}

static bool check_markers(const struct checking *in)
{
    struct stream_config *config = in->config;

    if (config->subject_delete_marker_ttl_ns > 0 && config->subject_delete_marker_ttl_ns < SECOND)
        return invalid(in, "subject delete marker TTL must be at least 1 second");
    if (config->subject_delete_marker_ttl_ns < 0)
        return invalid(in, "subject delete marker TTL must not be negative");
    if (config->subject_delete_marker_ttl_ns == 0)
        return true;
    if (!config->allow_msg_ttl && in->pedantic)
        return invalid(in, "subject delete marker cannot be set if message TTLs are disabled");
    config->allow_msg_ttl = true;
    return need_rollup(in, "subject delete marker cannot be set if roll-ups are disabled");
}

static bool check_schedules(const struct checking *in)
{
    if (!in->config->allow_msg_schedules)
        return true;
    if (in->config->discard == DISCARD_NEW)
        return invalid(in, "message scheduling cannot use discard new");
    return need_rollup(in, "message scheduling cannot be set if roll-ups are disabled");
}

static bool check_persist(const struct checking *in)
{
    const struct stream_config *config = in->config;

    if (config->persist_mode == 0)
        return true;
    if (config->storage != STORAGE_FILE)
        return invalid(in, "async persist mode is only supported on file storage");
    if (config->num_replicas > 1)
        return invalid(in, "async persist mode is not supported on replicated streams");
    if (config->allow_atomic)
        return invalid(in, "async persist mode is not supported with atomic batch publish");
    return true;
}

static bool check_origins(const struct checking *in)
{
    const struct stream_config *config = in->config;

    if (config->sources.count > 0 && config->mirror == NULL && config->allow_msg_schedules)
        return verdict_refuse_plain(in->verdict, 10187);
    if (config->mirror == NULL)
        return stream_check_sources(config, in->verdict);
    if (config->first_seq > 0)
        return verdict_refuse_plain(in->verdict, 10143);
    if (config->subjects.count > 0)
        return verdict_refuse_plain(in->verdict, 10034);
    if (config->sources.count > 0)
        return verdict_refuse_plain(in->verdict, 10031);
    if (config->allow_msg_counter)
        return verdict_refuse_plain(in->verdict, 10173);
    if (config->allow_atomic)
        return verdict_refuse_plain(in->verdict, 10198);
    if (config->allow_batched)
        return verdict_refuse_plain(in->verdict, 10209);
    if (config->allow_msg_schedules)
        return verdict_refuse_plain(in->verdict, 10186);
    return stream_check_mirror(config, in->verdict);
}

/* ---- subjects ------------------------------------------------------------------------------- */

static bool settle_subjects(const struct checking *in)
{
    struct stream_config *config = in->config;

    if (config->subjects.count > STREAM_SUBJECTS_MAX)
        return verdict_refuse(in->verdict, 10052,
                              "more than %u subjects are not supported by this version of Millrace",
                              STREAM_SUBJECTS_MAX);
    if (config->subjects.count > 0 || config->mirror != NULL || config->sources.count > 0)
        return true;
    config->subjects.at = ARENA_NEW(in->arena, struct bytes);
    if (config->subjects.at == NULL)
        return verdict_refuse_plain(in->verdict, 10023);
    config->subjects.at[0] = config->name;
    config->subjects.count = 1;
    return true;
}

static bool check_everything(const struct checking *in, struct bytes subject)
{
    if (!bytes_equal(subject, BYTES(">")))
        return true;
    if (!in->config->no_ack)
        return invalid(in, "capturing all subjects requires no-ack to be true");
    if (in->config->num_replicas != 1)
        return invalid(in, "capturing all subjects requires replicas of 1");
    return true;
}

static bool check_reserved(const struct checking *in, struct bytes subject)
{
    static const char *const reserved[] = {"$JS.>", "$JSC.>", "$NRG.>"};

    if (in->config->no_ack)
        return true;
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        if (subject_collide(subject, bytes_of_text(reserved[i])) &&
            !subject_covers(BYTES("$JS.EVENT.>"), subject))
            return invalid(in,
                           "subjects that overlap with jetstream api require no-ack to be true");
    }
    if (subject_collide(subject, BYTES("$SYS.>")) &&
        !subject_covers(BYTES("$SYS.ACCOUNT.>"), subject))
        return invalid(in, "subjects that overlap with system api require no-ack to be true");
    return true;
}

/* Of two that overlap the one that comes first in the list is named first. */
static bool check_own_overlap(const struct checking *in, size_t i)
{
    const struct schema_strings *subjects = &in->config->subjects;

    for (size_t j = i + 1; j < subjects->count; j++) {
        if (subject_valid_strict(subjects->at[j]) &&
            subject_collide(subjects->at[i], subjects->at[j]))
            return verdict_refuse(in->verdict, 10052, "subject \"%.*s\" overlaps with \"%.*s\"",
                                  BYTES_ARG(subjects->at[i]), BYTES_ARG(subjects->at[j]));
    }
    return true;
}

static bool check_subjects(const struct checking *in)
{
    const struct schema_strings *subjects = &in->config->subjects;

    for (size_t i = 0; i < subjects->count; i++) {
        struct bytes subject = subjects->at[i];

        if (!subject_valid_strict(subject) || subject_token_count(subject) > SUBJECT_TOKENS_MAX)
            return invalid(in, "invalid subject");
        if (!check_everything(in, subject) || !check_reserved(in, subject) ||
            !check_own_overlap(in, i))
            return false;
    }
    return true;
}

static bool check_transforms(const struct checking *in)
{
    return stream_check_transforms(in->config, in->pedantic, in->verdict);
}

/* An object without anything in it is as good as none. */
static bool settle_placement(const struct checking *in)
{
    const struct stream_placement *placement = in->config->placement;

    if (placement == NULL)
        return true;
    if (placement->preferred.size > 0)
        return invalid(in, "preferred server not permitted in placement");
    if (placement->tags.count > PLACEMENT_TAGS_MAX)
        return verdict_refuse(in->verdict, 10052,
                              "more than %u tags are not supported by this version of Millrace",
                              PLACEMENT_TAGS_MAX);
    if (placement->cluster.size == 0 && placement->tags.count == 0)
        in->config->placement = NULL;
    return true;
}

/* ---- metadata: what the server manages ------------------------------------------------------ */

static const char *required_level(const struct stream_config *config)
{
    if (config->allow_batched)
        return "4";
    if (config->allow_msg_counter || config->allow_atomic || config->allow_msg_schedules ||
        config->persist_mode != 0)
        return "2";
    return config->allow_msg_ttl || config->subject_delete_marker_ttl_ns > 0 ? "1" : "0";
}

static bool settle_metadata(const struct checking *in)
{
    struct schema_map *metadata = &in->config->metadata;
    struct bytes none = {0};

    if (schema_map_set(metadata, in->arena, BYTES("_nats.ver"), none) &&
        schema_map_set(metadata, in->arena, BYTES("_nats.level"), none) &&
        schema_map_set(metadata, in->arena, BYTES("_nats.req.level"),
                       bytes_of_text(required_level(in->config))))
        return true;
    return verdict_refuse_plain(in->verdict, 10023);
}

void stream_check(struct stream_config *config, bool pedantic, struct arena *arena,
                  struct verdict *verdict)
{
    static bool (*const steps[])(const struct checking *) = {
        check_names,     check_replicas, settle_limits,    check_age,        check_window,
        check_discard,   check_markers,  check_schedules,  check_persist,    check_origins,
        settle_subjects, check_subjects, check_transforms, settle_placement, settle_metadata,
    };
    struct checking in = {
        .config = config, .pedantic = pedantic, .arena = arena, .verdict = verdict};

    verdict->error = 0;
    verdict->text[0] = 0;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        if (!steps[i](&in))
            return;
    }
}

void stream_check_built(const struct stream_config *config, bool clustered, struct verdict *verdict)
{
    const char *refused = schema_refused(&stream_config_schema, config);

    verdict->error = config->num_replicas > 1 && !clustered ? 10074 : 0;
    verdict->text[0] = 0;
    if (verdict->error == 0 && refused != NULL)
        verdict_refuse(verdict, 10052, "%s is not supported by this version of Millrace", refused);
}

/* ---- updates -------------------------------------------------------------------------------- */

static const char *violated(const struct stream_config *from, const struct stream_config *to)
{
    bool workqueue = from->retention == RETENTION_WORKQUEUE;

    if (from->storage != to->storage)
        return "stream configuration update can not change storage type";
    if (from->retention != to->retention && (workqueue || to->retention == RETENTION_WORKQUEUE))
        return "stream configuration update can not change retention policy to/from workqueue";
    if (from->sealed && !to->sealed)
        return "stream configuration update can not unseal a sealed stream";
    if (from->deny_delete && !to->deny_delete)
        return "stream configuration update can not cancel deny message deletes";
    if (from->deny_purge && !to->deny_purge)
        return "stream configuration update can not cancel deny purge";
    return NULL;
}

static const char *violated_features(const struct stream_config *from,
                                     const struct stream_config *to)
{
    if (from->allow_msg_ttl && !to->allow_msg_ttl)
        return "message TTL status can not be disabled";
    if (from->allow_msg_counter != to->allow_msg_counter)
        return "stream configuration update can not change message counter setting";
    if (from->allow_msg_schedules && !to->allow_msg_schedules)
        return "message schedules can not be disabled";
    if (from->persist_mode != to->persist_mode)
        return "stream configuration update can not change persist mode";
    return NULL;
}

/* What a sealed stream must be. */
static void seal(struct stream_config *config)
{
    config->max_age_ns = 0;
    config->discard = DISCARD_NEW;
    config->deny_delete = true;
    config->deny_purge = true;
    config->allow_rollup_hdrs = false;
}

void stream_check_update(const struct stream_config *from, struct stream_config *to,
                         struct verdict *verdict)
{
    const char *text = violated(from, to);

    verdict->error = 0;
    verdict->text[0] = 0;
    if (text == NULL && to->mirror != NULL &&
        (from->mirror == NULL || !schema_equal(&stream_source_schema, from->mirror, to->mirror))) {
        verdict->error = 10055;
        return;
    }
    if (text == NULL)
        text = violated_features(from, to);
    if (text != NULL) {
        verdict_refuse(verdict, 10052, "%s", text);
        return;
    }
    if (to->sealed)
        seal(to);
}

bool stream_check_overlap(const struct stream_config *a, const struct stream_config *b)
{
    for (size_t i = 0; i < a->subjects.count; i++) {
        for (size_t j = 0; j < b->subjects.count; j++) {
            if (subject_collide(a->subjects.at[i], b->subjects.at[j]))
                return true;
        }
    }
    return false;
}
