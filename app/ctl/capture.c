/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames of one peer into a file. pubwire copies them by librte_pdump, which it makes ready when
 * asked; dpdk-dumpcap, a process of DPDK's own, collects and writes them. This program finds out
 * whose frames they are, keeps dumpcap off the CPUs of workers, and holds it to its bounds.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>

#include "capture.h"
#include "view.h"

#define PATIENCE_S 10

static uint32_t packets, kilobytes, snaplen, port;
static double seconds = 10;
static const char *device, *broker, *address, *file, *on;

static const struct ctl_option options[] = {
	{"device", 'd', CTL_TEXT, &device},
	{"broker", 'b', CTL_TEXT, &broker},
	{"address", 'a', CTL_TEXT, &address},
	{"port", 0, CTL_NUMBER, &port},
	{"write", 'w', CTL_TEXT, &file},
	{"on", 0, CTL_TEXT, &on},
	{"seconds", 's', CTL_SECONDS, &seconds},
	{"packets", 'n', CTL_NUMBER, &packets},
	{"size", 0, CTL_NUMBER, &kilobytes},
	{"snaplen", 0, CTL_NUMBER, &snaplen},
	{0},
};

static int
check_options(struct ctl *c)
{
	unsigned char addr[16];

	if ((device != NULL) + (broker != NULL) + (address != NULL) != 1)
		return ctl_fail(c, CTL_USAGE,
				"expected one of --device ID, --broker NAME, --address A");
	if (address != NULL && inet_pton(AF_INET, address, addr) != 1 &&
	    inet_pton(AF_INET6, address, addr) != 1)
		return ctl_fail(c, CTL_USAGE,
				"--address: expected an IPv4 or IPv6 address, not '%s'", address);
	if (port > 65535 || (port != 0 && address == NULL))
		return ctl_fail(c, CTL_USAGE,
				"--port: expected 1 to 65535, together with --address");
	if (file == NULL)
		return ctl_fail(c, CTL_USAGE, "expected --write FILE");
	if (snaplen > 65535)
		return ctl_fail(c, CTL_USAGE, "--snaplen: expected at most 65535");
	if (access(file, F_OK) == 0)
		return ctl_fail(c, CTL_FAILED, "%s is there already", file);
	return CTL_OK;
}

/* Whose frames. */
struct peer {
	char address[64];
	uint32_t port; /* 0: any */
};

static void
take_peer(struct peer *p, const json_t *row)
{
	snprintf(p->address, sizeof(p->address), "%s", ctl_str(row, "address"));
	p->port = (uint32_t)ctl_u64(row, "port");
}

static int
find_device(struct ctl *c, struct peer *peer)
{
	json_t *info = ctl_ask(c, "/pubwire/info"), *rows = NULL, *d;
	int rc = CTL_FAILED;
	size_t i;

	if (info != NULL)
		rows = ctl_find_devices(c, ctl_u64(info, "workers"), device);
	json_decref(info);
	if (rows == NULL)
		return CTL_FAILED;
	ctl_fail(c, CTL_FAILED, "no device '%s' is connected; where it is about to, take --address",
		 device);
	json_array_foreach (rows, i, d)
		if (strncmp(ctl_str(d, "client_id"), device, 39) == 0) {
			take_peer(peer, d);
			rc = CTL_OK;
		}
	json_decref(rows);
	return rc;
}

static int
find_broker(struct ctl *c, struct peer *peer)
{
	json_t *rows = ctl_ask_rows(c, "/pubwire/brokers"), *b;
	int rc = CTL_FAILED;
	size_t i;

	if (rows == NULL)
		return CTL_FAILED;
	ctl_fail(c, CTL_FAILED, "there is no broker '%s'", broker);
	json_array_foreach (rows, i, b)
		if (strcmp(ctl_str(b, "broker"), broker) == 0) {
			take_peer(peer, b);
			rc = CTL_OK;
		}
	json_decref(rows);
	return rc;
}

static int
find_peer(struct ctl *c, struct peer *peer)
{
	if (device != NULL)
		return find_device(c, peer);
	if (broker != NULL)
		return find_broker(c, peer);
	snprintf(peer->address, sizeof(peer->address), "%s", address);
	peer->port = port;
	return CTL_OK;
}

/* The port that it is behind; or the one that was named. */
static const json_t *
find_port(struct ctl *c, const json_t *ports, const struct peer *peer)
{
	const json_t *found = on == NULL ? capture_port_of(ports, peer->address) : NULL;
	char names[512] = "";
	const char *key;
	size_t at = 0;
	json_t *p;

	json_object_foreach ((json_t *)(uintptr_t)ports, key, p) {
		if (on != NULL && strcmp(ctl_str(p, "name"), on) == 0)
			found = p;
		if (at < sizeof(names))
			at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s",
					       at > 0 ? ", " : "", ctl_str(p, "name"));
	}
	if (found == NULL && on != NULL)
		ctl_fail(c, CTL_FAILED, "there is no port '%s'; expected one of %s", on, names);
	else if (found == NULL)
		ctl_fail(
			c, CTL_FAILED,
			"%s is in no port's subnet, and not one port has a gateway to it: name the "
			"port by --on; one of %s",
			peer->address, names);
	return found;
}

