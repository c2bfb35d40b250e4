#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""pubwire on real poll-mode drivers, in a guest of QEMU's.

The guest has two NICs of each model. It is set up as docs/install.md says, by the scripts as they are
installed; messages go through each model in turn, from devices in one namespace of this host to a broker in
another. Boots twice: with an IOMMU (vfio-pci, two workers that wait for interrupts, packets with wrong checksums,
cables pulled), and without (uio_pci_generic, one worker, frames of 9000 bytes where the model has them, killed and
started again).

A line a check, "ok", "FAIL" or "skip"; the last line counts them. Exit status 1 when one failed. What
happened is kept in build/vm/log where one did, or with --keep."""

import argparse
import fcntl
import os
import platform
import shutil
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import image  # noqa: E402
import matrix  # noqa: E402
import models  # noqa: E402
import net  # noqa: E402
import traffic  # noqa: E402
import turn  # noqa: E402
from guest import Guest, GuestError  # noqa: E402

LOGS = os.path.join(image.CACHE, "log")
# driver: workers, what they do when idle, MTU
BOOTS = {"vfio-pci": (2, "interrupt", 1500), "uio_pci_generic": (1, "adaptive", 9000)}
SLOW = 120  # seconds after which no second guest is begun: scripts/test has to end


class Count:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, 0, 0

    def case(self, name, wrong, took=None):
        """One check; wrong is a list of what was."""
        self.failed += bool(wrong)
        self.passed += not wrong
        print(f"{'FAIL' if wrong else 'ok':4} vm: {name}" + (f" ({took:.1f} s)" if took else ""), flush=True)
        for text in wrong:
            print("     " + text.rstrip().replace("\n", "\n     "), flush=True)

    def skip(self, name, why):
        self.skipped += 1
        print(f"skip vm: {name}: {why}", flush=True)


def lacking(qemu):
    """Why there can be no guest here, or None."""
    if os.geteuid():
        return "namespaces and TAPs need root"
    if platform.machine() != "x86_64":
        return "the guest is one of x86-64"
    for program in (qemu, "mosquitto", "mosquitto_pub", "mosquitto_sub", "dpkg-deb", "apt-get", "lspci"):
        if shutil.which(program) is None:
            return f"{program} is not installed: scripts/deps test lab"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "there is no /dev/net/tun"
    return None


def first_message(t):
    """docs/install.md from step 4 on, each step timed: from power-on to a device's message at the broker."""
    guest, told = t.guest, [f"up {t.guest.since_power_on():.1f}"]

    def step(name, work):
        def timed():
            began = time.monotonic()
            work()
            told.append(f"{name} {time.monotonic() - began:.1f}")
        return timed

    def doctor():
        status, text = guest.run("pubwire-doctor")
        t.check(status == 0, "pubwire-doctor finds something NOT OK:\n" + text)

    good = t.run([step("nics", t.bind), step("configuration", t.configure),
                  step("hugepages", lambda: guest.sh("pubwire-hugepages reserve")), step("doctor", doctor),
                  step("start", t.start), step("message", t.first_message)])
    if good:
        print(f"     from power-on to the first message: {guest.since_power_on():.1f} s ({', '.join(told)})",
              flush=True)
    return good


def serve(t, prepared, count):
    """A turn of a model whose NICs are bound; its result. Without an IOMMU nobody stops the NIC of a program
    that was killed."""
    began = time.monotonic()
    more = [t.wrong_checksums, t.pull_the_cable] if t.driver == "vfio-pci" else [t.crash]
    steps = [t.look, t.forward, *more, t.stop]
    if not t.wrong:
        t.run(([] if prepared else [t.configure, t.start]) + steps)
    result = t.end()
    count.case(f"{t.model.name} by {t.driver}", t.wrong, time.monotonic() - began)
    port = result.get("port")
    if port:
        print(f"     {port['rx_queues']}+{port['tx_queues']} queues; offloads: {port['offloads'] or 'none'}; "
              f"self-test: {matrix.selftest(port['selftest'])}; frames received by worker: "
              f"{result.get('frames', '-')}; idle: {result['idle']}", flush=True)
    return result


