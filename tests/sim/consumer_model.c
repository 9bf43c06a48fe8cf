#include "tests/sim/consumer_model.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

[[gnu::format(printf, 2, 3)]] static void violate(struct model *model, const char *format, ...)
{
    va_list arguments;

    if (model->violation[0] != 0)
        return;
    va_start(arguments, format);
    vsnprintf(model->violation, sizeof model->violation, format, arguments);
    va_end(arguments);
}

static bool known(struct model *model, uint64_t sequence)
{
    if (sequence > 0 && sequence <= MODEL_MESSAGES_MAX)
        return true;
    violate(model, "sequence %llu is out of this world", (unsigned long long)sequence);
    return false;
}

void model_stored(struct model *model, uint64_t sequence, unsigned subject)
{
    struct model_message *message;

    if (!known(model, sequence))
        return;
    message = &model->messages[sequence];
    message->stored = true;
    message->matches = !model->filtered || subject == 0;
    if (sequence > model->last)
        model->last = sequence;
}

void model_removing(struct model *model, uint64_t from, uint64_t to)
{
    for (uint64_t sequence = from; sequence <= to && sequence <= MODEL_MESSAGES_MAX; sequence++)
        model->messages[sequence].removed = true;
}

/* ---- deliveries ------------------------------------------------------------------------------ */

static void check_count(struct model *model, const struct model_delivery *delivery)
{
    struct model_message *message = &model->messages[delivery->sequence];
    uint64_t bit = UINT64_C(1) << (delivery->count & 63);

    if (delivery->count == 0 || (delivery->count < 64 && (message->counts & bit) != 0))
        violate(model, "C4: %llu is delivered twice as the %u. time",
                (unsigned long long)delivery->sequence, delivery->count);
    if (!model->clustered && delivery->count <= message->count)
        violate(model, "C4: the count of %llu falls from %u to %u",
                (unsigned long long)delivery->sequence, message->count, delivery->count);
    if (model->max_deliver > 0 && delivery->count > model->max_deliver)
        violate(model, "C4: %llu is delivered the %u. time", (unsigned long long)delivery->sequence,
                delivery->count);
    message->counts |= bit;
}

static void check_request(struct model *model, const struct model_delivery *delivery)
{
    struct model_pull *pull = &model->pulls[delivery->pull];

    if (++pull->got > pull->batch)
        violate(model, "C5: request %u asked for %u and got more", delivery->pull, pull->batch);
}

bool model_delivered(struct model *model, const struct model_delivery *delivery)
{
    struct model_message *message;

    if (!known(model, delivery->sequence))
        return false;
    message = &model->messages[delivery->sequence];
    model->heard++;
    model->redelivered += delivery->count > 1;
    check_request(model, delivery);
    if (model->filtered && delivery->subject != 0)
        violate(model, "%llu does not match", (unsigned long long)delivery->sequence);
    if (message->confirmed &&
        (!model->clustered || model->pulls[delivery->pull].asked_ns > message->confirmed_ns))
        violate(model, "C3: %llu comes again after its confirmed ack",
                (unsigned long long)delivery->sequence);
    check_count(model, delivery);
    if (delivery->count < message->count)
        return false; /* a late one */
    if (delivery->count > 1 && message->count > 0 && delivery->now_ns < message->again_ns)
        violate(model, "C4: %llu comes again %lld us early", (unsigned long long)delivery->sequence,
                (long long)(message->again_ns - delivery->now_ns) / 1000);
    message->matches = true;
    message->count = delivery->count;
    /* Handed out after it was asked for, so not again before its wait from then on. */
    message->again_ns = model->pulls[delivery->pull].asked_ns + model->wait_ns;
    message->crossing &= model->pulls[delivery->pull].asked_ns < message->said_ns;
    if (message->crossing && message->refused_ns < message->again_ns)
        message->again_ns = message->refused_ns;
    if (message->given_up && !model->clustered)
        violate(model, "C9: %llu comes again after it was given up",
                (unsigned long long)delivery->sequence);
    snprintf(message->reply, sizeof message->reply, "%s", delivery->reply);
    if (delivery->sequence > model->last)
        model->last = delivery->sequence;
    return true;
}

