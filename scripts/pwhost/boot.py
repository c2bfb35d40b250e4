# SPDX-License-Identifier: BSD-3-Clause
"""What holds after a restart: systemd units and parameters of the kernel's command line.

A unit is enabled by the link that `systemctl enable` would make, so that it can be made where no systemd
runs: in an image, in a chroot."""

from .host import HostError

UNITS = "/etc/systemd/system"
GRUB_DIRECTORY = "/etc/default/grub.d"


def running(host):
    """True where systemd is there to be told."""
    return host.isdir("/run/systemd/system")


def reload(host):
    if running(host):
        host.run(["systemctl", "daemon-reload"])


def unit(host, name, text, wanted_by):
    """Write a unit and enable it. True where that is news."""
    news = host.file(f"{UNITS}/{name}", text)
    news = host.symlink(f"{UNITS}/{name}", f"{UNITS}/{wanted_by}.wants/{name}") or news
    if news:
        reload(host)
    return news


def remove_unit(host, name):
    """Take a unit of ours and its links away. True where there was one."""
    news = False
    for link in host.glob(f"{UNITS}/*.wants/{name}"):
        news = host.remove(link) or news
    news = host.remove(f"{UNITS}/{name}") or news
    if news:
        reload(host)
    return news


def _grub(name):
    return f"{GRUB_DIRECTORY}/pubwire-{name}.cfg"


def need_grub(host, parameters):
    if not host.exists("/etc/default/grub"):
        raise HostError("this host has no GRUB that could be told: add to the command line of the "
                        f"kernel, by whatever boots it: {parameters}")


def kernel_parameters(host, name, parameters, why):
    """Add to the kernel's command line from the next boot on."""
    need_grub(host, parameters)
    text = (f"# {why}: written by pubwire's scripts.\n"
            f'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX {parameters}"\n')
    if host.file(_grub(name), text):
        host.run(["update-grub"])
        host.say(f"from the next boot on: {parameters}")
        return True
    return False


def remove_kernel_parameters(host, name):
    if host.remove(_grub(name)):
        host.run(["update-grub"])
        return True
    return False


def planned_parameters(host, name):
    """What kernel_parameters() has arranged for; None where nothing."""
    for line in host.read(_grub(name), "").splitlines():
        if line.startswith("GRUB_CMDLINE_LINUX="):
            return line.split("$GRUB_CMDLINE_LINUX ", 1)[-1].rstrip('"')
    return None
