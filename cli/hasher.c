#include "cli/hasher.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "base/buf.h"

#define SLOTS 8u

/*
 * Parts wait in a ring: `added` and `done` count them, so those from done to added are the
 * thread's and the others ours. What a slot holds is touched without the lock by its side only.
 */
struct hasher {
    struct crypto_digest *digest;
    struct buf parts[SLOTS];
    uint64_t added, done;
    bool ended; /* no more will be added */
    bool threaded;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

static void *run(void *argument)
{
    struct hasher *h = argument;

    (void)pthread_mutex_lock(&h->lock);
    for (;;) {
        while (h->done == h->added && !h->ended)
            (void)pthread_cond_wait(&h->changed, &h->lock);
        if (h->done == h->added)
            break;
        (void)pthread_mutex_unlock(&h->lock);
        crypto_digest_add(h->digest, buf_bytes(&h->parts[h->done % SLOTS]));
        (void)pthread_mutex_lock(&h->lock);
        h->done++;
        (void)pthread_cond_signal(&h->changed);
    }
    (void)pthread_mutex_unlock(&h->lock);
    return NULL;
}

/* Signals are for the thread that waits for them. */
static void start(struct hasher *h)
{
    sigset_t all, before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* cannot fail for these sets */
    h->threaded = pthread_create(&h->thread, NULL, run, h) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct hasher *hasher_create(void)
{
    struct hasher *h = calloc(1, sizeof(*h));

    assert(h != NULL);
    h->digest = crypto_digest_create();
    for (size_t i = 0; i < SLOTS; i++)
        buf_init(&h->parts[i], HASHER_PART_MAX);
    (void)pthread_mutex_init(&h->lock, NULL); /* neither can fail with no attributes */
    (void)pthread_cond_init(&h->changed, NULL);
    start(h);
    return h;
}

/* Only we move `added`. */
static struct buf *next_part(struct hasher *h)
{
    return &h->parts[h->added % SLOTS];
}

uint8_t *hasher_room(struct hasher *h, size_t size)
{
    uint8_t *at;

    (void)pthread_mutex_lock(&h->lock);
    while (h->added - h->done == SLOTS)
        (void)pthread_cond_wait(&h->changed, &h->lock);
    (void)pthread_mutex_unlock(&h->lock);
    buf_clear(next_part(h));
    at = buf_reserve(next_part(h), size);
    assert(at != NULL);
    return at;
}

void hasher_commit(struct hasher *h, size_t size)
{
    struct buf *part = next_part(h);

    buf_commit(part, size);
    if (!h->threaded) {
        crypto_digest_add(h->digest, buf_bytes(part));
        return;
    }
    (void)pthread_mutex_lock(&h->lock);
    h->added++;
    (void)pthread_cond_signal(&h->changed);
    (void)pthread_mutex_unlock(&h->lock);
}

void hasher_add(struct hasher *h, struct bytes b)
{
    if (!h->threaded) {
        crypto_digest_add(h->digest, b);
    } else if (b.size > 0) {
        memcpy(hasher_room(h, b.size), b.at, b.size);
        hasher_commit(h, b.size);
    }
}

/* All that was added is in the digest then. */
static void join(struct hasher *h)
{
    if (!h->threaded)
        return;
    (void)pthread_mutex_lock(&h->lock);
    h->ended = true;
    (void)pthread_cond_signal(&h->changed);
    (void)pthread_mutex_unlock(&h->lock);
    (void)pthread_join(h->thread, NULL);
}

static void give(struct hasher *h)
{
    for (size_t i = 0; i < SLOTS; i++)
        buf_deinit(&h->parts[i]);
    (void)pthread_cond_destroy(&h->changed);
    (void)pthread_mutex_destroy(&h->lock);
    free(h);
}

void hasher_finish(struct hasher *h, uint8_t out[static CRYPTO_DIGEST_SIZE])
{
    join(h);
    crypto_digest_finish(h->digest, out);
    give(h);
}

void hasher_drop(struct hasher *h)
{
    join(h);
    crypto_digest_drop(h->digest);
    give(h);
}
