#include "base/mailbox.h"

#include "base/heap.h"

void mail_sender_init(struct mail_sender *sender, unsigned place)
{
    assert(place < MAIL_SENDERS_MAX);
    atomic_init(&sender->opened, 0);
    sender->number = 1;
    sender->place = place;
}

void mailbox_init(struct mailbox *mailbox)
{
    atomic_init(&mailbox->newest, NULL);
    mailbox->first = NULL;
    mailbox->last = NULL;
    for (unsigned i = 0; i < MAIL_SENDERS_MAX; i++)
        atomic_init(&mailbox->taken[i], 0);
}

/* ---- sending -------------------------------------------------------------------------------- */

void mailbox_push(struct mailbox *mailbox, struct mail_sender *sender, struct mail *mail)
{
    struct mail *newest = atomic_load(&mailbox->newest);

    mail->from = sender;
    mail->number = sender->number;
    do
        mail->next = newest;
    while (!atomic_compare_exchange_weak(&mailbox->newest, &newest, mail));
}

void mail_open(struct mail_sender *sender)
{
    atomic_store(&sender->opened, sender->number);
    sender->number++;
}

uint64_t mail_waiting(const struct mailbox *mailbox, const struct mail_sender *sender,
                      uint64_t pushed)
{
    uint64_t taken = atomic_load(&mailbox->taken[sender->place]);

    assert(taken <= pushed);
    return pushed - taken;
}

/* ---- receiving ------------------------------------------------------------------------------ */

static bool is_open(const struct mail *mail)
{
    return atomic_load(&mail->from->opened) >= mail->number;
}

/* Behind what was taken over before, the oldest first. */
static void take_over(struct mailbox *mailbox)
{
    struct mail *mail, *newest, *oldest = NULL;

    if (atomic_load(&mailbox->newest) == NULL)
        return; /* most often: and nobody's cache line is written */
    newest = mail = atomic_exchange(&mailbox->newest, NULL);
    while (mail != NULL) {
        struct mail *older = mail->next;

        mail->next = oldest;
        oldest = mail;
        mail = older;
    }
    if (mailbox->first == NULL)
        mailbox->first = oldest;
    else
        mailbox->last->next = oldest;
    mailbox->last = newest;
}

bool mailbox_has_any(struct mailbox *mailbox)
{
    return mailbox->first != NULL || atomic_load(&mailbox->newest) != NULL;
}

struct mail *mailbox_take(struct mailbox *mailbox)
{
    struct mail *mail;

    if (mailbox->first == NULL)
        take_over(mailbox);
    mail = mailbox->first;
    if (mail == NULL || !is_open(mail))
        return NULL;
    mailbox->first = mail->next;
    return mail;
}

/* What was found shut stays so for this look: its sender may open it meanwhile, with what it pushed
 * behind it. */
static bool may_pass(const struct mail *mail, uint64_t *shut)
{
    uint64_t sender = UINT64_C(1) << mail->from->place;

    if ((*shut & sender) == 0 && !is_open(mail))
        *shut |= sender;
    return (*shut & sender) == 0;
}

struct mail *mailbox_take_all(struct mailbox *mailbox)
{
    struct mail *all = NULL, **end = &all, **at = &mailbox->first, *mail;
    uint64_t shut = 0;

    take_over(mailbox);
    mailbox->last = NULL;
    while ((mail = *at) != NULL) {
        if (may_pass(mail, &shut)) {
            *at = mail->next;
            *end = mail;
            end = &mail->next;
        } else {
            mailbox->last = mail;
            at = &mail->next;
        }
    }
    *end = NULL;
    return all;
}

void mailbox_keep(struct mailbox *mailbox, const struct mail *mail)
{
    _Atomic uint64_t *taken = &mailbox->taken[mail->from->place];

    atomic_store(taken, atomic_load_explicit(taken, memory_order_relaxed) + mail->size);
}

void mailbox_done(struct mailbox *mailbox, struct mail *mail)
{
    mailbox_keep(mailbox, mail);
    heap_give(mail);
}

void mailbox_deinit(struct mailbox *mailbox)
{
    struct mail *mail;

    take_over(mailbox);
    while ((mail = mailbox->first) != NULL) {
        mailbox->first = mail->next;
        heap_give(mail);
    }
}
