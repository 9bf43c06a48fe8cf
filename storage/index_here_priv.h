/* index_here_priv: what the questions of storage/index_here.h share. Private to storage/index*.c.
 */
#ifndef STORAGE_INDEX_HERE_PRIV_H
#define STORAGE_INDEX_HERE_PRIV_H

#include "storage/index_here.h"
#include "storage/index_priv.h"

/* Each is false when it is not here, and notes what is missing. */
bool index_here_piece(struct index_here *here, const void *piece, size_t at, size_t size);
/* What is known of a subject, and its text. */
bool index_here_text(const struct index_subjects *subjects, uint32_t id, struct index_here *here);
/* Which messages of a block live, and their steps. */
bool index_here_links(const struct index_block *block, struct index_here *here);
/* All of a block, with its subjects. */
void index_here_block(const struct index *index, const struct index_block *block,
                      struct index_here *here);

#endif
