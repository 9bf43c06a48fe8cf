#include "server/api/stream_check_origins.h"

#include <stdio.h>

#include "base/subject.h"
#include "base/text.h"
#include "server/api/stream_check_transforms.h"
#include "server/stream/positions.h"

/* Each is a consumer somewhere, and they are compared with one another. */
#define SOURCES_MAX 1024u
/* Of streams that are looked at for a cycle. */
#define VISITED_MAX 4096u

static bool name_fits(struct bytes name)
{
    return name.size > 0 && verdict_name_clean(name);
}

/* ---- transforms and filters ----------------------------------------------------------------- */

typedef bool overlap_fn(struct bytes a, struct bytes b);

struct origin_rules {
    struct stream_transform_use use;
    uint16_t both, overlap; /* error codes */
    overlap_fn *overlaps;
};

static bool overlaps_another(const struct stream_source *source, size_t i, overlap_fn *overlaps)
{
    const struct stream_transform *transforms = source->subject_transforms.at;

    for (size_t other = 0; other < source->subject_transforms.count; other++) {
        if (other != i && overlaps(transforms[i].source, transforms[other].source))
            return true;
    }
    return false;
}

static bool check_transforms(const struct stream_source *source, const struct origin_rules *rules,
                             struct verdict *verdict)
{
    const struct stream_transform *transforms = source->subject_transforms.at;

    for (size_t i = 0; i < source->subject_transforms.count; i++) {
        if (!stream_check_transform(&transforms[i], &rules->use, verdict))
            return false;
        if (overlaps_another(source, i, rules->overlaps))
            return verdict_refuse_plain(verdict, rules->overlap);
    }
    return true;
}

static bool check_filters(const struct stream_source *source, const struct origin_rules *rules,
                          struct verdict *verdict)
{
    if (source->filter_subject.size > 0 && source->subject_transforms.count > 0)
        return verdict_refuse_plain(verdict, rules->both);
    return true;
}

/* Is the first within the second? */
static bool within(struct bytes a, struct bytes b)
{
    return subject_covers(b, a);
}

static const struct origin_rules mirror_rules = {
    {"mirror transform", 10151, 10154}, 10150, 10152, subject_collide};
static const struct origin_rules source_rules = {
    {"source transform", 10145, 10146}, 10144, 10147, within};

/* One that was made beforehand says itself where it starts and what it takes. */
static bool check_consumer(const struct stream_source *source, uint16_t error,
                           struct verdict *verdict)
{
    const struct stream_source_consumer *consumer = source->consumer;

    if (consumer == NULL)
        return true;
    if (name_fits(consumer->name) && subject_valid_strict(consumer->deliver_subject) &&
        !subject_has_wildcard(consumer->deliver_subject) && source->opt_start_seq == 0 &&
        source->opt_start_time_ns == TIME_UNSET && source->filter_subject.size == 0)
        return true;
    return verdict_refuse_plain(verdict, error);
}

/* ---- prefixes of other accounts and domains ------------------------------------------------- */

static bool publishable(struct bytes subject)
{
    return subject_valid_strict(subject) && !subject_has_wildcard(subject);
}

static bool check_external(const struct stream_external *external, struct verdict *verdict)
{
    if (external == NULL)
        return true;
    if (external->deliver.size > 0 && !publishable(external->deliver))
        return verdict_refuse(verdict, 10024,
                              "stream external delivery prefix %.*s must not contain wildcards",
                              BYTES_ARG(external->deliver));
    if (external->api.size == 0)
        return true;
    if (!publishable(external->api))
        return verdict_refuse(verdict, 10052,
                              "stream external api prefix \"%.*s\" must be a valid subject without "
                              "wildcards",
                              BYTES_ARG(external->api));
    if (subject_collide(external->api, BYTES("$JS.API")))
        return verdict_refuse(verdict, 10021,
                              "stream external api prefix %.*s must not overlap with %s",
                              BYTES_ARG(external->api), "$JS.API");
    return true;
}

/* ---- by themselves -------------------------------------------------------------------------- */

