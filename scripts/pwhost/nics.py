# SPDX-License-Identifier: BSD-3-Clause
"""The command line of scripts/nics."""

import json

from . import binding, cli, iommu, nicboot, pci, table
from .host import HostError
from .state import Before

EPILOG = """\
  nics list                            every NIC, and what can be done with it
  nics bind eth1 eth2                  to vfio-pci, until the next boot
  nics bind --persistent 01:00.0       at every boot too
  nics bind --driver uio_pci_generic 01:00.0    on a host without an IOMMU
  nics unbind 01:00.0                  back to the kernel's driver, at boot too
  nics restore                         what --persistent has kept; the boot runs it

A NIC that carries the default route or your SSH session is refused, whatever is asked. NVIDIA's
(mlx4, mlx5) and Microsoft's (mana) work beside the kernel's driver and are left alone."""


def parser():
    p = cli.Parser(prog="nics", description="NICs for pubwire: list, bind to DPDK, give back.",
                   epilog=EPILOG)
    sub = p.add_subparsers(dest="verb", required=True, metavar="list|bind|unbind|restore")
    s = sub.add_parser("list", help="every NIC; changes nothing")
    s.add_argument("--json", action="store_true", help="for programs")
    b = sub.add_parser("bind", help="give NICs to DPDK")
    b.add_argument("--driver", choices=binding.MODULES, default="vfio-pci", help="[vfio-pci]")
    b.add_argument("--no-iommu", action="store_true",
                   help="vfio-pci without an IOMMU: the NIC may then write anywhere in memory")
    b.add_argument("--persistent", action="store_true", help="at every boot too")
    b.add_argument("--force", action="store_true", help="though it has addresses or routes")
    u = sub.add_parser("unbind", help="give NICs back to the kernel")
    u.add_argument("--driver", dest="driver", metavar="DRIVER",
                   help="of the kernel [the one that had it, or that fits]")
    r = sub.add_parser("restore", help="bind what --persistent has kept")
    for s in (b, u):
        s.add_argument("nic", nargs="+", metavar="NIC", help="PCI address or interface")
    for s in (b, u, r):
        cli.dry_run_option(s)
    return p


def remark(host, nic, kept):
    """What can be done with a NIC, in words."""
    if nic.refused:
        return f"{nic.refused}: refused"
    if nic.bifurcated:
        return "bifurcated: leave as it is"
    boot = ", at boot too" if nic.address in kept else ""
    if nic.bound:
        return "ready for pubwire" + boot if nic.pmd else "bound, but DPDK has no driver for it"
    if not nic.pmd:
        return "DPDK has no driver for it"
    if nic.used:
        return f"in use ({nic.used}): bind needs --force"
    if not iommu.works(host):
        return "can be bound: no IOMMU, see nics bind --help" + boot
    return "can be bound" + boot


def show(host, args):
    kept = nicboot.kept(host)
    there = pci.nics(host)
    if args.json:
        host.say(json.dumps([{
            "address": n.address, "device": n.identity, "driver": n.driver, "interfaces": n.interfaces,
            "numa_node": n.node, "link": n.link, "speed": n.speed, "pmd": n.pmd, "virtual": n.is_vf,
            "refused": n.refused, "used": n.used, "persistent": n.address in kept,
            "remark": remark(host, n, kept)} for n in there], indent=1))
        return
    rows = [(n.address, n.identity, n.driver or "-", ",".join(n.interfaces) or "-",
             "-" if n.node is None else n.node, f"{n.link} {n.speed}".strip() or "-", n.pmd or "-",
             remark(host, n, kept)) for n in there]
    if not rows:
        host.say("no NIC on PCI")
        return
    host.say(table.render(("address", "device", "driver", "interface", "node", "link", "PMD", ""), rows))
    for address, e in nicboot.entries(host).items():
        why = nicboot.check(e, next((n for n in there if n.address == address), None))
        if why:
            host.say(f"{nicboot.LIST}: {address} will not be bound at boot: {why}")


