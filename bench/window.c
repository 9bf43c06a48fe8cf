#include "bench/window.h"

#include <assert.h>

#include "bench/names.h"
#include "bench/watch.h"

#define SLOTS (2u * WINDOW_MAX)

static uint64_t *slot_of(struct window *window, uint64_t number)
{
    return &window->sent_ns[number % SLOTS];
}

static bool window_closed(const struct window *window, uint64_t now)
{
    if (window->sent == window->total)
        return true;
    return window->measured && now >= window->client->load->phase_end;
}

static void window_fill(struct window *window)
{
    struct client *client = window->client;
    uint64_t in_flight = window->sent - window->answered;
    uint64_t now = clock_ns();

    if (window_closed(window, now))
        return;
    if (in_flight > window->limit - (window->limit + 7) / 8)
        return;
    while (window->sent - window->answered < window->limit && window->sent < window->total) {
        char *at;

        /* Answers out of order: this one's place is still taken by one far behind. */
        if (*slot_of(window, window->sent) != 0)
            return;
        if (!client_room(client, WINDOW_REQUEST_MAX))
            return;
        at = conn_reserve(&client->conn, WINDOW_REQUEST_MAX);
        conn_commit(&client->conn, window->request(window, window->sent, at));
        *slot_of(window, window->sent) = now;
        window->sent++;
    }
}

void window_message(struct client *client, const struct frame *frame)
{
    struct window *window = client->context;
    struct load *load = client->load;
    uint64_t number;
    uint64_t *slot;

    if (!span_starts(frame->subject, INBOX) ||
        !span_u64(span_skip(frame->subject, sizeof INBOX - 1), &number)) {
        load_error(load, "a message on %.*s", (int)frame->subject.size, frame->subject.at);
        return;
    }
    slot = slot_of(window, number);
    if (number >= window->sent || *slot == 0) {
        load_error(load, "a second or early answer to request %llu", (unsigned long long)number);
        return;
    }
    if (window->measured)
        hist_add(&load->result.latency, load->now - *slot);
    *slot = 0;
    window->answered++;
    window->answer(window, number, frame);
}

void window_run(struct window *window)
{
    struct load *load = window->client->load;

    assert(window->limit > 0);
    assert(window->limit <= WINDOW_MAX);
    for (;;) {
        window_fill(window);
        if (window->answered == window->sent && window_closed(window, load->now))
            return;
        load_turn(load);
    }
}
