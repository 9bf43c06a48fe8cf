#include "base/guard.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <threads.h>
#include <unistd.h>

#define GUARDS_MAX 1024u

/* Read by the handler: each is its own. A slot is in use while `at` is not 0, and said last. */
struct slot {
    atomic_bool taken;
    atomic_uintptr_t at;
    atomic_size_t size;
    _Atomic(guard_failed *) failed;
};

static struct slot slots[GUARDS_MAX];
static once_flag once = ONCE_FLAG_INIT;
static size_t page_size;
static _Thread_local struct guard_frame *volatile top;

static const struct slot *slot_of(uintptr_t address)
{
    for (unsigned i = 0; i < GUARDS_MAX; i++) {
        uintptr_t at = atomic_load(&slots[i].at);

        if (at != 0 && address - at < atomic_load(&slots[i].size))
            return &slots[i];
    }
    return NULL;
}

static void jump(void)
{
    struct guard_frame *frame = top;

    if (frame == NULL)
        return;
    top = NULL;
    _longjmp(frame->back, 1);
}

/* Other memory: when it is read again the process ends, as it would have. */
static void on_bus(int number, siginfo_t *info, void *context)
{
    uintptr_t address = (uintptr_t)info->si_addr;
    const struct slot *slot = slot_of(address);
    void *page = (void *)(address / page_size * page_size);

    (void)context;
    if (info->si_code > 0 && slot != NULL) {
        *atomic_load(&slot->failed) = 1;
        jump();
        if (mmap(page, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                 -1, 0) != MAP_FAILED)
            return;
    }
    (void)signal(number, SIG_DFL);
    if (info->si_code <= 0) /* somebody sent it: nothing is read again */
        (void)raise(number);
}

/* Within a frame the handler does not return, so the signal may not be held back meanwhile. */
static void install(void)
{
    struct sigaction action = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO | SA_NODEFER};

    page_size = (size_t)sysconf(_SC_PAGESIZE);
    (void)sigaction(SIGBUS, &action, NULL); /* cannot fail for this number */
}

bool guard_add(const void *mapping, size_t size, guard_failed *failed)
{
    call_once(&once, install);
    for (unsigned i = 0; i < GUARDS_MAX; i++) {
        if (atomic_exchange(&slots[i].taken, true))
            continue;
        atomic_store(&slots[i].size, size);
        atomic_store(&slots[i].failed, failed);
        atomic_store(&slots[i].at, (uintptr_t)mapping);
        return true;
    }
    return false;
}

void guard_remove(const void *mapping)
{
    for (unsigned i = 0; i < GUARDS_MAX; i++) {
        if (atomic_load(&slots[i].at) != (uintptr_t)mapping)
            continue;
        atomic_store(&slots[i].at, 0);
        atomic_store(&slots[i].taken, false);
        return;
    }
}

void guard_begin(struct guard_frame *frame)
{
    assert(top == NULL);
    top = frame;
}

void guard_leave(void)
{
    top = NULL;
}

struct guard_frame *guard_pause(void)
{
    struct guard_frame *frame = top;

    top = NULL;
    return frame;
}

void guard_resume(struct guard_frame *frame, const guard_failed *failed)
{
    top = frame;
    if (failed != NULL && *failed)
        jump();
}

void guard_fail(guard_failed *failed)
{
    *failed = 1;
    jump();
}
