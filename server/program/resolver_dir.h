/* resolver_dir: directories of account JWTs as the file system has them. */
#ifndef SERVER_PROGRAM_RESOLVER_DIR_H
#define SERVER_PROGRAM_RESOLVER_DIR_H

#include "server/resolver/resolver_files.h"

extern const struct resolver_files program_resolver_files;

#endif
