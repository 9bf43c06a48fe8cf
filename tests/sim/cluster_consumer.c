#include "tests/sim/cluster_consumer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ULL(x) ((unsigned long long)(x))

#define VIOLATE(watch, format, ...)                                                                \
    report_violate((watch)->history->report, "consumer of S%u: " format,                           \
                   (watch)->history->stream __VA_OPT__(, ) __VA_ARGS__)

void watch_init(struct watch *watch, struct history *history)
{
    *watch = (struct watch){.history = history};
}

void watch_deinit(struct watch *watch)
{
    free(watch->messages);
    free(watch->deliveries);
}

/* Makes room for number `at`, zeroed. */
static void *reach(void *array, uint64_t *capacity, uint64_t at, size_t size)
{
    uint64_t before = *capacity;

    if (at < before)
        return array;
    *capacity = before == 0 ? 1024 : before;
    while (*capacity <= at)
        *capacity *= 2;
    array = realloc(array, *capacity * size);
    assert(array != NULL);
    memset((uint8_t *)array + before * size, 0, (*capacity - before) * size);
    return array;
}

static struct watched_message *message_at(struct watch *watch, uint64_t sequence)
{
    watch->messages =
        reach(watch->messages, &watch->message_capacity, sequence, sizeof *watch->messages);
    return &watch->messages[sequence];
}

static struct watched_delivery *delivery_at(struct watch *watch, uint64_t number)
{
    watch->deliveries =
        reach(watch->deliveries, &watch->delivery_capacity, number, sizeof *watch->deliveries);
    return &watch->deliveries[number];
}

static void check_order(struct watch *watch, const struct watched_message *message,
                        uint64_t sequence, uint64_t count, uint64_t number)
{
    bool later = number > message->number;

    if (message->count == 0)
        return;
    if (later ? count <= message->count : count >= message->count)
        VIOLATE(watch, "sequence %llu: delivery %llu is its %lluth, delivery %llu was its %uth",
                ULL(sequence), ULL(number), ULL(count), ULL(message->number), message->count);
}

void watch_delivered(struct watch *watch, uint64_t sequence, uint64_t count, uint64_t number,
                     int64_t now_ns)
{
    struct watched_delivery *delivery;
    struct watched_message *message;

    if (watch->history->lossy)
        return;
    if (number == 0 || number > 100000000 || sequence == 0 || count == 0) {
        VIOLATE(watch, "delivery %llu of sequence %llu makes no sense", ULL(number), ULL(sequence));
        return;
    }
    delivery = delivery_at(watch, number);
    if (delivery->sequence != 0)
        VIOLATE(watch, "delivery %llu came twice: of sequence %llu and of %llu", ULL(number),
                ULL(delivery->sequence), ULL(sequence));
    *delivery = (struct watched_delivery){.sequence = sequence, .count = (uint32_t)count};
    message = message_at(watch, sequence);
    check_order(watch, message, sequence, count, number);
    if (message->confirmed && number > message->confirmed_number)
        VIOLATE(watch,
                "sequence %llu is delivered (%llu) after its ack was confirmed (before %llu)",
                ULL(sequence), ULL(number), ULL(message->confirmed_number));
    if (number > message->number) {
        message->number = number;
        message->count = (uint32_t)count;
    }
    watch->delivered++;
    watch->delivered_ns = now_ns;
}

void watch_confirmed(struct watch *watch, uint64_t sequence, uint64_t number)
{
    struct watched_message *message = message_at(watch, sequence);

    watch->confirmed++;
    if (message->confirmed)
        return;
    message->confirmed = true;
    message->confirmed_number = number;
}

void watch_check(struct watch *watch, uint64_t last)
{
    if (watch->history->lossy)
        return;
    for (uint64_t sequence = 1; sequence <= last; sequence++) {
        if (history_message(watch->history, sequence)->present &&
            message_at(watch, sequence)->count == 0)
            VIOLATE(watch, "sequence %llu was never delivered", ULL(sequence));
    }
}
