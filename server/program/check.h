/*
 * check: "millrace check [--repair] [--json] DIR" and "millrace dump [--json] DIR": a stopped
 * server's data directory, read byte by byte.
 */
#ifndef SERVER_PROGRAM_CHECK_H
#define SERVER_PROGRAM_CHECK_H

/* Exit codes: 0 all is sound, 1 something is damaged or lost, 2 it could not be checked: a server
 * has it, it is of a later format, or it is no store. --repair moves what a start does without, or
 * makes anew, to quarantine/ (damaged state blocks, files that were never finished), and makes a
 * damaged node file anew (repair_node.h). */
int program_check(int argc, char **argv);
/* The same exit codes. One line for everything that is there, with --json one object a line. */
int program_dump(int argc, char **argv);

/* The store that is meant by a directory: itself, or the one that it holds. */
const char *program_find_store(const char *dir, char memory[static 4096]);

/* Is the command line one of these (argv[1])? */
int (*program_tool(int argc, char **argv))(int argc, char **argv);

#endif
