/*
 * io_address: hosts and socket addresses, for backends with real sockets. Private to
 * base/io*.c.
 */
#ifndef BASE_IO_ADDRESS_H
#define BASE_IO_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/io.h"

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

socklen_t address_size(const union address *address);
uint16_t address_port(const union address *address);
void address_set_port(union address *address, uint16_t port);
/* A version 4 peer of a version 6 socket is shown as what it is. */
void address_show(const union address *address, struct io_address *shown);

/* Empty, "0.0.0.0" or "::". */
bool address_host_is_any(const char *host);
/* Numbers, and "localhost", which is 127.0.0.1 here; false: a name. */
bool address_read(const char *host, union address *address);
/* Asks the system for a name's addresses; returns how many there are, `max` at most. May block. */
size_t address_look_up(const char *host, union address *addresses, size_t max);
/* Of a name's addresses the first of version 4, or the first; NULL: there is none. */
const union address *address_to_bind(const union address *addresses, size_t count);
/* For binding: "any" is version 6, which takes version 4 as well (fall back where there is none).
 * May block. */
bool address_of_host(const char *host, union address *address);

/* As io_addresses. */
void address_list(struct io *io, void (*address)(void *context, const char *text), void *context);

#endif
