/* paths: where things are below the data directory (docs/formats.md, Data directory). */
#ifndef STORAGE_PATHS_H
#define STORAGE_PATHS_H

#include <stdbool.h>
#include <stdint.h>

#define PATH_DIR_MAX 256u /* length of the data directory's own path */

struct path {
    char text[PATH_DIR_MAX + 96];
};

struct path path_in(const char *dir, const char *name);  /* DIR/name */
struct path path_lane(const char *dir, unsigned number); /* a further one's own directory */
struct path path_journal(const char *dir, uint64_t file);
struct path path_log(const char *dir, uint64_t log_id);
struct path path_log_gone(const char *dir, uint64_t log_id); /* while it is being removed */
struct path path_log_quarantine(const char *dir, uint64_t log_id);
struct path path_pack_quarantine(const char *dir, uint64_t log_id, uint64_t file_id);
struct path path_segment(const char *dir, uint64_t log_id, uint64_t file_id);
struct path path_block(const char *dir, uint64_t log_id, uint64_t index);
struct path path_keep(const char *dir, uint64_t log_id, uint64_t file_id);
struct path path_pack(const char *dir, uint64_t log_id, uint64_t file_id);
struct path path_segment_new(const char *dir, uint64_t log_id,
                             uint64_t file_id); /* not whole yet */

/* The other way: the id a name stands for. False: the name is not of that kind. */
bool path_read_journal(const char *name, uint64_t *file);
bool path_read_lane(const char *name, unsigned *number);
bool path_read_log(const char *name, uint64_t *log_id);
bool path_read_log_gone(const char *name, uint64_t *log_id);
bool path_read_segment(const char *name, uint64_t *file_id);
bool path_read_segment_new(const char *name, uint64_t *file_id);
bool path_read_block(const char *name, uint64_t *index);
bool path_read_keep(const char *name, uint64_t *file_id);
bool path_read_pack(const char *name, uint64_t *file_id);

#endif
