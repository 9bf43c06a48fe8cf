/*
 * guard: files that are read through a mapping, where an error of the disk is a signal (SIGBUS) and
 * would end the process. Of a guarded mapping it is told instead: what could not be read is marked
 * as failed, for good, and
 *
 *     within a frame (guard_enter)   control goes back to where the frame was entered
 *     elsewhere                      the page that failed reads as zeros, and may be written to
 *
 * So whoever reads outside of a frame stays on memory that is there, and asks afterwards whether
 * what he has read was so. Inside of a frame nothing else that failed is seen: it suits code that
 * would go astray with other content. It must be one that is given up as a whole when it is left in
 * its midst, and it takes no locks.
 *
 * Signals are the process's, so the list of mappings is, too: the one in this code.
 */
#ifndef BASE_GUARD_H
#define BASE_GUARD_H

#include <setjmp.h>

#include "base/bytes.h"

/* Set once, by the thread that read, and seen by it at once. */
typedef volatile int guard_failed;

/* False: there are too many already; the mapping is not to be read. Both outlive its removal. */
[[nodiscard]] bool guard_add(const void *mapping, size_t size, guard_failed *failed);
/* Before it is unmapped; nobody reads it any more. */
void guard_remove(const void *mapping);

struct guard_frame {
    jmp_buf back;
};

/* Within `guard_leave` and the same function, which neither returns nor changes its variables in
 * between:  if (guard_enter(&frame)) { result = read(...); guard_leave(); } else result = none;
 * There is none in it, but for guard_pause. */
#define guard_enter(frame) (guard_begin(frame), _setjmp((frame)->back) == 0)
void guard_begin(struct guard_frame *frame);
void guard_leave(void);
/* For a call out of it, which must come back: the frame there was, or NULL. If something has failed
 * meanwhile, which then reads as zeros, the frame is left at once. */
struct guard_frame *guard_pause(void);
void guard_resume(struct guard_frame *frame, const guard_failed *failed);

/* As if a page had failed, for who sees that its content cannot be: back to the frame, if there is
 * one. */
void guard_fail(guard_failed *failed);

#endif