def boot(files, qemu, chosen, driver, broker, count):
    """One guest with all the chosen models; results of each."""
    logs = os.path.join(LOGS, driver)
    os.makedirs(logs)
    iommu = driver == "vfio-pci"
    guest, results = Guest(qemu, *files, chosen, iommu, logs), []
    try:
        guest.wait_until_up()
        rest = [n for n in guest.nics.values() if n.model is not chosen[0]]
        for model in chosen:
            t = turn.Turn(guest, broker, model, driver, *BOOTS[driver])
            if model is chosen[0]:
                first_message(t)
            elif rest:
                turn.bind(guest, driver, rest)
                rest = []
            results.append(serve(t, model is chosen[0], count))
        wrong = turn.give_back(guest, list(guest.nics.values()))
        count.case(f"NICs given back by {driver}", wrong)
    except (GuestError, RuntimeError) as e:
        count.case(f"guest for {driver}", [str(e)])
    finally:
        guest.off()
    return results


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--nic", action="append", choices=models.MODELS, metavar="MODEL",
                   help=f"only this model (repeatable): {', '.join(models.MODELS)}")
    p.add_argument("--driver", action="append", choices=BOOTS, help="only by this driver of the kernel")
    p.add_argument("--program", metavar="FILE", help="the built pubwire [build/release/app/pubwire]",
                   default=os.path.join(image.REPO, "build", "release", "app", "pubwire"))
    p.add_argument("--qemu", default="qemu-system-x86_64", metavar="PROGRAM", help="[qemu-system-x86_64]")
    p.add_argument("--matrix", metavar="FILE", help="write what was found as the table of docs/nics.md")
    p.add_argument("--limit", type=int, default=480, metavar="SECONDS", help="give up after so long [480]")
    p.add_argument("--keep", action="store_true", help="keep the logs where all is well, too")
    return p.parse_args()


def choose(a, count):
    """Models that this QEMU has, of those asked for."""
    listed = image.output([a.qemu, "-device", "help"])
    have = models.known_to(listed)
    for name in a.nic or models.MODELS:
        if name not in have:
            count.skip(name, f"this QEMU has no {models.MODELS[name].device}")
    return [models.MODELS[n] for n in a.nic or models.MODELS if n in have]


def main():
    a, count = arguments(), Count()
    for s in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(s, give_up)
    signal.alarm(a.limit)
    why = lacking(a.qemu)
    if why is None and not os.access(a.program, os.X_OK):
        print(f"vm: no program {a.program}: run scripts/build release --no-tests", file=sys.stderr)
        return 1
    if why:
        count.skip("guest", why)
    else:
        test(a, count)
    print(f"{count.passed} passed, {count.failed} failed, {count.skipped} skipped")
    return 1 if count.failed else 0


def test(a, count):
    os.makedirs(image.CACHE, exist_ok=True)
    with open("/run/pubwire-vm.lock", "w", encoding="ascii") as lock:
        # The namespaces are there once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(LOGS, ignore_errors=True)
        os.makedirs(LOGS)
        try:
            files = image.build(a.program)
        except image.Missing as e:
            count.skip("guest", str(e))
            return
        chosen, results, broker, began = choose(a, count), [], None, time.monotonic()
        if not chosen:
            return
        net.down()
        net.up()
        try:
            broker = traffic.Broker(LOGS)
            for driver in a.driver or BOOTS:
                if results and not a.driver and time.monotonic() - began > SLOW:
                    count.skip(driver, f"the machine is slow, and {SLOW} s are over: --driver {driver} runs it")
                    continue
                results += boot(files, a.qemu, chosen, driver, broker, count)
        finally:
            if broker:
                broker.stop()
            net.down()
        if a.matrix:
            with open(a.matrix, "w", encoding="utf-8") as f:
                f.write(matrix.render(results, image.output([a.qemu, "--version"]).splitlines()[0],
                                      image.output(["pkg-config", "--modversion", "libdpdk"]).strip()))
        if not count.failed and not a.keep:
            shutil.rmtree(LOGS)


def give_up(number, _frame):
    """Ends by way of every finally, so that neither QEMU nor a namespace is left."""
    raise SystemExit(f"vm: {'not done within --limit' if number == signal.SIGALRM else 'told to end'}; see {LOGS}")


if __name__ == "__main__":
    sys.exit(main())
