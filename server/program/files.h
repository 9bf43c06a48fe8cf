/* files: what the system says to this process in files and names, and what this process says so. */
#ifndef SERVER_PROGRAM_FILES_H
#define SERVER_PROGRAM_FILES_H

#include "base/logger.h"
#include "server/config/parser.h"
#include "server/options.h"

struct server;

/* Configuration files and the environment, as they are. */
extern const struct config_source program_source;

/* Where there is no -sd, the store is in the system's place for temporary files. */
void program_place_store(struct options *options);
/* Warns when nobody said where the data is to be: what is there may not outlive the machine. */
void program_warn_temporary_store(const struct options *options, const struct logger *logger);

/* The process id; false: it was logged why not. */
bool program_write_pid(const struct options *options, const struct logger *logger);

/* <program>_<pid>.ports, and its end. */
void program_write_ports(const struct options *options, const char *program,
                         const struct server *server, const struct logger *logger);
void program_remove_ports(const struct options *options, const char *program,
                          const struct logger *logger);

#endif
