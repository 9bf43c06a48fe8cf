"""Shows that the driver can fail: for each kind of broken promise, that it is noticed.

One short round runs for real. Then each case changes what the server is said to hold, or what it
is said to have answered, in one small way, and the check must raise; the unchanged state must
pass. Two further cases damage the directory of a real server between kill and restart.
"""

import asyncio
import os
import pickle
import random
import shutil
import time

import crash
import workload
from history import Contents, State, Violation
from serverprocess import Server

CYCLES = 3
CYCLES_MAX = 30  # until everything the cases break has happened at least once


class Case:
    """A copy of the state after a good round, to be broken."""

    def __init__(self, blob):
        self.histories, self.consumer, found, self.info = pickle.loads(blob)
        self.found = {
            name: Contents(c.first, c.last, c.count, dict(c.messages)) for name, c in found.items()
        }
        self.rng = random.Random(7)

    def ops(self, stream, wanted):
        history = self.histories[stream]
        some = [op for op in history.ops.values() if wanted(op)]
        return self.rng.choice(some)

    def there(self, stream, wanted=lambda op: True):
        """An operation whose message is in the stream, not at either end of it."""
        inner = sorted(self.found[stream].messages)[5:-5]
        placed = self.histories[stream].placed
        return self.rng.choice([placed[seq] for seq in inner if wanted(placed[seq])])

    def put(self, stream, seq, content):
        found = self.found[stream]
        found.count += seq not in found.messages
        found.messages[seq] = content

    def drop(self, stream, seq):
        del self.found[stream].messages[seq]
        self.found[stream].count -= 1

    def check(self):
        for name, history in self.histories.items():
            history.check(self.found[name], workload.number_of)
        self.consumer.check(self.info, self.found[workload.LOG].messages)


# --- what a stream may do wrong


def an_acked_message_is_gone(case):
    case.drop(workload.LOG, case.there(workload.LOG).seq)


def the_last_acked_message_is_gone(case):
    found = case.found[workload.LOG]
    case.drop(workload.LOG, max(found.messages))
    found.last = max(found.messages)


def the_last_sequence_falls(case):
    case.found[workload.CAS].last -= 1


def a_body_is_changed(case):
    op = case.there(workload.LOG)
    case.put(workload.LOG, op.seq, (op.subject, op.headers, op.body + b"!"))


def a_header_is_missing(case):
    op = case.there(workload.LOG, lambda op: op.headers)
    case.put(workload.LOG, op.seq, (op.subject, b"", op.body))


def a_subject_is_changed(case):
    op = case.there(workload.LOG)
    case.put(workload.LOG, op.seq, (op.subject + b".x", op.headers, op.body))


def two_messages_change_places(case):
    one, two = case.there(workload.LOG), case.there(workload.LOG)
    while one is two:
        two = case.there(workload.LOG)
    case.put(workload.LOG, one.seq, two.content())
    case.put(workload.LOG, two.seq, one.content())


def a_refused_message_is_there(case):
    op = case.ops(workload.LOG, lambda op: op.state is State.REFUSED)
    found = case.found[workload.LOG]
    found.last += 1
    case.put(workload.LOG, found.last, op.content())


def a_lost_message_comes_back_later(case):
    op = case.ops(workload.LOG, lambda op: op.state is State.LOST)
    found = case.found[workload.LOG]
    found.last += 1
    case.put(workload.LOG, found.last, op.content())


def a_message_nobody_sent_is_there(case):
    found = case.found[workload.LOG]
    found.last += 1
    case.put(workload.LOG, found.last, (b"log.0.0", b"", b"999999999:"))


def a_message_id_is_stored_twice(case):
    op = case.there(workload.LOG, lambda op: op.id)
    found = case.found[workload.LOG]
    found.last += 1
    case.put(workload.LOG, found.last, op.content())


def a_sequence_has_no_owner(case):
    case.found[workload.LOG].last += 1


def a_deleted_message_is_back(case):
    history = case.histories[workload.LOG]
    seq = case.rng.choice(sorted(history.removed)[2:])
    case.put(workload.LOG, seq, history.placed[seq].content())


