/*
 * config: a configuration file as options: parsed, read block by block, checked as a whole. No I/O:
 * the file, what it includes and the environment come through a struct config_source.
 */
#ifndef SERVER_CONFIG_CONFIG_H
#define SERVER_CONFIG_CONFIG_H

#include "server/config/parser.h"
#include "server/config/reader.h"
#include "server/options.h"

/* Owns what its options point at: it lives as long as they are used. */
struct config {
    struct options options;
    const struct config_value *document; /* NULL: there is no file, or it could not be parsed */
    struct arena text;                   /* of the file, and its tree */
    struct arena made;                   /* of what the options point at */
    struct config_reader reader;         /* what was wrong with it */
    char error[CONFIG_ERROR_SIZE];       /* why it could not be parsed; else empty */
};

/* The options begin as `options` has them. */
void config_init(struct config *config, const struct options *options);
void config_deinit(struct config *config);

/* Reads the file over the options. False: `error` or the reader's errors say why. */
bool config_load(struct config *config, const struct config_source *source, const char *path);

/* What only all options together show, those of the command line included. False: as above. */
bool config_check(struct config *config);

/*
 * The document as compact JSON with sorted keys and a line end, which is what the reference takes
 * the digest of. False at the limit of `out`.
 */
bool config_json(const struct config *config, struct buf *out);

#define CONFIG_DIGEST_SIZE 80u

/* "sha256:..." of that; empty when there is no file. */
void config_digest(const struct config *config, char out[static CONFIG_DIGEST_SIZE]);

#endif
