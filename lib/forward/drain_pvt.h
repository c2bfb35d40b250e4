/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_FORWARD_DRAIN_PVT_H
#define PW_FORWARD_DRAIN_PVT_H

#include "forward_pvt.h"

/* Do what the drain allows by now. */
void pw_drain_step(struct pw_forward *f, uint64_t now);

/* forward.c */
void pw_forward_unlisten(struct pw_forward *f);

#endif
