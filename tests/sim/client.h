/*
 * client: a model client that speaks the real protocol bytes over a simulated connection. It shares
 * no parser with the server.
 */
#ifndef TESTS_SIM_CLIENT_H
#define TESTS_SIM_CLIENT_H

#include "base/buf.h"
#include "base/io_sim.h"

struct client_message {
    struct bytes subject, sid, reply, headers, payload;
};

struct sim_client {
    struct sim *sim;
    struct io *io;
    struct io_sock *sock; /* NULL: not connected */
    struct buf in, out, flight;
    void (*message)(void *context, const struct client_message *message);
    void *context;
    bool closing;
    char error[128]; /* the last -ERR */
};

void sim_client_init(struct sim_client *client, struct sim *sim, struct io *io,
                     void (*message)(void *context, const struct client_message *message),
                     void *context);
void sim_client_deinit(struct sim_client *client);

/* Connects, says CONNECT and subscribes to `inbox`. Whatever was connected is dropped. */
void sim_client_connect(struct sim_client *client, size_t node, uint16_t port, const char *inbox);
void sim_client_drop(struct sim_client *client);
bool sim_client_connected(const struct sim_client *client);

/* Whole protocol lines. */
void sim_client_say(struct sim_client *client, const char *lines);

/* `headers` is the whole block or empty. */
void sim_client_publish(struct sim_client *client, const char *subject, const char *reply,
                        const char *headers, struct bytes payload);

#endif
