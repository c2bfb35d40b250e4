# SPDX-License-Identifier: BSD-3-Clause
"""The command line of scripts/uninstall."""

import os

from . import boot, cli, install, nicboot, tune
from .host import HostError

EPILOG = """\
Removes what the manifest of scripts/install lists, and directories that are empty then. /etc/pubwire and
/etc/default/pubwire stay, unless --purge. NICs that are bound and pages that are reserved stay so until the
next boot; hugepages undo, nics unbind and tune --undo, run before, undo them at once."""


def _stop(host, prefix):
    if boot.running(host) and host.exists(install.unit_path(prefix)):
        host.run(["systemctl", "disable", "--now", "pubwire.service"], check=False)


def _boot_units(host, prefix):
    """Units of ours that run scripts which go away now."""
    for unit in (nicboot.UNIT, tune.UNIT):
        text = host.read(f"{boot.UNITS}/{unit}", "")
        ours = any(f"ExecStart={prefix}/{d}/" in text for d in ("sbin", "lib/pubwire"))
        if ours and boot.remove_unit(host, unit):
            host.say(f"{unit} ran a script that goes away: what it did at boot is no longer done")


def _prune(host, directories):
    """Remove our own directories that are empty, from the innermost."""
    for d in sorted(directories, key=len, reverse=True):
        if "/pubwire" in d:
            host.rmdir(d)


def work(host, args):
    prefix, destdir = install.paths(args)
    listed = install.listed(host, destdir, prefix)
    if not listed and not args.purge:
        raise HostError(f"there is no {destdir}{install.manifest_path(prefix)}: nothing is installed there (another "
                        "--prefix?)")
    if not destdir:
        _stop(host, prefix)
        _boot_units(host, prefix)
    directories = set()
    for path in listed + [install.manifest_path(prefix)]:
        host.remove(destdir + path)
        directories.add(os.path.dirname(destdir + path))
    if args.purge:
        for path in host.glob(destdir + "/etc/pubwire/*"):
            if not host.isdir(path):
                host.remove(path)
        directories.add(destdir + "/etc/pubwire")
        host.remove(destdir + install.DEFAULTS)
    elif host.isdir(destdir + "/etc/pubwire"):
        host.say("/etc/pubwire and /etc/default/pubwire stay (--purge removes them)")
    _prune(host, directories | {f"{destdir}{prefix}/lib/pubwire"})
    if not destdir and host.changes:
        boot.reload(host)
    host.finish()


def main(argv=None, host=None):
    p = install.parser("uninstall", "Remove what install put below a prefix.", EPILOG)
    p.add_argument("--purge", action="store_true", help="/etc/pubwire and /etc/default/pubwire too")
    return cli.run("uninstall", p, work, argv, host)
