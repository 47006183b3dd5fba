#!/usr/bin/env python3
"""tests/e2e/test_engine.py - two gateways that share PostgreSQL: a primary and two synchronous standbys, all real.

Ana knows the first gateway only, Ben the second. What one is brought the other hands out, at once; what is delivered is freed. Then, under
load, each is killed with kill -9 in turn: a standby, the primary (a standby takes its place), the first gateway, and at last the
first gateway with its disk. Nothing acknowledged is lost, nothing is delivered twice, and while the databases are all away the
spool goes on.
"""
import argparse
import base64
import os
import shutil
import sys
import time

import postgresql
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "gateway"))
from gateway import Gateway  # noqa: E402
from test_status import metrics  # noqa: E402
from world import SKIPPED, World, wait_for  # noqa: E402

DONE = ("delivered", "read")


def log_of(gateway):
    with open(gateway.log, errors="replace") as f:
        return f.read()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, help="folder of the programs")
    parser.add_argument("--shards", type=int, default=1, help="databases")
    parser.add_argument("--keep", action="store_true", help="keep the folders with data and logs")
    options = parser.parse_args()
    if postgresql.programs() is None:
        print("skipped: no PostgreSQL here")
        sys.exit(SKIPPED)
    cluster = postgresql.Cluster(options.keep)
    databases = [f"shard{i}" for i in range(options.shards)]
    flags = ["--engine", "postgresql"]
    for name in databases:
        cluster.primary.sql(f"CREATE DATABASE {name}")
        flags += ["--database", cluster.conninfo(database=name)]

    def count(where):
        return sum(int(cluster.primary.sql(f"SELECT count(*) FROM bundles WHERE {where}", database=d)) for d in databases)

    def now(gateway, name):
        return metrics(os.path.join(gateway.data, "status.sock"))[name]

    world = World(options.bin, namespaces=False, keep=options.keep)
    ana, ben = world.person("ana"), world.person("ben")
    first, second = Gateway(world, "first"), Gateway(world, "second")
    links = [g.invite("all") for g in (first, second)]
    for gateway in (first, second):
        gateway.start("--status", os.path.join(gateway.data, "status.sock"), *flags)
        wait_for(lambda: "database 1: connected" in log_of(gateway), "the gateway to find its databases", 30)
        assert "no synchronous standby" not in log_of(gateway)
    for person, link in ((ana, links[0]), (ben, links[1])):
        person.run("init", "--name", person.name)
        person.start()
        person.run("gateway", "add", link)
    ana.befriend(ben)
    ben.befriend(ana)
    sent = []

    def say(words=None):
        sent.append(words or f"message {len(sent)}")
        return ana.send(ben, sent[-1])

    def all_taken(messages):
        return all(ana.state(m)["state"] in ("gateway", *DONE) for m in messages)

    # One gateway's bundle is the other's, promptly; what is delivered is freed in the database.
    message = say("Ben, do you hear me over there?")
    wait_for(lambda: ben.texts_from(ana) == sent, "Ben to read what Ana gave to the other gateway", 60)
    # What is sealed before Ana has heard of Ben has no anti-packet.
    wait_for(lambda: ana.state(message)["state"] in DONE, "Ben's first receipt", 60)
    large = base64.b64encode(os.urandom(2700)).decode()   # worth an anti-packet
    message, began = say(large), time.monotonic()
    wait_for(lambda: ben.texts_from(ana) == sent, "Ben to read the next", 60)
    took_s = time.monotonic() - began
    assert took_s < 10, took_s
    wait_for(lambda: ana.state(message)["state"] in DONE, "Ben's receipt", 60)
    wait_for(lambda: count("body IS NULL") >= 1, "what was delivered to be freed in the database", 60)

    # Each killed in turn, with messages under way.
    def under_load(what):
        messages = [say() for _ in range(10)]
        what()
        messages += [say() for _ in range(10)]
        wait_for(lambda: sorted(ben.texts_from(ana)) == sorted(sent), "Ben to have all of it, once", 120)
        return messages

    victim = cluster.standbys[0]
    under_load(victim.kill)
    victim.start()
    wait_for(lambda: cluster.primary.sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'") == "2", "the standby to be back", 60)
    under_load(cluster.fail_over)

    def restart_first():
        first.kill()
        first.start()
    under_load(restart_first)

    # The databases are away: what is acknowledged then is in the spool, and survives the gateway.
    ben.stop()
    last = [cluster.primary, *cluster.standbys]
    for server in last:
        server.kill()
    messages = [say() for _ in range(10)]
    wait_for(lambda: all_taken(messages), "the spool to take what Ana has while the databases are away", 60)
    assert "kept in the spool" in log_of(first)
    assert now(first, "databases_connected") == 0 and now(first, "databases_spooling") >= 1 and now(first, "spool_bundles") >= 1
    ana.stop()
    first.kill()
    first.start()
    for server in last:
        server.start()
    ben.start()
    wait_for(lambda: sorted(ben.texts_from(ana)) == sorted(sent), "what was spooled to reach Ben, Ana being away", 120)

    # Delivered while the databases are away, by a gateway that dies before they are back: they hear of it all the same.
    # (Ana, who hears of it and tells, comes by the second as well.)
    ben.stop()
    ana.start()
    ana.run("gateway", "add", links[1])
    held = now(second, "bundle_bytes")
    message = say(base64.b64encode(os.urandom(2700)).decode())
    wait_for(lambda: all_taken([message]) and now(second, "bundle_bytes") >= held + 4096, "the large one to be in the second's cache", 60)
    wait_for(lambda: count("length(body) = 4096") >= 1, "the large one to be in the database", 60)
    freed = count("body IS NULL")
    first.stop()
    for server in last:
        server.kill()
    ben.start()
    wait_for(lambda: sorted(ben.texts_from(ana)) == sorted(sent), "Ben to read it from the second's cache", 60)
    wait_for(lambda: now(second, "spool_removals") >= 1 and now(second, "databases_connected") == 0, "the removal to wait", 120)
    ana.run("gateway", "remove", f"127.0.0.1:{second.PORT}")
    ana.stop()
    ben.stop()
    first.start()
    second.kill()
    second.start()
    assert now(second, "spool_removals") >= 1
    for server in last:
        server.start()
    wait_for(lambda: now(second, "spool_removals") == 0, "nothing to wait any more", 60)
    assert count("body IS NULL") > freed
    ben.start()

    # What is acknowledged while they are up outlives the gateway with its disk.
    ana.start()
    ben.stop()
    messages = [say() for _ in range(20)]
    wait_for(lambda: all_taken(messages), "the gateway to take all", 60)
    ana.stop()
    first.kill()
    shutil.rmtree(first.data)
    ben.start()
    wait_for(lambda: sorted(ben.texts_from(ana)) == sorted(sent), "Ben to read what the lost gateway had acknowledged", 120)
    assert len(ben.texts_from(ana)) == len(set(sent)) == len(sent)

    ben.stop()
    # A schema that is newer is left alone, and explained.
    for d in databases:
        cluster.primary.sql("UPDATE staffetta_schema SET version = 2", database=d)
    second.stop()
    second.start()
    wait_for(lambda: "newer than this gateway" in log_of(second), "the gateway to say that the schema is newer", 30)
    second.stop()
    print(f"engine: passed; across gateways in {took_s * 1000:.0f} ms")


if __name__ == "__main__":
    main()
