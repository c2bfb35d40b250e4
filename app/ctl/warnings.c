/* SPDX-License-Identifier: BSD-3-Clause */
/* What of a view an operator should look at, in words. */

#include <stdarg.h>
#include <string.h>

#include "view.h"

static void __attribute__((format(printf, 2, 3))) say(json_t *list, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_array_append_new(list, json_string_nocheck(text));
}

static void
of_brokers(json_t *list, const json_t *brokers)
{
	json_t *b;
	size_t i;

	json_array_foreach (brokers, i, b) {
		const char *name = ctl_str(b, "broker"), *error = ctl_str(b, "last_error");
		uint64_t up = ctl_u64(b, "up"), all = ctl_u64(b, "connections");

		if (up < all)
			say(list, "broker %s: %lu of %lu connections are up (%s)%s%s", name,
			    (unsigned long)up, (unsigned long)all, ctl_str(b, "state"),
			    error[0] != '\0' ? ": " : "", error);
		if (ctl_u64(b, "detached_now") > 0)
			say(list, "broker %s is detached: it gets nothing until it is back", name);
		else if (ctl_u64(b, "over_hold") > 0)
			say(list, "broker %s is over its hold: devices may wait for it", name);
	}
}

static void
of_pools(json_t *list, const json_t *pools)
{
	static const char *const name[] = {"packet_buffers", "header_buffers", "indirect_buffers"};

	for (size_t i = 0; i < sizeof(name) / sizeof(name[0]); i++) {
		const json_t *p = json_object_get(pools, name[i]);
		uint64_t count = ctl_u64(p, "count"), used = ctl_u64(p, "in_use");

		if (count > 0 && used > count - count / 10)
			say(list, "%s: %lu of %lu are in use", name[i], (unsigned long)used,
			    (unsigned long)count);
	}
}

static void
of_ports(json_t *list, const json_t *ports)
{
	const char *key;
	json_t *p;

	json_object_foreach ((json_t *)(uintptr_t)ports, key, p)
		if (strcmp(ctl_str(p, "link"), "down") == 0)
			say(list, "port %s (%s): the link is down", ctl_str(p, "name"),
			    ctl_str(p, "device"));
}

json_t *
ctl_view_warnings(const json_t *view, const struct ctl_sample *now)
{
	const json_t *workers = json_object_get(view, "workers");
	const char *state = ctl_str(now->info, "state");
	uint64_t lines = ctl_u64(now->info, "log_lines_dropped");
	json_t *list = json_array(), *w;
	size_t i;

	if (strcmp(state, "running") != 0)
		say(list, "pubwire is %s", state);
	of_brokers(list, json_object_get(view, "brokers"));
	json_array_foreach (workers, i, w)
		if (ctl_real(w, "busy") > 0.9)
			say(list, "worker %zu (lcore %lu) is busy for %.0f %% of its time", i,
			    (unsigned long)ctl_u64(w, "lcore"), ctl_real(w, "busy") * 100);
	of_pools(list, now->pools);
	of_ports(list, now->ports);
	if (json_array_size(json_object_get(view, "drops")) > 0)
		say(list, "something is being dropped: pubwirectl drops says what to do");
	if (lines > 0)
		say(list, "%lu lines of the log were lost since the start", (unsigned long)lines);
	return list;
}