def bind(host, args):
    found = [pci.find(host, name) for name in args.nic]
    todo = []
    for nic in found:
        if nic.bifurcated:
            host.say(f"{nic}: {nic.driver} works beside DPDK; left alone. pubwire opens it as it is: "
                     f"--allow={nic.address} in eal")
            continue
        # All are looked at before the first is touched.
        if nic.driver == args.driver:
            host.say(f"{nic}: bound to {nic.driver}")
        else:
            binding.refuse(host, nic, args.driver, args.no_iommu, args.force,
                           [n.address for n in found])
        todo.append(nic)
    if todo and any(n.driver != args.driver for n in todo):
        binding.load_module(host, args.driver, args.no_iommu)
    for nic in todo:
        if not nic.pmd:
            host.say(f"note: no driver of DPDK that is installed knows {nic} ({nic.identity}): pubwire will "
                     "not see it (apt install librte-meta-net brings all of Debian's)")
        _bind_one(host, nic, args)
    host.finish()


def _bind_one(host, nic, args):
    before = Before(host, "nics")
    if nic.driver != args.driver:
        if nic.driver and not nic.bound:
            before.note(nic.address, nic.driver)
        binding.bind(host, nic, args.driver, args.force)
        if not host.dry_run:
            host.say(f"{nic.address}: {nic.driver or 'no driver'} -> {args.driver}"
                     + (f"; the interface {', '.join(nic.interfaces)} is gone" if nic.interfaces else ""))
    if args.persistent:
        if args.no_iommu:
            nicboot.keep_unsafe_mode(host)
        nicboot.keep(host, nic, args.driver, before.values.get(nic.address),
                     nicboot.executable("nics"))


def unbind(host, args):
    found = [pci.find(host, name) for name in args.nic]
    for nic in found:
        running = binding.holders(host, nic) if nic.bound else []
        if running:
            raise HostError(f"{nic}: {', '.join(running)} has it open: end that first")
    for nic in found:
        old = nicboot.entries(host).get(nic.address)
        if nicboot.forget(host, nic):
            nic = pci.find(host, nic.address)  # driverctl may have given it back by this
        if nic.bifurcated or (nic.driver and not nic.bound):
            host.say(f"{nic}: the kernel has it ({nic.driver})")
            continue
        before = Before(host, "nics")
        driver = args.driver or before.values.get(nic.address) or \
            (old.before if old and old.before != "-" else None)
        now = binding.give_back(host, nic, driver)
        before.forget(nic.address)
        if now is None and not host.dry_run:
            raise HostError(f"{nic.address}: no driver of the kernel took it; name one by --driver "
                            "(lspci -k names it)")
        if not host.dry_run:
            host.say(f"{nic.address}: {nic.driver or 'no driver'} -> {now}")
    host.finish()


def restore(host, args):
    wrong = []
    there = nicboot.present(host)
    for address, e in nicboot.entries(host).items():
        nic = there.get(address)
        why = nicboot.check(e, nic)
        if not why and nic.driver != e.driver:
            no_iommu = e.driver == "vfio-pci" and not iommu.works(host) and host.exists(nicboot.MODPROBE)
            try:
                binding.refuse(host, nic, e.driver, no_iommu, True)
                binding.load_module(host, e.driver, no_iommu)
                binding.bind(host, nic, e.driver, True)
                host.say(f"{address}: {nic.driver or 'no driver'} -> {e.driver}")
            except HostError as error:
                why = str(error)
        if why:
            wrong.append(f"{address}: {why}")
    host.finish()
    if wrong:
        raise HostError("; ".join(wrong))


def work(host, args):
    return {"list": show, "bind": bind, "unbind": unbind, "restore": restore}[args.verb](host, args)


def main(argv=None, host=None):
    return cli.run("nics", parser(), work, argv, host)
