# SPDX-License-Identifier: BSD-3-Clause
"""The command line of scripts/doctor."""

import json
import os

from . import checks, checks_ports, cli, pages, pci, program, running, table
from .host import HostError
from .table import BAD, OK, SKIP, WARN, Row

EPILOG = """\
Verdicts: ok; look (it runs, but not as well as it could); NOT OK (it does not start, or not work); - (does
not apply, or could not be looked at). Below a verdict stands what to do. Exit status: 0 nothing is
NOT OK, 1 something is. It changes nothing; a broker is asked by one TCP connection, unless
--no-brokers, and the port of the status page is taken for a moment. CPUs and interrupts are scripts/tune's."""


def parser():
    p = cli.Parser(prog="doctor", description="Everything that could stop pubwire on this host, in one table.",
                   epilog=EPILOG)
    program.options(p)
    p.add_argument("--user", metavar="NAME", help="who pubwire runs as [whoever asks]")
    p.add_argument("--no-brokers", action="store_true", help="do not connect to brokers")
    p.add_argument("--json", action="store_true", help="the table for programs")
    p.add_argument("-n", "--dry-run", action="store_true", help="as without: doctor changes nothing")
    return p


def _program(host, args):
    """(program or None, Row)."""
    try:
        prog = program.find(host, args.pubwire)
    except HostError as e:
        return None, Row("program", BAD, str(e))
    status, text = host.ask([prog, "--version"])
    if status:
        last = text.splitlines()[-1] if text else f"status {status}"
        return None, Row("program", BAD, f"{prog} does not run: {last}",
                         "scripts/deps build installs the libraries that it is linked with")
    return prog, Row("program", OK, f"{prog}: {text.splitlines()[0]}")


def _configuration(host, args, prog):
    """(Config, Plan, Row); None for both where there is none to read."""
    path = program.config_path(host, args.config)
    if prog is None:
        return None, None, Row("configuration", SKIP, f"{path} is read by pubwire, which does not run")
    if not os.path.exists(path):
        return None, None, Row("configuration", BAD, f"there is no {path}",
                               "scripts/install puts one there to start from; docs/configuration.md explains it")
    try:
        plan = program.plan(host, prog, path)
        return program.load(host, prog, path), plan, Row("configuration", OK,
                                                         f"{path}: {table.size(plan.total)} planned")
    except HostError as e:
        return None, None, Row("configuration", BAD, str(e), "docs/configuration.md explains every key")


def _prefix(host, config, path):
    pid = running.holder(host, config.file_prefix)
    if pid is None:
        yield Row("file prefix", OK, f"{config.file_prefix}: nobody has it")
    elif running.configuration(host, pid) == path:
        yield Row("file prefix", OK, f"{config.file_prefix}: pubwire runs with this configuration (PID {pid})")
    else:
        who = f"{host.read(f'/proc/{pid}/comm', 'a program')} (PID {pid})" if pid > 0 else \
            "a program of another user"
        yield Row("file prefix", BAD, f"{config.file_prefix}: {who} runs with it",
                  "another --file-prefix in eal, and ports of its own; or end that program")
    for directory, size in pages.mounts(host):
        for prefix, sizes in sorted(pages.files(host).items()):
            if prefix != config.file_prefix and size in sizes and running.stale(host, directory, prefix):
                yield Row("leftovers", WARN, f"{sizes[size]} pages of {pages.name(size)} are kept by {prefix}, "
                          "which does not run", f"rm {directory}/{prefix}map_*")


def _runs(host, config, path):
    """True where a pubwire with this configuration does."""
    pid = running.holder(host, config.file_prefix)
    return pid is not None and running.configuration(host, pid) == path


def examine(host, args, connect=checks_ports.tcp, listen=checks_ports.listen):
    """Every row."""
    try:
        user = checks.User(args.user)
    except KeyError:
        raise HostError(f"--user: there is no {args.user}") from None
    prog, row = _program(host, args)
    rows = [row]
    config, plan, row = _configuration(host, args, prog)
    rows.append(row)
    rows += checks.processor(host)
    rows += checks.lockdown(host)
    rows += checks.drivers(host)
    found = {n.address: n for n in pci.nics(host)}
    if config:
        rows += checks.hugepages(host, config, plan)
    if not config or not config.no_huge:
        rows += checks.hugetlbfs(host, user)
        rows += checks.mappings(host)
    rows += checks.rights(host, user, plan)
    rows += checks.iommu_and_vfio(host, config, found)
    if config:
        rows += checks.lcores(host, config)
        rows += checks_ports.ports(host, config, found)
        path = program.config_path(host, args.config)
        runs = _runs(host, config, path)
        rows += checks_ports.beside(host, config, runs)
        rows += _prefix(host, config, path)
        rows += checks_ports.page(config, runs, listen)
        if not args.no_brokers:
            rows += checks_ports.brokers(host, config, connect)
    rows += checks.disk(host)
    return rows


def work(host, args):
    rows = examine(host, args)
    if args.json:
        host.say(json.dumps([r.as_dict() for r in rows], indent=1))
    else:
        host.say(table.verdicts(rows))
        bad, look = (sum(r.verdict == v for r in rows) for v in (BAD, WARN))
        host.say("" if not bad + look else f"\n{bad} NOT OK, {look} to look at")
        if not bad:
            host.say("nothing here stops pubwire")
    return cli.FAILED if any(r.verdict == BAD for r in rows) else cli.FINE


def main(argv=None, host=None):
    return cli.run("doctor", parser(), work, argv, host)
