/* flight_priv: what flight.c and flight_file.c have of each other. */
#ifndef STORAGE_FLIGHT_PRIV_H
#define STORAGE_FLIGHT_PRIV_H

#include "storage/store.h"

/* ---- flight.c ---------------------------------------------------------------------------------
 */

/* The flight is over: what was written ahead follows it, or what waits is sent with the turn. */
void flight_next(struct log *log);
/* Nothing above `durable` ever happened, and nothing is being written. */
void flight_failed(struct log *log, enum err err);
/* The disk is full: true: what waits does so until some of what is kept is given. */
bool flight_wants_space(struct log *log, enum err err);
uint64_t flight_file_max(const struct log *log); /* its size, but for a single batch */

/* ---- flight_file.c ----------------------------------------------------------------------------
 */

/* Has the file made that the first that waits, or the skip, needs. Nothing is in the air. */
void flight_make_file(struct log *log);

#endif
