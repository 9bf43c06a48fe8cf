/*
 * mailbox: what other threads put for one loop, in one order over all of them.
 *
 * A sender gathers what it has for each receiver into batches (struct mail), pushes them into the
 * receivers' mailboxes and then opens them, all with one store. A mailbox is read in the order of
 * the pushes, and no further than the first batch that is not open yet. So whoever has seen
 * anything of what a sender opened, anywhere, and then sends something itself, is read after it by
 * everybody: messages keep the order of their causes, as if one thread had handed them all on.
 *
 *     sender                              receiver, each turn
 *     mailbox_push(to, mail) for each     sleeps, unless it was asked to turn (base/waker.h)
 *     mail_open(sender)                   waker_take
 *     waker_ask(receiver) for each        mailbox_take until NULL
 *
 * A receiver that stops at a batch that is not open turns again when it is: the sender asks after
 * it has opened. One that must not go on before it has done all that may be known by now, and
 * cannot wait for a sender that is in the midst of its turn, passes by what is not open
 * (mailbox_take_all): nothing that was pushed behind it by then can follow from it. A push never
 * waits and has no bound; how much waits is known to each sender (mail_waiting), who is to stop
 * making more. Rejected: a queue for each pair of threads, which loses the order of causes over
 * three.
 *
 * Every interleaving of the atomic steps is tried in tests/unit/base/test_mailbox.c.
 */
#ifndef BASE_MAILBOX_H
#define BASE_MAILBOX_H

#include <stdatomic.h>

#include "base/bytes.h"

#define MAIL_SENDERS_MAX 64u

/* One thread that sends. */
struct mail_sender {
    _Atomic uint64_t opened; /* batches up to that number may be read */
    uint64_t number;         /* of the turn's batches, which are not open yet */
    unsigned place;          /* below MAIL_SENDERS_MAX, another for each */
};

/* A batch, with its content behind it. From the heap: the sender's until it is pushed, then the
 * receiver's. */
struct mail {
    struct mail *next;
    const struct mail_sender *from;
    uint64_t number;
    size_t size; /* of the content */
    size_t room; /* the sender's own */
    uint8_t at[];
};

struct mailbox {
    _Atomic(struct mail *) newest; /* pushed and not taken over, the newest first */
    struct mail *first;            /* taken over, in order; the receiver's */
    struct mail *last;
    _Atomic uint64_t taken[MAIL_SENDERS_MAX]; /* bytes of each sender, ever */
};

void mail_sender_init(struct mail_sender *sender, unsigned place);

void mailbox_init(struct mailbox *mailbox);
/* What was not taken is freed. Nobody pushes any more. */
void mailbox_deinit(struct mailbox *mailbox);

/* From the sender's thread: takes over `mail`, of which `next`, `from` and `number` are filled in.
 * Not read before the sender's next mail_open. */
void mailbox_push(struct mailbox *mailbox, struct mail_sender *sender, struct mail *mail);
/* All that this sender has pushed may be read. The receivers are to be woken after. */
void mail_open(struct mail_sender *sender);

/* From the receiver's thread: the oldest that is open, NULL: there is none now. The caller frees
 * it. It still counts as waiting until mailbox_done. */
struct mail *mailbox_take(struct mailbox *mailbox);
/* From the receiver's thread: all that are open by now, by `next`, in order, also those behind
 * others that are not; NULL: there is none. However fast others push, it ends. */
struct mail *mailbox_take_all(struct mailbox *mailbox);
/* From the receiver's thread: is there any, open or not? */
bool mailbox_has_any(struct mailbox *mailbox);
/* What the mail asked for is done; frees it. */
void mailbox_done(struct mailbox *mailbox, struct mail *mail);
/* The same, but it is the caller's to free, or to use again. */
void mailbox_keep(struct mailbox *mailbox, const struct mail *mail);

/* From the sender's thread: bytes of its `pushed` ones (its own count) that are not done. */
uint64_t mail_waiting(const struct mailbox *mailbox, const struct mail_sender *sender,
                      uint64_t pushed);

#endif
