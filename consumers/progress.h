/*
 * progress: the bodies of the records that log a consumer's progress, written and read. Everything
 * here is a format on disk: docs/formats.md, "Consumer records", says the same. Pure.
 *
 * Sequences travel as runs, first and last inclusive. Acks, terms and exhaustions are sets: their
 * runs rise and do not overlap. A run of acks may span sequences that are not pending (apply passes
 * over them), so that a filtered consumer's acks are as short as anyone's; all other runs name
 * every sequence they mean. Hand-outs are lists: new sequences rise, redeliveries come in the order
 * of the queue.
 */
#ifndef CONSUMERS_PROGRESS_H
#define CONSUMERS_PROGRESS_H

#include "base/buf.h"
#include "base/err.h"

#define PROGRESS_SEQUENCES_MAX 65536u /* in one record that is not an ack; more is not ours */

struct run {
    uint64_t first, last;
};

/* ---- writing; each clears `out`. False: `out` is at its limit. ------------------------------- */

/* Rising runs that do not overlap, at least one. */
bool progress_write_ack(struct buf *out, uint64_t number, const struct run *runs, size_t count);
/* ack all: everything up to `sequence`. */
bool progress_write_ack_all(struct buf *out, uint64_t number, uint64_t sequence);
/* TERM and EXHAUST; at most PROGRESS_SEQUENCES_MAX sequences. */
bool progress_write_set(struct buf *out, uint64_t number, const struct run *runs, size_t count);
bool progress_write_delay(struct buf *out, uint64_t number, uint64_t sequence,
                          int64_t not_before_ns);
bool progress_write_position(struct buf *out, uint64_t number, uint64_t consumer, uint64_t stream);

bool progress_write_reset(struct buf *out, uint64_t number, uint64_t next);

/* A hand-out grows sequence by sequence: all redeliveries, then all new ones. */
struct progress_handout_writer {
    struct buf *out;
    struct run open; /* not written yet; first 0: none */
    uint64_t previous;
    uint32_t runs[2]; /* redeliveries, new */
    bool fresh;
    bool failed;
};
void progress_handout_begin(struct progress_handout_writer *writer, struct buf *out,
                            uint64_t number, int64_t time_ns, uint32_t revision);
void progress_handout_redelivery(struct progress_handout_writer *writer, uint64_t sequence);
void progress_handout_new(struct progress_handout_writer *writer, uint64_t sequence);
bool progress_handout_end(struct progress_handout_writer *writer);

/* ---- reading: a body is checked whole before anything of it is believed ---------------------- */

struct progress_runs {
    struct bytes rest;
    uint32_t left;
    uint64_t previous;
    bool list; /* steps are signed */
};
/* The next run of checked runs; false: no more. */
bool progress_runs_next(struct progress_runs *runs, struct run *run);

struct progress_handout {
    int64_t time_ns;
    uint32_t revision;
    struct progress_runs redeliveries;
    struct progress_runs fresh;
    uint64_t fresh_first; /* 0: none */
    uint32_t count;       /* sequences in both */
};
struct progress_set {
    bool all;      /* only acks: everything up to `last` */
    uint64_t last; /* highest sequence named */
    struct progress_runs runs;
};
struct progress_delay {
    uint64_t sequence;
    int64_t not_before_ns;
};
struct progress_position {
    uint64_t consumer, stream;
};

enum err progress_read_handout(struct bytes body, struct progress_handout *handout);
enum err progress_read_ack(struct bytes body, struct progress_set *set);
/* TERM, EXHAUST. */
enum err progress_read_set(struct bytes body, struct progress_set *set);
enum err progress_read_delay(struct bytes body, struct progress_delay *delay);
enum err progress_read_position(struct bytes body, struct progress_position *position);
enum err progress_read_reset(struct bytes body, uint64_t *next); /* at least 1 */

/* ---- integers as records and states have them ------------------------------------------------ */

bool progress_add_u32(struct buf *out, uint32_t value);
bool progress_add_u64(struct buf *out, uint64_t value);
/* Seven bits a byte, lowest first, the high bit says that more follow. */
bool progress_add_varint(struct buf *out, uint64_t value);
/* Each takes its bytes off the front; false: too short, or a varint beyond 64 bits. */
bool progress_take_u32(struct bytes *in, uint32_t *value);
bool progress_take_u64(struct bytes *in, uint64_t *value);
bool progress_take_varint(struct bytes *in, uint64_t *value);

#endif
