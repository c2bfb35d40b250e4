/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_FORWARD_EDITION_PVT_H
#define PW_FORWARD_EDITION_PVT_H

#include "forward_pvt.h"

/* NULL with *rc. */
struct pw_edition *pw_edition_create(const struct pw_edition_conf *conf, int *rc);

/* What a worker looks at, of this edition from here on. */
void pw_edition_set(struct pw_forward *f, const struct pw_edition *e);

/* Look at some of the sessions under the edition that was adopted. */
void pw_edition_sweep(struct pw_forward *f, uint64_t now);

/* Whether sessions have accounts: decided at the start. */
bool pw_accounts_needed(const struct pw_forward_shared *s);

#endif
