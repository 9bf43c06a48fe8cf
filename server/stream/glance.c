/*
 * glance: who looks at a stream and wants to see what came before. Infos come from applied state,
 * and what was published or acknowledged right before them is not yet: a glance waits until it is.
 * Not a barrier: nothing waits for a glance, and what comes behind one does not delay it.
 */
#include "server/stream/stream_priv.h"

static void push(struct stream_glances *glances, struct stream_glance *glance)
{
    glance->next = NULL;
    if (glances->last != NULL)
        glances->last->next = glance;
    else
        glances->first = glance;
    glances->last = glance;
}

static struct stream_glance *pop(struct stream_glances *glances)
{
    struct stream_glance *glance = glances->first;

    glances->first = glance->next;
    if (glances->first == NULL)
        glances->last = NULL;
    return glance;
}

static void tell(struct stream *stream, struct stream_glance *glance)
{
    stream_tell(stream, (struct told){.kind = TOLD_GLANCE, .of = glance});
}

void stream_glance(struct stream *stream, struct stream_glance *glance)
{
    bool still = stream->waiting_first == NULL && stream->consumer_dirty == NULL &&
                 stream_tail_index(stream) <= replica_applied(stream->replica);

    if (still || !stream->lead) {
        glance->done(glance, stream);
        return;
    }
    glance->publishes = stream->waiting_taken + stream->waiting_count;
    push(&stream->glances_new, glance);
    stream_mark(stream);
}

/* Publishes that had to wait are decided in order; acks were read in this turn. Then what is
 * gathered or proposed is all that it wants to see. */
static void aim(struct stream *stream)
{
    while (stream->glances_new.first != NULL &&
           stream->glances_new.first->publishes <= stream->waiting_taken) {
        struct stream_glance *glance = pop(&stream->glances_new);

        glance->index = stream_tail_index(stream);
        push(&stream->glances_aimed, glance);
    }
}

void stream_glances_turn(struct stream *stream)
{
    uint64_t applied = replica_applied(stream->replica);

    aim(stream);
    while (stream->glances_aimed.first != NULL && stream->glances_aimed.first->index <= applied) {
        tell(stream, pop(&stream->glances_aimed));
    }
}

bool stream_glance_counts(struct stream *stream, struct stream_glance *glance,
                          struct consumer *consumer)
{
    if (!stream->lead || consumer_is_counted(consumer))
        return false;
    push(&stream->glances_counting, glance);
    return true;
}

void stream_glances_counted(struct stream *stream)
{
    struct stream_glances those = stream->glances_counting;

    stream->glances_counting = (struct stream_glances){0};
    while (those.first != NULL)
        tell(stream, pop(&those));
}

static void end_all(struct stream *stream, struct stream_glances *glances)
{
    while (glances->first != NULL)
        tell(stream, pop(glances));
}

void stream_glances_end(struct stream *stream)
{
    end_all(stream, &stream->glances_aimed);
    end_all(stream, &stream->glances_new);
}

void stream_glances_follow(struct stream *stream)
{
    assert(!stream->lead);
    stream_glances_end(stream);
    end_all(stream, &stream->glances_counting);
}
