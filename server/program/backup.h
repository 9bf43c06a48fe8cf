/*
 * backup: "millrace backup DIR DEPOT", "backup list DEPOT", "backup verify DEPOT" and
 * "millrace restore DEPOT DIR" (docs/backup.md).
 */
#ifndef SERVER_PROGRAM_BACKUP_H
#define SERVER_PROGRAM_BACKUP_H

/* Exit codes: 0 a whole backup was made, or all is sound; 1 it was made and is not whole, or
 * something is damaged; 2 nothing was made. */
int program_backup(int argc, char **argv);
/* 0: it is there. 1: it is there, and not all of it is sound (--damaged). 2: it is not. */
int program_restore(int argc, char **argv);

#endif
