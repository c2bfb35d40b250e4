# SPDX-License-Identifier: BSD-3-Clause
"""IOMMU and VFIO: what this host allows a program to do with a device."""

GROUPS = "/sys/kernel/iommu_groups"
UNSAFE = "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
LOCKDOWN = "/sys/kernel/security/lockdown"


def works(host):
    """True where devices are in groups: there is an IOMMU, and the kernel uses it."""
    return bool(host.list(GROUPS))


def how(host):
    """How to get one, in words."""
    flag = "amd_iommu=on" if "AuthenticAMD" in host.read("/proc/cpuinfo", "") else "intel_iommu=on"
    return f"switch VT-d or AMD-Vi on in the firmware, and boot with {flag} iommu=pt"


def unsafe_mode(host):
    """True: on. False: off. None: VFIO is not loaded, or knows no such mode (Debian's kernels)."""
    text = host.read(UNSAFE)
    return None if text is None else text in ("Y", "1")


def locked_down(host):
    """True where Secure Boot forbids programs to drive devices without an IOMMU."""
    return any(f"[{level}]" in host.read(LOCKDOWN, "") for level in ("integrity", "confidentiality"))


def others_in_group(host, nic):
    """Devices of the same group that a driver of the kernel has, so that the group cannot be given away.

    [(address, driver)]; bridges (pcieport) do no harm."""
    found = []
    for address in host.list(f"{GROUPS}/{nic.group}/devices") if nic.group else []:
        driver = host.link(f"/sys/bus/pci/devices/{address}/driver")
        if address != nic.address and driver and driver not in ("vfio-pci", "pcieport", "pci-stub"):
            found.append((address, driver))
    return found
