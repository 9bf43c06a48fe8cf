/*
 * The buffers that all sockets receive into. They are large, as a client that sends much costs less
 * the more is received at once, and few are lent to the kernel at a time: it fills them in turn,
 * and what is filled again while it is in the processor's caches costs less, too. When many send a
 * little each, these few are used up at once; then all are lent, of which only the first bytes are
 * touched.
 */
#include "base/io_uring_parts.h"

#include <sys/mman.h>

#include "base/heap.h"

#define BUFFERS_FEW 16u

/* ---- lending -------------------------------------------------------------------------------- */

static unsigned few(const struct uring *u)
{
    return u->buffer_count < BUFFERS_FEW ? u->buffer_count : BUFFERS_FEW;
}

static void lend(struct uring *u)
{
    while (u->buffers_lent < u->buffers_wanted && u->buffers_kept_count > 0) {
        unsigned id = u->buffers_kept[--u->buffers_kept_count];

        io_uring_buf_ring_add(u->buffers, u->buffer_memory + (size_t)id * u->buffer_size,
                              u->buffer_size, (unsigned short)id,
                              io_uring_buf_ring_mask(u->buffer_count), 0);
        io_uring_buf_ring_advance(u->buffers, 1);
        u->buffers_lent++;
    }
}

void uring_buffer_return(struct uring *u, unsigned id, size_t used)
{
    assert(u->buffers_lent > 0);
    u->buffers_lent--;
    u->buffers_kept[u->buffers_kept_count++] = (uint16_t)id;
    u->received_buffers++;
    u->received_bytes += used;
    if (used == u->buffer_size)
        u->buffers_wanted = few(u);
    lend(u);
}

void uring_buffers_turn(struct uring *u)
{
    u->received_buffers = 0;
    u->received_bytes = 0;
}

void uring_buffers_used_up(struct uring *u)
{
    if (u->received_bytes <= u->received_buffers * u->buffer_size / 2)
        u->buffers_wanted = u->buffer_count;
    lend(u);
}

/* ---- life ----------------------------------------------------------------------------------- */

static size_t ring_memory_size(const struct uring *u)
{
    return u->buffer_count * sizeof(struct io_uring_buf);
}

static void *map(size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return at != MAP_FAILED ? at : NULL;
}

void uring_buffers_close(struct uring *u)
{
    if (u->buffers != NULL)
        munmap(u->buffers, ring_memory_size(u));
    if (u->buffer_memory != NULL)
        munmap(u->buffer_memory, (size_t)u->buffer_count * u->buffer_size);
    heap_give(u->buffers_kept);
}

enum err uring_buffers_open(struct uring *u, const struct io_uring_options *options)
{
    struct io_uring_buf_reg reg = {.ring_entries = options->buffers, .bgid = URING_BUFFER_GROUP};
    int result;

    u->buffer_count = options->buffers;
    u->buffer_size = options->buffer_size;
    u->buffer_memory = map((size_t)u->buffer_count * u->buffer_size);
    u->buffers = map(ring_memory_size(u));
    if (u->buffer_memory == NULL || u->buffers == NULL) {
        io_posix_reason(options->reason, "no memory for the receive buffers", 0);
        return ERR_NO_MEMORY;
    }
    reg.ring_addr = (uintptr_t)u->buffers;
    result = io_uring_register_buf_ring(&u->ring, &reg, 0);
    if (result != 0) {
        io_posix_reason(options->reason, "io_uring has no buffer rings", -result);
        return ERR_UNSUPPORTED;
    }
    io_uring_buf_ring_init(u->buffers);
    u->buffers_kept = heap_take(u->buffer_count * sizeof(*u->buffers_kept));
    for (unsigned id = u->buffer_count; id-- > 0;)
        u->buffers_kept[u->buffers_kept_count++] = (uint16_t)id;
    u->buffers_wanted = few(u);
    lend(u);
    return OK;
}
