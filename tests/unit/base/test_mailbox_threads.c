/* The mailbox under real threads: for ThreadSanitizer, and for what a model leaves out. */
#include <pthread.h>

#include "base/heap.h"
#include "base/mailbox.h"
#include "base/waker.h"

#include <poll.h>
#include <unistd.h>

#include "tests/unit/unit.h"

#define SENDERS 3
#define BATCHES 20000u

struct rig {
    struct waker waker;
    struct mailbox mailbox;
};

struct sending {
    pthread_t thread;
    struct rig *rig;
    struct mail_sender sender;
    uint64_t pushed;
};

static void *send_all(void *of)
{
    struct sending *sending = of;
    struct rig *rig = sending->rig;

    for (uint32_t i = 0; i < BATCHES; i++) {
        struct mail *mail = heap_take(sizeof(*mail) + sizeof(i));

        mail->size = sizeof(i);
        memcpy(mail->at, &i, sizeof(i));
        sending->pushed += mail->size;
        mailbox_push(&rig->mailbox, &sending->sender, mail);
        if (i % 3 == 0 && i + 1 < BATCHES)
            continue; /* opened with the next */
        mail_open(&sending->sender);
        waker_ask(&rig->waker);
    }
    return NULL;
}

static void sleep_until_asked(struct waker *waker)
{
    uint64_t count;

    waker_sleep(waker);
    if (!waker_asked(waker))
        ck_assert_int_eq(read(waker->fd, &count, sizeof(count)), sizeof(count));
    waker_awake(waker);
    /* A post that came between the two leaves its count for the next sleep, which it shortens. */
}

static uint32_t receive(struct rig *rig, uint32_t next[SENDERS])
{
    struct mail *mail;
    uint32_t count = 0, number;

    while ((mail = mailbox_take(&rig->mailbox)) != NULL) {
        memcpy(&number, mail->at, sizeof(number));
        ck_assert_uint_eq(number, next[mail->from->place]++);
        mailbox_done(&rig->mailbox, mail);
        count++;
    }
    return count;
}

START_TEST(threads_lose_nothing_and_each_keeps_its_order)
{
    struct sending sending[SENDERS] = {0};
    uint32_t next[SENDERS] = {0}, seen = 0;
    struct rig rig;

    ck_assert(waker_init(&rig.waker));
    mailbox_init(&rig.mailbox);
    for (unsigned i = 0; i < SENDERS; i++) {
        sending[i].rig = &rig;
        mail_sender_init(&sending[i].sender, i);
        ck_assert_int_eq(pthread_create(&sending[i].thread, NULL, send_all, &sending[i]), 0);
    }
    while (seen < SENDERS * BATCHES) {
        sleep_until_asked(&rig.waker);
        (void)waker_take(&rig.waker);
        seen += receive(&rig, next);
    }
    for (unsigned i = 0; i < SENDERS; i++) {
        ck_assert_int_eq(pthread_join(sending[i].thread, NULL), 0);
        ck_assert_uint_eq(mail_waiting(&rig.mailbox, &sending[i].sender, sending[i].pushed), 0);
    }
    mailbox_deinit(&rig.mailbox);
    waker_deinit(&rig.waker);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {threads_lose_nothing_and_each_keeps_its_order};

    return UNIT_RUN_PLAIN("mailbox_threads", tests);
}
