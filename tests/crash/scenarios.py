"""Scenarios by name, each a round with a seed of its own: what is known to have broken others.

    cluster.py --scenario J7        cluster.py --scenario all
"""

from collections import namedtuple

# `needs`: what the machine must allow ("disks", "clocks"), else the scenario says that it is left out.
Scenario = namedtuple("Scenario", "what nodes seed storms needs with_ids", defaults=(None, True))

SCENARIOS = {
    "J1": Scenario(
        "the power of all nodes is cut under load", 3, 101,
        ("power all", "power two", "power all", "power all"), "disks",
    ),
    "J2": Scenario(
        "the leader is cut off or stopped, another dies, both come back", 5, 102,
        ("part-kill leader", "pause-kill leader", "part-kill leader", "pause-kill leader"),
    ),
    "J2-empty": Scenario(
        "a node comes back with an empty disk, and the leader dies as soon as all are well", 3, 112,
        ("wipe one", "kill leader", "wipe one", "kill leader", "wipe one", "kill leader"),
    ),
    "J3": Scenario(
        "bits of a minority's files flip, and nodes die", 5, 103,
        ("flip some", "kill leader", "flip some", "kill all"),
    ),
    "J4": Scenario("files of a minority lose their end", 5, 104, ("truncate some", "kill leader", "truncate some")),
    "J5": Scenario("chunks of a minority's files are as before", 5, 105, ("rollback some", "kill leader", "rollback some")),
    "J6": Scenario("the catalogue of two of five is damaged, one of them leads next", 5, 106, ("catalogue two",)),
    "J7": Scenario("all die again and again while streams are made and deleted", 3, 107, ("churn all", "churn all")),
    "J8": Scenario("a minority is told to remove a member, then a majority whose leader dies", 5, 108, ("remove one", "remove one")),
    "J9": Scenario("clocks jump by minutes", 3, 109, ("clock all", "clock one", "clock all"), "clocks"),
    "J9-years": Scenario("clocks jump by years", 3, 119, ("years all", "years one"), "clocks", False),
}
