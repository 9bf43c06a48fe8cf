/* flight_priv: what flight.c, flight_form.c and flight_file.c have of each other. */
#ifndef STORAGE_FLIGHT_PRIV_H
#define STORAGE_FLIGHT_PRIV_H

#include "storage/store.h"

/* ---- flight.c -------------------------------------------------------------------------------- */

/* The flight is over: what was written ahead follows it, or what waits is sent with the turn. */
void flight_next(struct log *log);
/* What counts of the flights waits again, before the rest. */
void flight_undo(struct log *log);
/* Nothing above `durable` ever happened, and nothing is being written. */
void flight_failed(struct log *log, enum err err);

/* ---- flight_form.c --------------------------------------------------------------------------- */

/* What waits is taken into the flight and has its place, behind all that the active file has. */
void flight_form(struct log *log);
/* The same for what is written ahead. False: nothing is to be written ahead now. */
bool flight_form_ahead(struct log *log);
uint64_t flight_file_max(const struct log *log); /* its size, but for a single batch */

/* ---- flight_file.c --------------------------------------------------------------------------- */

/* Has the file made that the first that waits, or the skip, needs. Nothing is in the air. */
void flight_make_file(struct log *log);
/* Has room made in the active file for the flight, which is formed: flight_allocated hears of it.
 */
void flight_allocate(struct log *log);
void flight_allocated(struct log *log, int64_t result);

#endif
