/* Passwords that workers prove, one at a time, in the order they came. */
#include "base/heap.h"
#include "base/owner.h"
#include "server/clients/connection_priv.h"

struct proof_work {
    struct io_work work;
    struct connections *owner;
    struct client_proof *proof;
    struct proof_work *next;
};

static void proofs_pump(struct connections *owner);

static void proof_run(struct io_work *work, struct io *io)
{
    (void)io;
    client_proof_run(owner_of(work, struct proof_work, work)->proof);
}

static void proof_done(struct io_work *work)
{
    struct proof_work *proof = owner_of(work, struct proof_work, work);
    struct connections *owner = proof->owner;

    owner->proofs_running--;
    client_proof_done(proof->proof, io_now(owner->io));
    heap_give(proof);
    proofs_pump(owner);
}

static struct proof_work *proofs_pop(struct connections *owner)
{
    struct proof_work *proof = owner->proofs_first;

    owner->proofs_first = proof->next;
    if (owner->proofs_first == NULL)
        owner->proofs_last = NULL;
    return proof;
}

/* Whoever left meanwhile is not worth the work. */
static void proofs_pump(struct connections *owner)
{
    while (owner->proofs_first != NULL && owner->proofs_running < CONNECTIONS_PROOFS_MAX) {
        struct proof_work *proof = proofs_pop(owner);

        if (proof->proof->client == NULL) {
            client_proof_done(proof->proof, io_now(owner->io));
            heap_give(proof);
            continue;
        }
        owner->proofs_running++;
        io_work(owner->io, &proof->work);
    }
}

void connection_proof_begin(struct connection *c)
{
    struct connections *owner = c->owner;
    struct proof_work *proof = HEAP_NEW(struct proof_work);

    proof->work.run = proof_run;
    proof->work.done = proof_done;
    proof->owner = owner;
    proof->proof = c->client.proof;
    proof->proof->begun = true;
    if (owner->proofs_last != NULL)
        owner->proofs_last->next = proof;
    else
        owner->proofs_first = proof;
    owner->proofs_last = proof;
    proofs_pump(owner);
}

void connections_proofs_drop(struct connections *connections)
{
    while (connections->proofs_first != NULL) {
        struct proof_work *proof = proofs_pop(connections);

        client_proof_done(proof->proof, io_now(connections->io));
        heap_give(proof);
    }
}