/* pubwire's end of it. */
static int
make_ready(struct ctl *c)
{
	const double end = ctl_now() + PATIENCE_S;
	json_t *o = ctl_ask(c, "/pubwire/capture,start");

	while (o != NULL) {
		bool ready = strcmp(ctl_str(o, "state"), "ready") == 0;

		if (ctl_u64(o, "asked") == 0 && strcmp(ctl_str(o, "state"), "off") != 0) {
			if (!ready)
				ctl_fail(c, CTL_FAILED, "nothing can be captured: %s",
					 ctl_str(o, "why"));
			json_decref(o);
			return ready ? CTL_OK : CTL_FAILED;
		}
		json_decref(o);
		if (ctl_now() > end)
			return ctl_fail(c, CTL_FAILED,
					"pubwire does not get ready for a capture: its "
					"main thread is stuck");
		ctl_sleep(0.02);
		o = ctl_ask(c, "/pubwire/capture");
	}
	return CTL_FAILED;
}

/* Where the port has a VLAN, its frames have a tag, or the port took it off. */
static void
make_filter(const struct peer *peer, bool tagged, char *filter, size_t len)
{
	char plain[128];

	if (peer->port != 0)
		snprintf(plain, sizeof(plain), "host %s and port %u", peer->address, peer->port);
	else
		snprintf(plain, sizeof(plain), "host %s", peer->address);
	if (tagged)
		snprintf(filter, len, "(%s) or (vlan and (%s))", plain, plain);
	else
		snprintf(filter, len, "%s", plain);
}

static int
tell(struct ctl *c, const char *filter, const struct capture_result *r)
{
	json_t *doc;

	if (c->json) {
		doc = json_object();
		json_object_set_new(doc, "file", json_string(file));
		json_object_set_new(doc, "filter", json_string(filter));
		json_object_set_new(doc, "packets", json_integer((json_int_t)r->packets));
		json_object_set_new(doc, "bytes", json_integer((json_int_t)r->bytes));
		return ctl_json(c, doc, false);
	}
	printf("%s: %s packets, %s (pcapng)\n", file, ctl_whole(r->packets),
	       ctl_bytes((double)r->bytes));
	if (r->packets == 0)
		printf("nothing came by that matches '%s'\n", filter);
	return CTL_OK;
}

static int
run_on(struct ctl *c, const json_t *row, const char *filter)
{
	const struct capture how = {
		.file = file,
		.filter = filter,
		.pid = c->pid,
		.socket = c->path,
		.prefix = c->prefix,
		.port = ctl_str(row, "device"),
		.seconds = seconds,
		.packets = packets,
		.kilobytes = kilobytes,
		.snaplen = snaplen,
	};
	struct capture_result result = {0};
	int rc;

	if (!c->json)
		printf("port %s: '%s', for at most %g s (Ctrl-C ends it)\n", ctl_str(row, "name"),
		       filter, seconds);
	fflush(stdout);
	rc = capture_run(c, &how, &result);
	return rc == CTL_OK ? tell(c, filter, &result) : rc;
}

static int
run(struct ctl *c, char **args, int nb_args)
{
	struct peer peer = {0};
	const json_t *row = NULL;
	json_t *ports = NULL;
	char filter[320];
	int rc = check_options(c);

	(void)args;
	(void)nb_args;
	if (rc == CTL_OK)
		rc = find_peer(c, &peer);
	if (rc == CTL_OK)
		ports = ctl_ask(c, "/pubwire/ports");
	if (ports != NULL)
		row = find_port(c, ports, &peer);
	if (row != NULL)
		rc = make_ready(c);
	else if (rc == CTL_OK)
		rc = CTL_FAILED;
	if (rc == CTL_OK) {
		make_filter(&peer, ctl_u64(row, "vlan") != 0, filter, sizeof(filter));
		rc = run_on(c, row, filter);
	}
	json_decref(ports);
	return rc;
}

const struct ctl_command ctl_cmd_capture = {
	.name = "capture",
	.arguments = "-d ID | -b NAME | -a ADDRESS  -w FILE",
	.summary = "The frames of one device, broker or address into a file",
	.help = "\n"
		"Writes pcapng, which Wireshark and tcpdump read: what the port that the peer is\n"
		"behind received and sent. What pubwire leaves to the port is not in frames yet:\n"
		"checksums of sent ones may be unset, and one may hold several segments. Workers\n"
		"copy the frames that match, so a busy peer costs them time. Needs dpdk-dumpcap\n"
		"(package dpdk), the user that pubwire runs as, and hugepages: it is impossible\n"
		"with --no-huge and with --in-memory. The first capture takes 4 MB of hugepages\n"
		"until pubwire ends, each one some 10 MB while it lasts.\n"
		"\n"
		"  -d, --device ID    a connected device, by its client identifier\n"
		"  -b, --broker NAME  a broker of the configuration\n"
		"  -a, --address A    a host\n"
		"      --port P       only this port of it\n"
		"      --on PORT      the port's name in the configuration, where not exactly\n"
		"                     one has the peer in its subnet or a gateway to it\n"
		"  -w, --write FILE   which must not be there\n"
		"  -s, --seconds N    for so long at most [10]\n"
		"  -n, --packets N    so many at most\n"
		"      --size KB      a file of so many kilobytes, about\n"
		"      --snaplen N    bytes of each frame [2176]; more take more hugepages\n",
	.options = options,
	.run = run,
};
