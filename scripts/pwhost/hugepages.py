# SPDX-License-Identifier: BSD-3-Clause
"""The command line of scripts/hugepages.

The kernel's own files are used, not dpdk-hugepages.py: that one sets a node to a number where we ask
for so many free ones beside what others use, gives every node the same, and has no memory of what was
there before. `dpdk-hugepages.py --show` shows the result as well."""

import re

from . import boot, cli, need, pages, program, table
from .host import HostError
from .state import Before

UNIT = "pubwire-hugepages.service"
GRUB = "hugepages"
DEFAULT_MOUNT = "/dev/hugepages"
EPILOG = """\
  hugepages show                       what is there, by node, and who has it
  hugepages need                       pages for /etc/pubwire/pubwire.yaml, by node
  hugepages reserve --config FILE      as many as it needs; now, until the next boot
  hugepages reserve --config FILE --boot        now and at every boot
  hugepages reserve --pages 512 --node 0        at least 512 pages of 2 MB on node 0
  hugepages reserve --memory 4G --size 1G --boot    four of 1 GB, by the kernel's command line
  hugepages mount --size 1G            a hugetlbfs for that size
  hugepages undo                       what there was before

Pages of 2 MB are reserved at boot by a systemd unit: by node, in whatever number, before anything
else has cut the memory to pieces, and without a restart; sysctl's vm.nr_hugepages knows neither nodes
nor sizes. Of 1 GB there may be none in one piece by then, so these are asked for on the kernel's
command line (GRUB), and come with the next boot."""


def parser():
    p = cli.Parser(prog="hugepages", description="Hugepages for pubwire: show, reserve, mount, undo.",
                   epilog=EPILOG)
    sub = p.add_subparsers(dest="verb", required=True, metavar="show|need|reserve|mount|undo")
    sub.add_parser("show", help="reserved, free and mounted pages; changes nothing")
    n = sub.add_parser("need", help="pages that a configuration needs; status 1 if they are not free")
    r = sub.add_parser("reserve", help="reserve pages, and mount a hugetlbfs if there is none")
    m = sub.add_parser("mount", help="mount a hugetlbfs")
    u = sub.add_parser("undo", help="give back what reserve and mount took, at boot too")
    for s in (n, r):
        program.options(s)
    what = r.add_mutually_exclusive_group()
    what.add_argument("--pages", type=int, metavar="N", help="so many in all, on the node")
    what.add_argument("--memory", metavar="SIZE", help="so much in all, such as 512M")
    r.add_argument("--node", type=int, metavar="NODE", help="NUMA node [0]; without --config only")
    for s in (r, m):
        s.add_argument("--boot", action="store_true", help="at every boot too")
    r.add_argument("--compact", action="store_true",
                   help="have the kernel move other memory together first (takes a moment)")
    for s in (n, r, m):
        s.add_argument("--size", choices=pages.SIZES, default="2M", help="of a page [2M]")
    for s in (r, m, u):
        cli.dry_run_option(s)
    return p


def show(host, _args):
    rows = [(p.node, pages.name(p.size), p.total, p.free, p.surplus, table.size(p.total * p.size))
            for p in pages.pools(host)]
    if not rows:
        raise HostError("this kernel has no hugepages (CONFIG_HUGETLBFS)")
    host.say(table.render(("node", "size", "reserved", "free", "surplus", "memory"), rows))
    mounts = [f"{pages.name(size)} pages at {d}" for d, size in pages.mounts(host)]
    host.say("mounted: " + (", ".join(mounts) or "none"))
    for prefix, sizes in sorted(pages.files(host).items()):
        what = ", ".join(f"{n} of {pages.name(s)}" for s, n in sizes.items())
        host.say(f"file prefix {prefix}: {what}")
    units = [f"{UNIT}: {s.group(2)} of {s.group(1)}" for s in _unit_lines(host)]
    planned = boot.planned_parameters(host, GRUB)
    host.say("at boot: " + (", ".join(units + ([planned] if planned else [])) or "nothing of ours"))


