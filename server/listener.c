#include "server/listener.h"

#include <stdio.h>

#include "server/config/value.h"

void listener_address(char *out, size_t size, const char *host, int port)
{
    bool brackets = strchr(host, ':') != NULL;

    snprintf(out, size, "%s%s%s:%d", brackets ? "[" : "", host, brackets ? "]" : "", port);
}

static void describe(enum err err, const char *host, int port, char reason[LISTENER_REASON_SIZE])
{
    char address[LISTENER_ADDRESS_SIZE];

    listener_address(address, sizeof(address), host, port < 0 ? 0 : port);
    switch (err) {
    case ERR_BUSY:
        snprintf(reason, LISTENER_REASON_SIZE, "listen tcp %s: bind: address already in use",
                 address);
        break;
    case ERR_ACCESS:
        snprintf(reason, LISTENER_REASON_SIZE, "listen tcp %s: bind: permission denied", address);
        break;
    case ERR_NOT_FOUND:
        snprintf(reason, LISTENER_REASON_SIZE,
                 "listen tcp %s: bind: cannot assign requested address", address);
        break;
    case ERR_INVALID:
        snprintf(reason, LISTENER_REASON_SIZE, "listen tcp: lookup %s: no such host", host);
        break;
    default:
        snprintf(reason, LISTENER_REASON_SIZE, "listen tcp %s: %s", address, err_text(err));
        break;
    }
}

/* What is wrong with a host is mended where it stands. */
static void add_place(enum err err, const struct config_place *place,
                      char reason[LISTENER_REASON_SIZE])
{
    size_t size = strlen(reason);

    if (place != NULL && (err == ERR_INVALID || err == ERR_NOT_FOUND))
        snprintf(reason + size, LISTENER_REASON_SIZE - size, " (%s:%u:%u)", place->file,
                 place->line, place->column);
}

static void port_taken(void *context, const char *host, uint16_t port, int64_t wait_ns)
{
    const struct logger *logger = context;
    char reason[LISTENER_REASON_SIZE];

    describe(ERR_BUSY, host, port, reason);
    logger_warn(logger, "%s, trying again for %lld seconds", reason,
                (long long)(wait_ns / 1000000000));
}

void listener_say_waits(struct io *io, struct logger *logger)
{
    io_set_port_taken(io, port_taken, logger);
}

enum err listener_open(struct listener *listener, struct io *io, const struct listener_at *at,
                       listener_accepted_fn *accepted, void *context,
                       char reason[LISTENER_REASON_SIZE])
{
    enum err err;

    if (at->port > UINT16_MAX) {
        snprintf(reason, LISTENER_REASON_SIZE, "listen tcp: address %d: invalid port", at->port);
        return ERR_INVALID;
    }
    err = io_listen(io, at->host, at->port < 0 ? 0 : (uint16_t)at->port, accepted, context,
                    &listener->io, &listener->port);
    if (err != OK) {
        listener->io = NULL;
        describe(err, at->host, at->port, reason);
        add_place(err, at->place, reason);
    }
    return err;
}

void listener_close(struct listener *listener, struct io *io)
{
    if (listener->io != NULL)
        io_listener_close(io, listener->io);
    listener->io = NULL;
}
