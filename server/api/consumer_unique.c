#include "server/api/consumer_unique.h"

#include "base/subject.h"
#include "server/stream/stream.h"

bool consumer_is_internal(const struct consumer_config *config)
{
    return config->direct || config->sourcing;
}

static struct consumer_filter filter_of(const struct consumer_config *config)
{
    if (config->filter_subject.size > 0)
        return (struct consumer_filter){&config->filter_subject, 1};
    return (struct consumer_filter){config->filter_subjects.at, config->filter_subjects.count};
}

/* Some subject may be both's. */
static bool collide(const struct consumer_filter *a, const struct consumer_filter *b)
{
    for (size_t i = 0; i < a->count; i++) {
        for (size_t j = 0; j < b->count; j++) {
            if (subject_collide(a->subjects[i], b->subjects[j]))
                return true;
        }
    }
    return a->count == 0 || b->count == 0;
}

uint16_t consumer_check_unique(const struct stream *stream, const struct consumer_config *config)
{
    struct consumer_filter filter = filter_of(config);
    const struct consumer *other;

    if (stream_config(stream)->retention != RETENTION_WORKQUEUE || consumer_is_internal(config))
        return 0;
    if (config->ack_policy != ACK_EXPLICIT && config->ack_policy != ACK_FLOW_CONTROL)
        return 10098;
    if (config->deliver_policy != DELIVER_ALL)
        return 10101;
    for (size_t at = 0; (other = stream_consumer_next(stream, &at)) != NULL;) {
        struct consumer_filter other_filter = consumer_filter(other);

        if (consumer_is_internal(consumer_config(other)) ||
            bytes_equal(consumer_name(other), config->name))
            continue;
        if (filter.count == 0)
            return 10099;
        if (collide(&filter, &other_filter))
            return 10100;
    }
    return 0;
}
