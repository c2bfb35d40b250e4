# SPDX-License-Identifier: BSD-3-Clause
"""What was found of the NIC models, as the table of docs/nics.md."""

HEAD = ("NIC (QEMU's name)", "PCI", "driver of DPDK", "bound to", "workers", "idle", "MTU", "queues",
        "offloads in use", "self-test", "messages", "link down, up", "result")
WORD = {"works": "works", "absent": None, "not tried": "taken, not tried", "broken, switched off": "broken"}


def selftest(verdicts):
    """What of it says something, by verdict."""
    by = {}
    for name, verdict in verdicts.items():
        word = WORD.get(verdict, verdict)
        if word:
            by.setdefault(word, []).append(name.replace("_", "-"))
    return "; ".join(f"{', '.join(names)}: {word}" for word, names in by.items()) or "nothing to test"


def row(result):
    model, port = result["model"], result.get("port", {})
    return (model.device, model.identity, port.get("driver", model.pmd), result["driver"], str(result["workers"]),
            result.get("idle", "-"), str(port.get("mtu", "-")),
            f"{port['rx_queues']}+{port['tx_queues']}" if port else "-", port.get("offloads") or "-",
            selftest(port.get("selftest", {})), str(result.get("messages", "-")),
            "yes" if result.get("link") else "not tried", "ok" if result["ok"] else "FAILED")


def render(results, qemu, dpdk):
    lines = [f"{qemu}, DPDK {dpdk}.", "",
             "| " + " | ".join(HEAD) + " |", "|" + " --- |" * len(HEAD)]
    lines += ["| " + " | ".join(row(r)) + " |" for r in results]
    return "\n".join(lines) + "\n"
