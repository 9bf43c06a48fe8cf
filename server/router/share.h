/*
 * share: the rules of exports and imports (reference core.md 4): who may import what, and how
 * subjects change on the way. Pure.
 */
#ifndef SERVER_ROUTER_SHARE_H
#define SERVER_ROUTER_SHARE_H

#include "server/auth/auth_options.h"
#include "server/router/subject_transform.h"

#define SHARE_DEPTH_MAX 8u /* accounts that a message goes through, one after the other */

/* The export of `from` that lets the account of that name import it; NULL: none does. */
const struct export_options *share_export(const struct account_options *from,
                                          const struct import_options *import,
                                          struct bytes importer);

/* What it takes up in the importing account, as a pattern; empty: no room. */
struct bytes share_local(const struct import_options *import, struct arena *arena);

/*
 * How an import changes subjects, in the direction that its messages flow: a stream's from what the
 * exporter publishes to what is delivered here, a service's from what is requested here to what the
 * exporter serves. False: it cannot, *error says why. The transform's source tells what it takes.
 */
bool share_compile(const struct import_options *import, struct subject_transform *transform,
                   struct arena *arena, struct subject_transform_error *error);
bool share_import_valid(const struct import_options *import, struct subject_transform_error *error);

/* Does a service that the account imports take what is sent to `subject` here? NULL: it has none.
 */
bool share_requests(const struct account_options *importer, struct bytes subject);

#endif
