# SPDX-License-Identifier: BSD-3-Clause
"""Preparing a host for pubwire: hugepages, NICs, CPUs, what is in the way, installation.

Modules of facts (pages, pci, routes, cpus, iommu, pmd, program) read; modules named like an executable
in scripts/ are its command line. Everything goes through host.Host, which reads below a root, changes
only what differs, changes nothing in a dry run, and says what it did."""
