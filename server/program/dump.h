/* dump: what stands in a data directory, one line for everything: for people, or as JSON. */
#ifndef SERVER_PROGRAM_DUMP_H
#define SERVER_PROGRAM_DUMP_H

#include "server/program/inspect.h"

enum inspect_result dump(const char *dir, bool json, unsigned *problems);

#endif
