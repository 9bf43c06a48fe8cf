/*
 * replica_ask: what a machine that fills asks of whoever leads (docs/raft.md, Catch-up by block).
 * It may ask several things at once, each again and again, ever more rarely, until it asks
 * something else in its place or nothing: so one answer that was lost does not hold up the others,
 * and a leader that has much else to do is not asked for the same ever faster.
 */
#include "raft/replica_priv.h"

#define AGAIN_MOST_NS INT64_C(3200000000)

static void send(struct replica *replica, struct catch_question *question)
{
    struct catch *catch = &replica->catch;
    struct raft_message message = {.previous = catch->index, .previous_term = catch->term};

    question->due_ns = io_now(replica->io) + question->again_ns;
    if (raft_core_leader(replica->core).node != 0)
        (void)replica_catch_send(replica, WIRE_ASK, raft_core_leader(replica->core), &message,
                                 buf_bytes(&question->text));
}

void replica_ask(struct replica *replica, uint32_t number, struct bytes text)
{
    struct catch_question *question = &replica->catch.questions[number];

    assert(number < REPLICA_QUESTIONS);
    assert(replica->catch.phase == CATCH_FILL);
    buf_clear(&question->text);
    if (text.size == 0)
        return;
    (void)buf_add(&question->text, text);
    question->again_ns = REPLICA_AGAIN_NS;
    send(replica, question);
}

void replica_questions_again(struct replica *replica)
{
    int64_t now = io_now(replica->io);

    for (uint32_t i = 0; i < REPLICA_QUESTIONS; i++) {
        struct catch_question *question = &replica->catch.questions[i];

        if (question->text.size == 0 || question->due_ns > now)
            continue;
        if (question->again_ns < AGAIN_MOST_NS)
            question->again_ns *= 2;
        send(replica, question);
    }
}

void replica_questions_drop(struct replica *replica)
{
    for (uint32_t i = 0; i < REPLICA_QUESTIONS; i++)
        buf_release(&replica->catch.questions[i].text);
}

void replica_questions_init(struct replica *replica)
{
    for (uint32_t i = 0; i < REPLICA_QUESTIONS; i++)
        buf_init(&replica->catch.questions[i].text, WIRE_FRAME_MAX);
}
