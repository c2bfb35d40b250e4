# SPDX-License-Identifier: BSD-3-Clause
"""The command line of scripts/install."""

import hashlib
import os

from . import boot, cli, manpage, names, program
from .host import HostError

CONFIG = "/etc/pubwire/pubwire.yaml"
DEFAULTS = "/etc/default/pubwire"
# Written where there is none: (source, mode). The configuration may come to hold passwords of brokers.
KEPT = {CONFIG: ("docs/pubwire.yaml", 0o640), DEFAULTS: ("app/pubwire.default", 0o644)}
# Programs of the build; the first has to be there.
PROGRAMS = ("pubwire", "pubwirectl")
BUILD = "build/release"
COMPLETIONS = "share/bash-completion/completions"
EPILOG = """\
  install                              build/release, below /usr/local
  install --prefix /usr --destdir D    below D, for a package or an image

What goes where: sbin/pubwire and sbin/pubwirectl, the programs; sbin/pubwire-doctor, -hugepages, -nics,
-sizing, -tune, with what they need in lib/pubwire; the unit pubwire.service; share/doc/pubwire; man pages;
completion for bash. /etc/pubwire/pubwire.yaml and /etc/default/pubwire are written where there are none, and never after.
Nothing is started or enabled. lib/pubwire/manifest lists it all; scripts/uninstall, or lib/pubwire/uninstall,
removes it. scripts/package makes a Debian package of the same files."""


def parser(prog="install", verb="Install pubwire below a prefix.", epilog=EPILOG):
    p = cli.Parser(prog=prog, description=verb, epilog=epilog)
    p.add_argument("--prefix", default="/usr/local", metavar="DIR", help="[/usr/local]")
    p.add_argument("--destdir", default="", metavar="DIR", help="put before every path [nothing]")
    cli.dry_run_option(p)
    return p


def paths(args):
    prefix = "/" + args.prefix.strip("/")
    if not args.prefix.startswith("/"):
        raise HostError("--prefix begins with /")
    destdir = os.path.abspath(args.destdir) if args.destdir else ""
    return prefix, "" if destdir == "/" else destdir


def manifest_path(prefix):
    return f"{prefix}/lib/pubwire/manifest"


def unit_path(prefix):
    """Where systemd looks for units of this prefix."""
    return {"/usr": "/lib/systemd/system", "/usr/local": "/usr/local/lib/systemd/system"}.get(
        prefix, "/etc/systemd/system") + "/pubwire.service"


def _read(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError as e:
        raise HostError(f"{path}: {e.strerror}") from e


def _built(args):
    if args.program:
        return args.program
    built = f"{program.TREE}/{BUILD}/app/pubwire"
    if not os.access(built, os.X_OK):
        raise HostError("there is no build/release/app/pubwire: run scripts/build release --no-tests first, or "
                        "name a program by --program")
    return built


def _tree(directory, suffix):
    """Files below a directory of the source tree."""
    found = []
    for base, _, files in os.walk(os.path.join(program.TREE, directory)):
        found += [os.path.join(base, f) for f in sorted(files) if f.endswith(suffix)]
    return sorted(found)


def files(args, prefix):
    """{path: (bytes, mode)} of all that install puts below the prefix."""
    lib, doc = f"{prefix}/lib/pubwire", f"{prefix}/share/doc/pubwire"
    built = _built(args)
    found = {f"{prefix}/sbin/pubwire": (_read(built), 0o755)}
    for other in PROGRAMS[1:]:
        beside = os.path.join(os.path.dirname(built), other)
        if os.access(beside, os.X_OK):
            found[f"{prefix}/sbin/{other}"] = (_read(beside), 0o755)
    for tool in names.TOOLS + (() if args.packaged else ("uninstall",)):
        found[f"{lib}/{tool}"] = (_read(f"{names.SCRIPTS}/{tool}"), 0o755)
    for path in _tree("scripts/pwhost", ".py"):
        found[f"{lib}/pwhost/{os.path.basename(path)}"] = (_read(path), 0o644)
    documents = [p for suffix in (".md", ".yaml", ".yml", ".json") for p in _tree("docs", suffix)]
    for path in documents + ([] if args.packaged else [f"{program.TREE}/LICENSE"]):
        found[f"{doc}/{os.path.basename(path)}"] = (_read(path), 0o644)
    for section in "158":
        for path in _tree("docs/man", f".{section}"):
            found[f"{prefix}/share/man/man{section}/{os.path.basename(path)}"] = (_read(path), 0o644)
    configuration = _read(f"{program.TREE}/docs/configuration.md").decode()
    found[f"{prefix}/share/man/man5/pubwire.yaml.5"] = (manpage.page(configuration).encode(), 0o644)
    for path in _tree("scripts/completion", ".bash"):
        name = os.path.basename(path)[:-len(".bash")]
        found[f"{prefix}/{COMPLETIONS}/{name}"] = (_read(path), 0o644)
    unit = _read(f"{program.TREE}/app/pubwire.service.in").decode().replace("@prefix@", prefix)
    found[unit_path(prefix)] = (unit.encode(), 0o644)
    return found


def links(prefix):
    return {f"{prefix}/sbin/pubwire-{tool}": f"../lib/pubwire/{tool}" for tool in names.TOOLS}


def listed(host, destdir, prefix):
    """Paths that an earlier install put there."""
    text = host.read(destdir + manifest_path(prefix), "")
    return [line.split(None, 1)[1] for line in text.splitlines() if line.strip()]


def work(host, args):
    prefix, destdir = paths(args)
    put, link = files(args, prefix), links(prefix)
    for path, (data, mode) in sorted(put.items()):
        host.file(destdir + path, data, mode)
    for path, target in sorted(link.items()):
        host.symlink(target, destdir + path)
    # What an earlier version had and this one has not.
    for path in listed(host, destdir, prefix):
        if path not in put and path not in link:
            host.remove(destdir + path)
    for path, (source, mode) in KEPT.items():
        if host.exists(destdir + path):
            host.say(f"{path} is there and stays as it is")
        else:
            host.file(destdir + path, _read(f"{program.TREE}/{source}"), mode)
    if not args.packaged:
        _manifest(host, destdir, prefix, put, link)
    if not destdir and host.changes:
        boot.reload(host)
    host.finish()
    if host.changes and not host.dry_run and not destdir:
        host.say(f"next: write {CONFIG}; {prefix}/sbin/pubwire-doctor says what is missing; then systemctl "
                 "enable --now pubwire")


def _manifest(host, destdir, prefix, put, link):
    lines = [f"{hashlib.sha256(data).hexdigest()} {path}" for path, (data, _) in sorted(put.items())]
    lines += [f"{'link':64} {path}" for path in sorted(link)]
    host.file(destdir + manifest_path(prefix), "\n".join(lines) + "\n")


def main(argv=None, host=None):
    p = parser()
    p.add_argument("--program", metavar="FILE", help="the built pubwire, others beside it [build/release]")
    p.add_argument("--packaged", action="store_true", help="for a package, which lists and removes files itself: no "
                   "manifest, no uninstall")
    return cli.run("install", p, work, argv, host)
