/*
 * count_turn: the consumers of a stream that count what is left for them do it one after the other,
 * one part in each turn, while the stream goes on.
 */
#include "server/stream/stream_priv.h"

#define COUNT_PART 4096u /* subjects and messages: about a millisecond, when none is at hand */

void stream_count_init(struct stream *stream)
{
    uint64_t part = server_options(jetstream_server(stream->jetstream))->sim.count_part;

    stream->view.count_part = part != 0 ? part : COUNT_PART;
    buf_init(&stream->uncounted, SIZE_MAX / 2);
}

void stream_count_deinit(struct stream *stream)
{
    buf_deinit(&stream->uncounted);
}

void stream_count(struct stream *stream, const struct consumer *consumer)
{
    (void)buf_add(&stream->uncounted, consumer_number_key(consumer));
    stream_mark(stream);
}

/* The first of them; NULL: there is none any more. */
static struct consumer_shell *first(const struct stream *stream)
{
    return table_find(&stream->consumers_by_number,
                      bytes_of(stream->uncounted.at + stream->uncounted_taken, sizeof(uint64_t)));
}

static void take(struct stream *stream)
{
    stream->uncounted_taken += sizeof(uint64_t);
    if (stream->uncounted_taken < stream->uncounted.size)
        return;
    buf_release(&stream->uncounted);
    stream->uncounted_taken = 0;
}

void stream_count_turn(struct stream *stream)
{
    struct consumer_shell *shell;

    while (stream->uncounted_taken < stream->uncounted.size) {
        shell = first(stream);
        if (shell != NULL && !consumer_count_part(shell->consumer)) {
            if (!stream->bringing) /* else it has a turn when that has come */
                stream_mark(stream);
            return;
        }
        take(stream);
        if (shell != NULL)
            stream_consumer_mark(shell);
        stream_glances_counted(stream);
    }
}