/* ---- what is said ---------------------------------------------------------------------------- */

void model_acked(struct model *model, uint64_t sequence)
{
    model->messages[sequence].settled = true;
    model->messages[sequence].reply[0] = 0;
}

void model_refused(struct model *model, uint64_t sequence, int64_t now_ns, int64_t until_ns)
{
    struct model_message *message = &model->messages[sequence];

    /* A refusal that gets lost leaves the longer wait; whichever it is, not before the shorter. */
    if (until_ns < message->again_ns)
        message->again_ns = until_ns;
    message->crossing = true;
    message->said_ns = now_ns;
    message->refused_ns = until_ns;
    message->reply[0] = 0;
}

void model_confirmed(struct model *model, uint64_t sequence, int64_t now_ns)
{
    struct model_message *message = &model->messages[sequence];

    if (message->confirmed)
        return;
    model->confirmed++;
    message->confirmed = true;
    message->confirmed_ns = now_ns;
}

/* Nobody hears all that is told, but nothing is told twice: not by a server that has come back, and
 * not by another leader. */
void model_given_up(struct model *model, uint64_t sequence, unsigned deliveries)
{
    struct model_message *message;

    if (!known(model, sequence))
        return;
    message = &model->messages[sequence];
    model->given_up++;
    if (model->max_deliver == 0 || deliveries != model->max_deliver)
        violate(model, "C9: %llu is given up after %u deliveries", (unsigned long long)sequence,
                deliveries);
    if (message->given_up)
        violate(model, "C9: %llu is given up twice", (unsigned long long)sequence);
    message->given_up = true;
}

/* ---- what is told ---------------------------------------------------------------------------- */

void model_informed(struct model *model, const struct model_info *info)
{
    if (info->floor > info->delivered)
        violate(model, "C1: floor %llu is above delivered %llu", (unsigned long long)info->floor,
                (unsigned long long)info->delivered);
    if (!model->clustered && (info->delivered < model->delivered || info->floor < model->floor))
        violate(model, "C1: delivered %llu, floor %llu after %llu, %llu",
                (unsigned long long)info->delivered, (unsigned long long)info->floor,
                (unsigned long long)model->delivered, (unsigned long long)model->floor);
    if (model->max_pending > 0 && info->ack_pending > model->max_pending)
        violate(model, "C5: %llu are pending", (unsigned long long)info->ack_pending);
    model->delivered = info->delivered;
    model->floor = info->floor;
}

static bool exhausted(const struct model *model, const struct model_message *message)
{
    return model->max_deliver > 0 && !message->confirmed && message->count > 0;
}

void model_finished(struct model *model, const struct model_info *info, uint64_t messages)
{
    uint64_t may_stay = model->unknown;

    model_informed(model, info);
    if (info->pending != 0 || info->ack_pending != 0)
        violate(model, "C6: %llu pending and %llu unacknowledged, and nothing comes",
                (unsigned long long)info->pending, (unsigned long long)info->ack_pending);
    for (uint64_t sequence = 1; sequence <= model->last; sequence++) {
        const struct model_message *message = &model->messages[sequence];
        bool wanted = message->matches && !message->removed;

        /* With a limit, all deliveries may have got lost with the connections they went to. */
        if (message->stored && wanted && message->count == 0 && model->max_deliver == 0)
            violate(model, "C2: %llu was never delivered", (unsigned long long)sequence);
        if (wanted && message->count > 0 && !message->settled && !exhausted(model, message))
            violate(model, "C2: %llu was passed over", (unsigned long long)sequence);
        may_stay += !message->confirmed; /* a delete may have got lost */
    }
    if (model->retention != MODEL_LIMITS && messages > may_stay)
        violate(model, "C7, C8: %llu messages are left, %llu may be", (unsigned long long)messages,
                (unsigned long long)may_stay);
}
