/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_FORWARD_ACCESS_PVT_H
#define PW_FORWARD_ACCESS_PVT_H

#include <pubwire/forward/access.h>

#include "hash_pvt.h"

/* Who publishes. The hash stands for the client identifier, which is not kept whole. */
struct pw_access_who {
	uint32_t user; /* PW_ACCESS_NOBODY: anonymous */
	uint64_t key;  /* of the hash */
	struct pw_hash128 client;
};

/* True where no rule that applies denies the topic, and one allows it. */
bool pw_access_may_publish(const struct pw_access *a, const struct pw_access_who *who,
			   const uint8_t *topic, uint32_t len);

#endif
