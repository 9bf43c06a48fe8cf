/*
 * notify: what the service manager that started this process is told of it, by datagrams to the
 * socket that $NOTIFY_SOCKET names (sd_notify(3)). Without one nobody is told, and nothing follows
 * from a datagram that is lost.
 */
#ifndef SERVER_PROGRAM_NOTIFY_H
#define SERVER_PROGRAM_NOTIFY_H

void program_notify_ready(void);
void program_notify_reloading(void);
void program_notify_stopping(void);

#endif