def a_purged_message_is_back(case):
    history = case.histories[workload.TRIM]
    seq = max(history.removed)
    case.put(workload.TRIM, seq, history.placed[seq].content())


def the_count_is_wrong(case):
    case.found[workload.TRIM].count += 1


def the_first_sequence_is_wrong(case):
    case.found[workload.LOG].first += 1


def an_expectation_was_not_checked(case):
    op = case.there(workload.CAS, lambda op: op.expected[0] == "stream")
    op.expected = ("stream", op.expected[1] - 1)


def a_subject_expectation_was_not_checked(case):
    op = case.there(workload.CAS, lambda op: op.expected[0] == "subject")
    op.expected = ("subject", op.expected[1] + 1)


def a_key_lost_its_newest_value(case):
    live = case.rng.choice([ops for ops in case.histories[workload.KEYS].live.values() if ops])
    case.drop(workload.KEYS, live[-1].seq)


def a_key_has_a_replaced_value(case):
    history = case.histories[workload.KEYS]
    there = case.found[workload.KEYS].messages
    old = [op for seq, op in history.placed.items() if seq not in there]
    op = case.rng.choice(old)
    case.put(workload.KEYS, op.seq, op.content())


# --- what answers and consumers may do wrong


def a_retry_is_acked_at_another_place(case):
    op = case.there(workload.LOG, lambda op: op.id)
    history = case.histories[workload.LOG]
    history.acked(op, history.last_seen + 1, False)


def a_sequence_is_acked_to_two(case):
    op = case.ops(workload.LOG, lambda op: op.state is State.LOST)
    op.state = State.SENT
    history = case.histories[workload.LOG]
    history.acked(op, case.there(workload.LOG).seq, False)


def a_duplicate_is_called_without_an_id(case):
    op = case.there(workload.LOG, lambda op: not op.id)
    case.histories[workload.LOG].acked(op, op.seq, True)


def a_purge_says_another_number(case):
    history = case.histories[workload.TRIM]
    history.removal_sent(sorted(history.live())[:3])
    history.removal_answered(2)


def a_delivery_is_not_what_was_sent(case):
    op = case.there(workload.LOG)
    case.histories[workload.LOG].delivered(op.number, op.seq, (op.subject, op.headers, b"0:"))


def a_delivery_is_never_stored(case):
    op = case.ops(workload.LOG, lambda op: op.state is State.LOST)
    op.state = State.UNKNOWN
    history = case.histories[workload.LOG]
    history.delivered(op.number, history.last_seen + 1, op.content())


def deliver(case, seq, count):
    case.consumer.delivered(seq, count, case.consumer.delivery_last + 1)


def a_confirmed_ack_is_delivered_again(case):
    case.consumer.ack_confirmed(3)
    deliver(case, 3, case.consumer.counts.get(3, 0) + 1)


def a_delivery_count_falls(case):
    case.consumer.confirmed.discard(3)
    case.consumer.counts[3] = 5
    deliver(case, 3, 4)


def a_delivery_number_is_repeated(case):
    case.consumer.delivery_last = 1000
    case.consumer.delivered(10**9, 1, 1000)


def the_ack_floor_falls(case):
    case.info["ack_floor"]["stream_seq"] = 0
    case.consumer.confirmed = set(case.found[workload.LOG].messages)


def the_ack_floor_passes_an_unacked_message(case):
    floor = case.info["ack_floor"]["stream_seq"] = case.info["delivered"]["stream_seq"]
    case.consumer.ever_acked -= {seq for seq in case.found[workload.LOG].messages if seq <= floor}


def the_consumer_forgets_what_it_delivered(case):
    case.consumer.sequence_last = case.info["delivered"]["stream_seq"] + 1


def a_message_is_never_delivered(case):
    there = case.found[workload.LOG].messages
    case.consumer.ever_delivered = set(there) - {case.there(workload.LOG).seq}
    case.consumer.check_complete(there)


