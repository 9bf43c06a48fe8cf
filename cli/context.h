/*
 * context: saved settings, in the files of the `nats` command: one JSON object a file in
 * $XDG_CONFIG_HOME (or ~/.config)/nats/context/NAME.json, the name of the selected one in
 * nats/context.txt beside that folder.
 *
 * What a file holds beyond the fields below is kept when it is saved again (context_save).
 */
#ifndef CLI_CONTEXT_H
#define CLI_CONTEXT_H

#include "base/arena.h"
#include "base/json.h"

#define CONTEXT_ERROR_SIZE 512u

struct context {
    const char *description, *url, *user, *password, *token, *creds, *nkey, *jwt;
    const char *cert, *key, *ca;
    const char *domain, *api_prefix, *event_prefix, *inbox_prefix;
    const char *socks_proxy;
    bool tls_first;
    const struct json *file; /* all of it */
};

/* A string field of a context: its name in the file, and where it is in the struct. */
struct context_field {
    const char *key;
    const char *flag; /* of the command line, or NULL */
    size_t offset;
};
extern const struct context_field context_fields[];
extern const size_t context_field_count;

/* Letters, digits and -_.@ only, so that a name is a file in the folder. */
bool context_name_valid(const char *name);
/* The selected one, or NULL. */
const char *context_selected(struct arena *arena);
/* False: `error`. */
bool context_load(struct context *context, const char *name, struct arena *arena,
                  char error[static CONTEXT_ERROR_SIZE]);
bool context_exists(const char *name, struct arena *arena);
/* Writes the file whole (0600; it may hold secrets), under another name first. */
bool context_write(const char *name, struct bytes json, struct arena *arena,
                   char error[static CONTEXT_ERROR_SIZE]);
bool context_remove(const char *name, struct arena *arena, char error[static CONTEXT_ERROR_SIZE]);
/* `name` NULL: none is selected any more. */
bool context_select(const char *name, struct arena *arena, char error[static CONTEXT_ERROR_SIZE]);
/* The names in order. */
size_t context_list(const char ***names, struct arena *arena);

#endif
