#include "base/waker.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool waker_init(struct waker *waker)
{
    waker->fd = eventfd(0, EFD_CLOEXEC);
    atomic_init(&waker->sleeping, false);
    atomic_init(&waker->asked, false);
    return waker->fd >= 0;
}

void waker_deinit(struct waker *waker)
{
    close(waker->fd);
}

void waker_post(struct waker *waker)
{
    uint64_t one = 1;
    ssize_t count;

    if (!atomic_load(&waker->sleeping))
        return;
    if (!atomic_exchange(&waker->sleeping, false))
        return; /* another poster writes */
    do
        count = write(waker->fd, &one, sizeof(one));
    while (count < 0 && errno == EINTR);
    assert(count == sizeof(one)); /* the counter cannot fill up: one write per sleep */
}

void waker_ask(struct waker *waker)
{
    atomic_store(&waker->asked, true);
    waker_post(waker);
}

void waker_sleep(struct waker *waker)
{
    atomic_store(&waker->sleeping, true);
}

void waker_awake(struct waker *waker)
{
    atomic_store(&waker->sleeping, false);
}

bool waker_take(struct waker *waker)
{
    if (!atomic_load(&waker->asked))
        return false;
    return atomic_exchange(&waker->asked, false);
}

bool waker_asked(const struct waker *waker)
{
    return atomic_load(&waker->asked);
}
