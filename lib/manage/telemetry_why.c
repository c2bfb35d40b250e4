/* SPDX-License-Identifier: BSD-3-Clause */
/* Why one device waits: asked of every worker, for any of them may have it. */

#include <errno.h>
#include <stdio.h>

#include <pubwire/worker/worker.h>

#include "telemetry_pvt.h"

int
tel_why(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d)
{
	struct pw_why why, best = {0};
	uint32_t worker = 0;
	char name[16];

	if (*params == '\0')
		return -EINVAL;
	for (uint32_t w = 0; w < pw_fleet_workers(src->fleet); w++) {
		if (pw_forward_why(pw_fleet_forward(src->fleet, w), params, &why, pw_clock_now()) !=
		    0)
			continue;
		/* Not what a former session leaves behind, where there is another one. */
		if (best.n == 0 || why.connected) {
			best = why;
			worker = w;
		}
	}
	tel_text(d, "client_id", params);
	rte_tel_data_add_dict_u64(d, "connected", best.connected);
	if (best.n == 0)
		return rte_tel_data_add_dict_string(d, "why0", "it is not connected");
	rte_tel_data_add_dict_u64(d, "worker", worker);
	for (uint32_t i = 0; i < best.n; i++) {
		snprintf(name, sizeof(name), "why%u", i);
		tel_text(d, name, best.reason[i]);
	}
	return 0;
}
