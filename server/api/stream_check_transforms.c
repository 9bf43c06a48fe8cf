#include "server/api/stream_check_transforms.h"

#include <stdio.h>

#include "base/subject.h"
#include "server/router/subject_transform.h"

bool stream_check_transform(const struct stream_transform *transform,
                            const struct stream_transform_use *use, struct verdict *verdict)
{
    struct subject_transform_error error;

    if (transform->source.size > 0 && !subject_valid_strict(transform->source))
        return verdict_refuse(verdict, use->source_error, "%s source: invalid subject %.*s",
                              use->what, BYTES_ARG(transform->source));
    if (subject_transform_valid(transform->source, transform->destination,
                                SUBJECT_TRANSFORM_MAPPING, &error))
        return true;
    return verdict_refuse(verdict, use->error, "%s: %s", use->what, error.text);
}

static bool is_everything(struct bytes subject)
{
    return bytes_equal(subject, BYTES(">"));
}

/* "Everything as it is" of a stream that transforms all it takes: everything as it is then. */
static bool settle_implicit(struct stream_config *config, bool pedantic, struct verdict *verdict)
{
    struct stream_republish *republish = config->republish;
    const struct stream_transform *transform = config->subject_transform;

    if (!is_everything(republish->source) || !is_everything(republish->destination) ||
        transform == NULL || config->subjects.count != 1 ||
        !bytes_equal(transform->source, config->subjects.at[0]))
        return true;
    if (pedantic)
        return verdict_refuse(verdict, 10157,
                              "pedantic mode: implicit republish based on subject transform");
    republish->source = republish->destination = transform->destination;
    return true;
}

static bool forms_cycle(const struct stream_config *config)
{
    for (size_t i = 0; i < config->subjects.count; i++) {
        if (subject_collide(config->republish->destination, config->subjects.at[i]))
            return true;
    }
    return false;
}

static bool check_republish(struct stream_config *config, bool pedantic, struct verdict *verdict)
{
    struct stream_republish *republish = config->republish;
    struct subject_transform_error error;

    if (republish->source.size == 0) {
        if (pedantic)
            return verdict_refuse(verdict, 10157,
                                  "pedantic mode: republish source can not be empty");
        republish->source = BYTES(">");
    }
    if (!settle_implicit(config, pedantic, verdict))
        return false;
    if (forms_cycle(config))
        return verdict_refuse(verdict, 10052,
                              "stream configuration for republish destination forms a cycle");
    if (subject_transform_valid(republish->source, republish->destination, SUBJECT_TRANSFORM_ANY,
                                &error))
        return true;
    return verdict_refuse(
        verdict, 10052,
        "stream configuration for republish with transform from '%.*s' to '%.*s' not "
        "valid",
        BYTES_ARG(republish->source), BYTES_ARG(republish->destination));
}

bool stream_check_transforms(struct stream_config *config, bool pedantic, struct verdict *verdict)
{
    static const struct stream_transform_use use = {"stream transform", 10155, 10156};

    if (config->subject_transform != NULL &&
        !stream_check_transform(config->subject_transform, &use, verdict))
        return false;
    return config->republish == NULL || check_republish(config, pedantic, verdict);
}