bool stream_check_mirror(const struct stream_config *config, struct verdict *verdict)
{
    const struct stream_source *mirror = config->mirror;

    if (mirror == NULL)
        return true;
    if (!check_consumer(mirror, 10213, verdict) || !check_filters(mirror, &mirror_rules, verdict))
        return false;
    if (config->subject_delete_marker_ttl_ns > 0)
        return verdict_refuse(verdict, 10052, "subject delete markers forbidden on mirrors");
    if (!check_transforms(mirror, &mirror_rules, verdict))
        return false;
    if (mirror->external == NULL && !name_fits(mirror->name))
        return verdict_refuse_plain(verdict, 10142);
    return check_external(mirror->external, verdict);
}

/* A consumer sends to one. */
static bool consumer_shared(const struct stream_config *config, size_t i)
{
    const struct stream_source *sources = config->sources.at;

    for (size_t n = 0; sources[i].consumer != NULL && n < i; n++) {
        if (sources[n].consumer != NULL && bytes_equal(sources[n].name, sources[i].name) &&
            bytes_equal(sources[n].consumer->name, sources[i].consumer->name))
            return true;
    }
    return false;
}

static bool listed_before(const struct stream_config *config, size_t i)
{
    const struct stream_source *sources = config->sources.at;
    struct buf key, other;
    bool found = false;

    buf_init(&key, SIZE_MAX);
    buf_init(&other, SIZE_MAX);
    positions_key(&sources[i], &key);
    for (size_t n = 0; n < i && !found; n++) {
        if (!bytes_equal(sources[n].name, sources[i].name))
            continue;
        positions_key(&sources[n], &other);
        found = bytes_equal(buf_bytes(&key), buf_bytes(&other));
    }
    buf_deinit(&key);
    buf_deinit(&other);
    return found;
}

bool stream_check_sources(const struct stream_config *config, struct verdict *verdict)
{
    const struct stream_source *sources = config->sources.at;

    if (config->sources.count > SOURCES_MAX)
        return verdict_refuse(verdict, 10052,
                              "more than %u sources are not supported by this version of Millrace",
                              SOURCES_MAX);
    for (size_t i = 0; i < config->sources.count; i++) {
        if (!name_fits(sources[i].name))
            return verdict_refuse_plain(verdict, 10141);
        if (listed_before(config, i))
            return verdict_refuse_plain(verdict, 10140);
        if (!check_filters(&sources[i], &source_rules, verdict) ||
            !check_transforms(&sources[i], &source_rules, verdict) ||
            !check_consumer(&sources[i], 10215, verdict))
            return false;
        if (consumer_shared(config, i))
            return verdict_refuse_plain(verdict, 10216);
    }
    for (size_t i = 0; i < config->sources.count; i++) {
        if (!check_external(sources[i].external, verdict))
            return false;
    }
    return true;
}

/* ---- beside others -------------------------------------------------------------------------- */

/* Streams that are to be looked at, in the order in which they were found. */
struct visit {
    const struct stream_look_up *streams;
    const struct stream_config *at[VISITED_MAX];
    size_t count;
};

static bool visited(const struct visit *visit, size_t up_to, struct bytes name)
{
    for (size_t i = 0; i <= up_to; i++) {
        if (bytes_equal(visit->at[i]->name, name))
            return true;
    }
    return false;
}

static void visit_later(struct visit *visit, struct bytes name)
{
    const struct stream_config *config = visit->streams->find(visit->streams->owner, name);

    if (config != NULL && visit->count < VISITED_MAX)
        visit->at[visit->count++] = config;
}

static bool takes_any(const struct stream_config *config, struct bytes filter)
{
    if (filter.size == 0)
        return true;
    for (size_t i = 0; i < config->subjects.count; i++) {
        if (subject_collide(config->subjects.at[i], filter))
            return true;
    }
    return false;
}

/* Does what the n-th visited stream takes come from one that was visited before? */
static bool closes_cycle(struct visit *visit, size_t n)
{
    const struct stream_config *config = visit->at[n];
    const struct stream_source *sources = config->sources.at;

    for (size_t i = 0; i < config->sources.count; i++) {
        if (sources[i].external != NULL)
            continue;
        if (!visited(visit, n, sources[i].name))
            visit_later(visit, sources[i].name);
        else if (takes_any(config, sources[i].filter_subject))
            return true;
    }
    if (config->mirror == NULL || config->mirror->external != NULL)
        return false;
    if (visited(visit, n, config->mirror->name))
        return true;
    visit_later(visit, config->mirror->name);
    return false;
}

static bool check_cycle(const struct stream_config *config, const struct stream_look_up *streams,
                        struct verdict *verdict)
{
    struct visit visit = {.streams = streams, .at = {config}, .count = 1};

