# SPDX-License-Identifier: BSD-3-Clause
"""The command line of scripts/tune."""

import json

from . import boot, cli, cpus, nicboot, program, table, tunables
from .host import HostError
from .state import Before

UNIT = "pubwire-tune.service"
NAMES = [t.name for t in tunables.ALL]
# Not by "all": takes CPUs away from the host.
ONLY_BY_NAME = ("siblings",)
EPILOG = f"""\
  tune                                 a table; CPUs are those of the workers in the configuration
  tune --cpus 2-5                      for these CPUs
  tune --set irq-affinity,c-states     set these, until the next boot
  tune --set all --boot                everything, at every boot too (isolated: from the next one)
  tune --undo                          as it was before

Tunables: {', '.join(NAMES)}.
"all" is all but {', '.join(ONLY_BY_NAME)}, which takes CPUs offline, and but isolated without --boot,
which is on the kernel's command line."""


def parser():
    p = cli.Parser(prog="tune", epilog=EPILOG,
                   description="What disturbs the CPUs of pubwire's workers; changes it on request only.")
    program.options(p)
    p.add_argument("--cpus", metavar="LIST", help="CPUs of the workers, such as 2-5,8 [the configuration's]")
    p.add_argument("--json", action="store_true", help="the table for programs")
    what = p.add_mutually_exclusive_group()
    what.add_argument("--set", metavar="NAME,...", help="set these")
    what.add_argument("--undo", action="store_true", help="put back what --set changed, at boot too")
    p.add_argument("--boot", action="store_true", help="with --set: at every boot too")
    cli.dry_run_option(p)
    return p


def _workers(host, args):
    if args.cpus:
        found = cpus.parse(args.cpus)
    else:
        prog = program.find(host, args.pubwire)
        found = program.load(host, prog, program.config_path(host, args.config)).workers
    missing = sorted(set(found) - set(cpus.online(host)))
    if missing or not found:
        raise HostError(f"CPU {cpus.text(missing) or '(none)'} is not there or not online; there are "
                        + cpus.text(cpus.online(host)))
    return found


def show(host, workers, as_json):
    rows = [t.look(host, workers) for t in tunables.ALL]
    if as_json:
        host.say(json.dumps([r.as_dict() for r in rows], indent=1))
    else:
        host.say(f"CPUs of workers: {cpus.text(workers)}")
        host.say(table.verdicts(rows))
    return cli.FAILED if any(r.verdict == table.BAD for r in rows) else cli.FINE


def _chosen(args):
    names = args.set.split(",")
    unknown = [n for n in names if n not in NAMES + ["all"]]
    if unknown:
        raise HostError(f"--set: '{unknown[0]}' is none of all, {', '.join(NAMES)}")
    if "isolated" in names and not args.boot:
        raise HostError("--set isolated needs --boot: CPUs are isolated by the kernel's command line, from "
                        "the next boot on")
    return [t for t in tunables.ALL if t.name in names or
            ("all" in names and t.name not in ONLY_BY_NAME and (args.boot or not t.restart))]


def change(host, workers, args):
    before = Before(host, "tune")

    def put(path, value):
        old = host.read(path)
        # Those with brackets offer words: the one in them is in force.
        if "[" in (old or ""):
            old = old[old.index("[") + 1:old.index("]")]
        before.note(path, old)
        host.put(path, value, f"was {old}")

    failed = []
    chosen = _chosen(args)
    for t in chosen:
        try:
            t.set(host, workers, put)
        except HostError as e:
            failed.append(f"{t.name}: {e}" if not str(e).startswith(t.name) else str(e))
    running = [t.name for t in chosen if not t.restart]
    if args.boot and running:
        # /proc/irq and cpufreq are there once their drivers are.
        boot.unit(host, UNIT, "# Written by pubwire's scripts/tune; its --undo removes it.\n"
                  "[Unit]\nDescription=CPUs for pubwire\nBefore=pubwire.service\nAfter=irqbalance.service\n\n"
                  "[Service]\nType=oneshot\nRemainAfterExit=yes\n"
                  f"ExecStart={nicboot.executable('tune')} --cpus {cpus.text(workers)} --set {','.join(running)}\n\n"
                  "[Install]\nWantedBy=multi-user.target\n", "multi-user.target")
    host.finish()
    if failed:
        raise HostError("; ".join(failed))


def undo(host):
    boot.remove_unit(host, UNIT)
    boot.remove_kernel_parameters(host, tunables.GRUB)
    if host.remove(tunables.IRQBALANCE):
        host.rmdir(tunables.IRQBALANCE.rsplit("/", 1)[0])
        if boot.running(host):
            host.run(["systemctl", "daemon-reload"])
            host.run(["systemctl", "try-restart", "irqbalance.service"])
    before = Before(host, "tune")
    stuck = []
    for path, value in sorted(before.values.items()):
        try:
            if value is not None and host.exists(path):
                host.put(path, value)
        except HostError as e:
            stuck.append(str(e))
        if not host.dry_run:
            before.forget(path)
    host.finish()
    if stuck:
        raise HostError("; ".join(stuck))


def work(host, args):
    if args.boot and not args.set:
        raise HostError("--boot goes with --set")
    if args.undo:
        return undo(host)
    workers = _workers(host, args)
    if args.set:
        return change(host, workers, args)
    return show(host, workers, args.json)


def main(argv=None, host=None):
    return cli.run("tune", parser(), work, argv, host)
