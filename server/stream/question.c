/*
 * question: a message that home asks for. The stream reads it in its turn, where its log and its
 * memory to read into are, and hands home a copy: what it read into is used again.
 */
#include "base/heap.h"
#include "base/owner.h"
#include "server/stream/message_get.h"
#include "server/stream/stream_priv.h"

static void tell(struct stream_question *question)
{
    stream_lane_tell(question->lane, &(struct told){.kind = TOLD_ANSWERED,
                                                    .stream = question->stream,
                                                    .life = question->life,
                                                    .of = question});
}

static void read_done(struct stream_read *read, const struct stream_message *message)
{
    struct stream_question *question = owner_of(read, struct stream_question, read);

    question->gone = read->gone;
    question->damaged = read->damaged;
    question->found = message != NULL;
    if (message != NULL)
        question->memory = stream_message_copy(message, &question->message);
    tell(question);
}

void stream_ask(struct stream *stream, struct stream_question *question)
{
    question->lane = stream->lane;
    question->stream = stream->id;
    question->life = stream->life;
    question->memory = bytes_of(NULL, 0);
    question->found = question->gone = question->unreadable = question->damaged = false;
    question->next = NULL;
    if (stream->questions.last != NULL)
        stream->questions.last->next = question;
    else
        stream->questions.first = question;
    stream->questions.last = question;
    stream_mark(stream);
}

static struct stream_question *pop(struct stream *stream)
{
    struct stream_question *question = stream->questions.first;

    stream->questions.first = question->next;
    if (stream->questions.first == NULL)
        stream->questions.last = NULL;
    return question;
}

static void answer(struct stream *stream, struct stream_question *question)
{
    struct index_entry entry;

    if (question->unreadable || !message_get_find(question->get, stream->state.index, &entry)) {
        question->unreadable = question->unreadable || stream_failed(stream);
        tell(question);
        return;
    }
    question->read = (struct stream_read){.sequence = entry.sequence, .done = read_done};
    stream_read(stream, &question->read);
}

/* What the index has of the first may have to come first: then there is another turn. */
void stream_questions_turn(struct stream *stream)
{
    struct stream_question *question;
    struct index_here here;

    while ((question = stream->questions.first) != NULL) {
        enum scratch_place place;

        stream_here(stream, &here);
        message_get_here(question->get, stream->state.index, &here);
        place = stream_bring(stream, &here);
        if (place == SCRATCH_AWAY)
            return;
        question->unreadable = place == SCRATCH_BROKEN;
        (void)pop(stream);
        answer(stream, question);
    }
}

void stream_questions_drop(struct stream *stream)
{
    while (stream->questions.first != NULL) {
        struct stream_question *question = pop(stream);

        question->gone = true;
        tell(question);
    }
}

void stream_answered(struct stream_question *question)
{
    struct bytes memory = question->memory; /* `done` may give back whose the question is */

    question->done(question, question->found ? &question->message : NULL);
    heap_give((void *)memory.at);
}