CASES = [
    an_acked_message_is_gone,
    the_last_acked_message_is_gone,
    the_last_sequence_falls,
    a_body_is_changed,
    a_header_is_missing,
    a_subject_is_changed,
    two_messages_change_places,
    a_refused_message_is_there,
    a_lost_message_comes_back_later,
    a_message_nobody_sent_is_there,
    a_message_id_is_stored_twice,
    a_sequence_has_no_owner,
    a_deleted_message_is_back,
    a_purged_message_is_back,
    the_count_is_wrong,
    the_first_sequence_is_wrong,
    an_expectation_was_not_checked,
    a_subject_expectation_was_not_checked,
    a_key_lost_its_newest_value,
    a_key_has_a_replaced_value,
    a_retry_is_acked_at_another_place,
    a_sequence_is_acked_to_two,
    a_duplicate_is_called_without_an_id,
    a_purge_says_another_number,
    a_delivery_is_not_what_was_sent,
    a_delivery_is_never_stored,
    a_confirmed_ack_is_delivered_again,
    a_delivery_count_falls,
    a_delivery_number_is_repeated,
    the_ack_floor_falls,
    the_ack_floor_passes_an_unacked_message,
    the_consumer_forgets_what_it_delivered,
    a_message_is_never_delivered,
]


# --- what a real server may do wrong


class Wiped(crash.Driver):
    """The server comes back with an empty directory."""

    def while_down(self):
        if self.cycles == 1:
            for name in os.listdir(self.server.directory):
                shutil.rmtree(os.path.join(self.server.directory, name), ignore_errors=True)


class RolledBack(crash.Driver):
    """The server comes back with the directory of one life earlier."""

    def while_down(self):
        copy = self.server.directory + ".before"
        if self.cycles == 0:
            shutil.copytree(self.server.directory, copy)
        else:
            shutil.rmtree(self.server.directory)
            os.rename(copy, self.server.directory)


def damaged_server_is_noticed(kind, seed, strict):
    with Server(prefix="millrace-selftest-") as server:
        driver = kind(seed, strict, server)
        try:
            asyncio.run(crash.run_round(driver, 2, time.monotonic() + 60))
        except Violation:
            return driver.cycles == 1
        finally:
            shutil.rmtree(server.directory + ".before", ignore_errors=True)
    return False


# --- running them


class Recording(crash.Driver):
    """Keeps what the last check saw."""

    async def check(self):
        await super().check()
        client = await crash.Client.open(self.server.port)
        name = (workload.LOG, workload.CONSUMER)
        self.info = await crash.reading.consumer_info(client, *name)
        client.close()


def eventful(histories):
    """A short run on a busy machine may end before its first purge."""
    return len(histories[workload.LOG].removed) > 2 and histories[workload.TRIM].removed


def good_state(seed, strict):
    with Server(prefix="millrace-selftest-") as server:
        driver = Recording(seed, strict, server)

        async def cycles():
            await driver.set_up()
            for number in range(CYCLES_MAX):
                if number >= CYCLES and eventful(driver.histories):
                    return
                await driver.cycle()

        asyncio.run(cycles())
        return pickle.dumps((driver.histories, driver.consumer, driver.found, driver.info))


def noticed(blob, break_it):
    case = Case(blob)
    try:
        break_it(case)
        case.check()
    except Violation:
        return True
    return False


def main(options):
    strict = crash.is_strict(options)
    blob = good_state(options.seed, strict)
    results = {"the unbroken state passes": not noticed(blob, lambda case: None)}
    for break_it in CASES:
        results[break_it.__name__.replace("_", " ")] = noticed(blob, break_it)
    for kind in (Wiped, RolledBack):
        name = kind.__doc__.strip().rstrip(".").lower()
        results[name] = damaged_server_is_noticed(kind, options.seed, strict)
    for name, passed in results.items():
        print(f"{'noticed' if passed else 'NOT NOTICED'}: {name}")
    failed = sum(not passed for passed in results.values())
    print(f"crash self-test: {len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0