    for (size_t i = 0; i < visit.count; i++) {
        if (closes_cycle(&visit, i))
            return verdict_refuse(verdict, 10052, "detected cycle");
    }
    return true;
}

static bool smaller(const struct stream_config *config, const struct stream_config *origin)
{
    return config->max_msg_size > 0 && origin->max_msg_size > 0 &&
           config->max_msg_size < origin->max_msg_size;
}

static const struct stream_config *find(const struct stream_look_up *streams,
                                        const struct stream_source *source)
{
    return source->external == NULL ? streams->find(streams->owner, source->name) : NULL;
}

static bool check_mirrored(struct stream_config *config, bool pedantic,
                           const struct stream_look_up *streams, struct verdict *verdict)
{
    const struct stream_config *origin = find(streams, config->mirror);

    if (origin == NULL)
        return true;
    if (smaller(config, origin))
        return verdict_refuse_plain(verdict, 10030);
    if (pedantic && config->mirror_direct != origin->allow_direct)
        return verdict_refuse(
            verdict, 10157,
            "pedantic mode: origin stream has direct get set, mirror has it disabled");
    config->mirror_direct = origin->allow_direct;
    return true;
}

/* The prefix before what the origin has must not lead back into it. */
static bool check_deliver_prefix(const struct stream_config *config,
                                 const struct stream_look_up *streams,
                                 const struct stream_source *source, struct verdict *verdict)
{
    const struct stream_source *sources = config->sources.at;
    struct bytes prefix = source->external->deliver;

    for (size_t i = 0; i < config->sources.count; i++) {
        const struct stream_config *origin = find(streams, &sources[i]);

        for (size_t n = 0; origin != NULL && n < origin->subjects.count; n++) {
            struct buf subject;
            bool collides;

            buf_init(&subject, SIZE_MAX);
            (void)buf_print(&subject, "%.*s.%.*s", BYTES_ARG(prefix),
                            BYTES_ARG(origin->subjects.at[n]));
            collides = subject_collide(origin->subjects.at[n], buf_bytes(&subject));
            buf_deinit(&subject);
            if (collides)
                return verdict_refuse(
                    verdict, 10022,
                    "stream external delivery prefix %.*s overlaps with stream subject "
                    "%.*s",
                    BYTES_ARG(prefix), BYTES_ARG(origin->subjects.at[n]));
        }
    }
    return true;
}

static bool check_sourced(const struct stream_config *config, const struct stream_look_up *streams,
                          struct verdict *verdict)
{
    const struct stream_source *sources = config->sources.at;

    for (size_t i = 0; i < config->sources.count; i++) {
        const struct stream_config *origin = find(streams, &sources[i]);

        if (origin != NULL && smaller(config, origin))
            return verdict_refuse_plain(verdict, 10046);
    }
    for (size_t i = 0; i < config->sources.count; i++) {
        if (sources[i].external != NULL && sources[i].external->deliver.size > 0 &&
            !check_deliver_prefix(config, streams, &sources[i], verdict))
            return false;
    }
    return true;
}

bool stream_check_visible(struct stream_config *config, bool pedantic,
                          const struct stream_look_up *streams, struct verdict *verdict)
{
    verdict->error = 0;
    verdict->text[0] = 0;
    if (config->mirror != NULL && !check_mirrored(config, pedantic, streams, verdict))
        return false;
    return check_sourced(config, streams, verdict) && check_cycle(config, streams, verdict);
}

bool stream_check_origin_filters(const struct stream_config *config, struct verdict *verdict)
{
    const struct stream_source *sources = config->sources.at, *mirror = config->mirror;

    verdict->error = 0;
    verdict->text[0] = 0;
    if (mirror != NULL && mirror->filter_subject.size > 0 &&
        !subject_valid_strict(mirror->filter_subject))
        return verdict_refuse(verdict, 10049,
                              "subject filter '%.*s' for the mirror invalid subject",
                              BYTES_ARG(mirror->filter_subject));
    for (size_t i = 0; i < config->sources.count; i++) {
        if (sources[i].filter_subject.size > 0 && !subject_valid_strict(sources[i].filter_subject))
            return verdict_refuse(verdict, 10049,
                                  "subject filter '%.*s' for the source: invalid subject",
                                  BYTES_ARG(sources[i].filter_subject));
    }
    return true;
}