def _config_pages(host, args):
    """(configuration, {node: pages})."""
    prog = program.find(host, args.pubwire)
    path = program.config_path(host, args.config)
    config = program.load(host, prog, path)
    plan = program.plan(host, prog, path)
    return config, plan, need.pages_by_node(host, config, plan, pages.SIZES[args.size])


def show_need(host, args):
    config, plan, wanted = _config_pages(host, args)
    size = pages.SIZES[args.size]
    have = need.available(host, config.file_prefix, size)
    rows = [(n, args.size, c, have.get(n, 0), "yes" if have.get(n, 0) >= c else "no")
            for n, c in wanted.items()]
    host.say(f"memory plan: {table.size(plan.total)}"
             + ("; it runs without hugepages (--no-huge)" if config.no_huge else ""))
    host.say(table.render(("node", "size", "needed", "available", "enough"), rows))
    if all(r[-1] == "yes" for r in rows) or config.no_huge:
        return cli.FINE
    host.say("scripts/hugepages reserve with the same arguments reserves them")
    return cli.FAILED


def _targets(host, args):
    """{node: pages in all} that the command line asks for."""
    size = pages.SIZES[args.size]
    if args.pages is None and args.memory is None:
        if args.node is not None:
            raise HostError("--node goes with --pages or --memory; --config chooses the nodes itself")
        config, plan, wanted = _config_pages(host, args)
        have = need.available(host, config.file_prefix, size)
        host.say(f"memory plan: {table.size(plan.total)}")
        # Beside what others hold.
        return {n: c + pages.pool(host, n, size).total - have.get(n, 0) for n, c in wanted.items()}
    n = args.pages if args.pages is not None else -(-pages.parse_bytes(args.memory) // size)
    if n < 0:
        raise HostError("--pages: 0 or more")
    return {args.node or 0: n}


def _leave_some(host, pool, wanted):
    """The kernel would give all it has, and the host would be left without memory."""
    left, more = pages.left_for_pages(host, pool.node), (wanted - pool.total) * pool.size
    if left is not None and more > left:
        raise HostError(f"{wanted} {pool} are {table.size(more)} more than there are, and the host can spare "
                        f"{table.size(left)} of that node (a sixteenth of the memory stays with it)")


def _reserve_now(host, pool, wanted, compact):
    """Raise a pool to a number. Pages that are lacking then."""
    before = pool.total
    if before >= wanted:
        host.say(f"{pool}: {before} reserved, {wanted} wanted: enough")
        return 0
    if compact:
        host.poke("/proc/sys/vm/compact_memory", "1")
    Before(host, "hugepages").note(pool.file, before)
    got = int(host.put(pool.file, wanted, f"was {before}"))
    if got < wanted:
        host.say(f"{pool}: asked for {wanted}, got {got}")
    return wanted - got


def reserve(host, args):
    size = pages.SIZES[args.size]
    by_kernel = args.boot and size >= pages.SIZES["1G"]
    targets = _targets(host, args)
    if by_kernel:
        boot.need_grub(host, _parameters(size, targets))
    for node, wanted in targets.items():
        _leave_some(host, pages.pool(host, node, size), wanted)
    missing = {}
    for node, wanted in targets.items():
        pool = pages.pool(host, node, size)
        lacking = _reserve_now(host, pool, wanted, args.compact)
        if lacking:
            missing[node] = lacking
    _mount(host, size, args.boot)
    if by_kernel:
        boot.kernel_parameters(host, GRUB, _parameters(size, targets), "Hugepages for pubwire")
    elif args.boot:
        _unit(host, size, targets)
    host.finish()
    if not missing:
        return cli.FINE
    where = ", ".join(f"{n} of {targets[node]} on node {node}" for node, n in missing.items())
    raise HostError(
        f"{where} are missing: the kernel finds no more memory in pieces of {args.size}. What it "
        "gave stays reserved (undo gives it back). " +
        ("The next boot has them." if args.boot else "Try --compact; after --boot and a restart they "
         "are taken before anything else runs." + (" Or take pages of 2M." if size > 2 << 20 else "")))


def _unit_text(lines):
    steps = "".join(
        f"ExecStart=/bin/sh -c 'f={f}; [ $$(cat $$f) -ge {n} ] || echo {n} > $$f; "
        f"n=$$(cat $$f); [ $$n -ge {n} ] || {{ echo \"asked for {n}, got $$n: $$f\"; exit 1; }}'\n"
        for f, n in lines)
    return ("# Written by pubwire's scripts/hugepages; its `undo` removes it.\n"
            "[Unit]\nDescription=Hugepages for pubwire\nDefaultDependencies=no\n"
            "Before=sysinit.target\n\n"
            f"[Service]\nType=oneshot\nRemainAfterExit=yes\n{steps}\n"
            "[Install]\nWantedBy=sysinit.target\n")


def _unit_lines(host):
    text = host.read(f"{boot.UNITS}/{UNIT}", "")
    return list(re.finditer(r"f=(\S+); \[ \$\$\(cat \$\$f\) -ge (\d+) \]", text))


def _parameters(size, targets):
    per_node = ",".join(f"{n}:{c}" for n, c in sorted(targets.items()))
    return f"hugepagesz={pages.name(size)} hugepages={per_node}"


def _unit(host, size, targets):
    lines = {m[1]: int(m[2]) for m in _unit_lines(host)}
    lines.update({pages.pool(host, n, size).file: c for n, c in targets.items()})
    boot.unit(host, UNIT, _unit_text(sorted(lines.items())), "sysinit.target")


def _mount_unit(size, directory):
    return ("# Written by pubwire's scripts/hugepages; its `undo` removes it.\n"
            f"[Unit]\nDescription=Hugepages of {pages.name(size)}\nDefaultDependencies=no\n"
            "Before=sysinit.target\n\n"
            f"[Mount]\nWhat=hugetlbfs\nWhere={directory}\nType=hugetlbfs\n"
            f"Options=pagesize={pages.name(size)}\n\n"
            "[Install]\nWantedBy=sysinit.target\n")


def _mount(host, size, at_boot):
    """A hugetlbfs of this size, if there is none."""
    # systemd mounts the default size by itself (dev-hugepages.mount).
    default = size == pages.default_size(host)
    directory = DEFAULT_MOUNT if default else f"{DEFAULT_MOUNT}-{pages.name(size)}"
    if size not in [s for _, s in pages.mounts(host)]:
        host.mkdir(directory)
        Before(host, "hugepages").note("mount " + directory, "")
        host.run(["mount", "-t", "hugetlbfs", "-o", f"pagesize={pages.name(size)}", "nodev", directory])
    if at_boot and not default:
        boot.unit(host, _mount_unit_name(size), _mount_unit(size, directory), "sysinit.target")


def _mount_unit_name(size):
    # systemd's name for /dev/hugepages-1G: a dash within a name is written \x2d.
    return f"dev-hugepages\\x2d{pages.name(size)}.mount"


def mount(host, args):
    _mount(host, pages.SIZES[args.size], args.boot)
    host.finish()


def undo(host, _args):
    before = Before(host, "hugepages")
    for size in pages.SIZES.values():
        boot.remove_unit(host, _mount_unit_name(size))
    boot.remove_unit(host, UNIT)
    boot.remove_kernel_parameters(host, GRUB)
    kept = []
    for key, value in sorted(before.values.items(), reverse=True):
        if key.startswith("mount "):
            if key[6:] in [d for d, _ in pages.mounts(host)]:
                host.run(["umount", key[6:]])
        elif not _give_back(host, key, int(value)):
            kept.append(key)
            continue
        if not host.dry_run:
            before.forget(key)
    host.finish()
    if kept:
        raise HostError("pages in use cannot be given back: end the programs that have them (scripts/"
                        "hugepages show names their file prefixes), then undo again")


def _give_back(host, file, before):
    """False where pages that are in use stay."""
    for p in pages.pools(host):
        if p.file == file:
            target = max(before, p.used)
            if p.total > target:
                host.put(file, target, f"was {p.total}")
            return target == before
    return True


def work(host, args):
    return {"show": show, "need": show_need, "reserve": reserve, "mount": mount,
            "undo": undo}[args.verb](host, args)


def main(argv=None, host=None):
    return cli.run("hugepages", parser(), work, argv, host)
