/* tell: --signal: a second process that tells a running server something and ends. */
#ifndef SERVER_PROGRAM_TELL_H
#define SERVER_PROGRAM_TELL_H

/* "command" or "command=process", a process being an id, a file that holds one, an id and '*' for
 * those that begin so, or nothing for the only one there is. The exit code; what went wrong is on
 * standard error. `program` is how this process was called. */
int program_tell(const char *text, const char *program);

#endif
