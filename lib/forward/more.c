/* SPDX-License-Identifier: BSD-3-Clause */
#include "session_pvt.h"

struct pw_session_more *
pw_session_more(struct pw_forward *f, struct pw_session *s)
{
	if (s->more == NULL) {
		s->more = pw_pool_get(f->more);
		f->extras += s->more != NULL;
	}
	return s->more;
}

void
pw_session_less(struct pw_forward *f, struct pw_session *s)
{
	if (s->more == NULL || s->more->will.len > 0 || s->more->alias != NULL ||
	    s->more->exchanges != NULL || s->more->offered)
		return;
	pw_pool_put(f->more, s->more);
	f->extras--;
	s->more = NULL;
}
