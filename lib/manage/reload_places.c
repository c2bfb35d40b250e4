/* SPDX-License-Identifier: BSD-3-Clause */
/* Which place a broker has among those of the workers: sets of brokers are masks of places. */
#include <errno.h>
#include <string.h>

#include "reload_pvt.h"

/* A broker's place by its name; PW_FORWARD_MAX_BROKERS: it has none. */
static uint32_t
find(const struct pw_forward_settings *s, const char *name)
{
	uint32_t b = 0;

	while (b < s->nb_brokers && strcmp(s->broker[b].name, name) != 0)
		b++;
	return b < s->nb_brokers ? b : PW_FORWARD_MAX_BROKERS;
}

/* place[] of each broker of the file. */
static int
assign(uint8_t *place, const struct pw_forward_settings *fresh,
       const struct pw_forward_settings *in_force, uint32_t used)
{
	uint32_t taken = used, b;

	for (uint32_t i = 0; i < fresh->nb_brokers; i++) {
		b = find(in_force, fresh->broker[i].name);
		place[i] = (uint8_t)b;
		taken |= b < PW_FORWARD_MAX_BROKERS ? 1u << b : 0;
	}
	for (uint32_t i = 0; i < fresh->nb_brokers; i++) {
		if (place[i] < PW_FORWARD_MAX_BROKERS)
			continue;
		if (taken == UINT32_MAX)
			return -E2BIG;
		b = (uint32_t)__builtin_ctz(~taken);
		place[i] = (uint8_t)b;
		taken |= 1u << b;
	}
	return 0;
}

static void
renumber(struct pw_route_conf *r, const uint8_t *place)
{
	struct pw_route_conf before = *r;
	uint32_t n = (uint32_t)__builtin_popcount(before.brokers);

	r->brokers = 0;
	for (uint32_t i = 0; i < n; i++) {
		r->order[i] = place[before.order[i]];
		r->brokers |= 1u << r->order[i];
	}
}

int
reload_places(struct pw_forward_settings *out, const struct pw_forward_settings *fresh,
	      const struct pw_forward_settings *in_force, uint32_t used)
{
	uint8_t place[PW_FORWARD_MAX_BROKERS];
	int rc = assign(place, fresh, in_force, used);

	if (rc < 0)
		return rc;
	*out = *fresh;
	memset(out->broker, 0, sizeof(out->broker));
	out->nb_brokers = 0;
	for (uint32_t b = 0; b < in_force->nb_brokers; b++) {
		if (used & 1u << b)
			out->broker[b] = in_force->broker[b];
	}
	for (uint32_t i = 0; i < fresh->nb_brokers; i++)
		out->broker[place[i]] = fresh->broker[i];
	for (uint32_t b = 0; b < PW_FORWARD_MAX_BROKERS; b++) {
		if (out->broker[b].name[0] != '\0')
			out->nb_brokers = b + 1;
	}
	for (uint32_t i = 0; i < out->nb_routes; i++)
		renumber(&out->route[i], place);
	return 0;
}
