# SPDX-License-Identifier: BSD-3-Clause
"""The NIC models that QEMU has and a driver of DPDK knows."""


class Model:
    def __init__(self, name, device, identity, kernel, pmd, properties="", queues=1, own_port=False,
                 mtu=9000):
        self.name, self.device, self.identity = name, device, identity
        self.kernel, self.pmd = kernel, pmd
        self.properties = properties
        self.queues = queues  # of the TAP; the model's own are what its driver says
        self.mtu = mtu  # largest
        self.own_port = own_port  # sits behind a PCI Express root port

    def options(self, iommu):
        """For -device. Only a virtio device may choose whether it asks the IOMMU."""
        if self.name == "virtio" and iommu:
            return self.properties + ",iommu_platform=on,disable-legacy=on"
        return self.properties


MODELS = {m.name: m for m in (
    Model("virtio", "virtio-net-pci", "1af4:1041", "virtio-pci", "net_virtio",
          properties=",mq=on,vectors=6", queues=2),
    Model("e1000e", "e1000e", "8086:10d3", "e1000e", "net_e1000_em"),
    Model("e1000", "e1000-82540em", "8086:100e", "e1000", "net_e1000_em"),
    # QEMU's puts a frame into one buffer where the driver says nothing of several, as DPDK's does.
    Model("vmxnet3", "vmxnet3", "15ad:07b0", "vmxnet3", "net_vmxnet3", mtu=1500),
    # Of QEMU 8 and later. Its virtual functions have no room beside other devices.
    Model("igb", "igb", "8086:10c9", "igb", "net_e1000_igb", own_port=True),
)}


def known_to(qemu_devices):
    """Names of those that this QEMU has, by what -device help prints."""
    return [m.name for m in MODELS.values()
            if f'"{m.device}"' in qemu_devices]
