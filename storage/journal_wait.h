/* journal_wait: who waits for a journal record; embedded in what it is about. */
#ifndef STORAGE_JOURNAL_WAIT_H
#define STORAGE_JOURNAL_WAIT_H

#include <stdbool.h>

struct journal_cover;

/* `done` comes from io_turn or from journal_flush, once. */
struct journal_wait {
    struct journal_wait *next;
    struct journal_cover *cover; /* of the segment that the bytes belong to; NULL: of none */
    int place;                   /* durable: the journal file that has it */
    void (*done)(struct journal_wait *wait, bool durable);
};

#endif
