/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include <rte_malloc.h>

#include "outbox_pvt.h"
#include "session_pvt.h"

/* Messages that are lost in no case, and places in all. */
static uint32_t
places(uint32_t max_sessions, uint32_t device_workers, uint32_t *sure)
{
	*sure = max_sessions + PW_DIR_OFFERS * device_workers;
	return rte_align32pow2(max_sessions + 1024 + *sure);
}

size_t
pw_forward_outbox_bytes(const struct pw_limits_conf *l, uint32_t device_workers)
{
	uint32_t sure;

	if (device_workers <= 1)
		return 0;
	return places(pw_forward_max_sessions(l), device_workers, &sure) *
	       sizeof(struct pw_outgoing);
}

int
pw_outbox_create(struct pw_forward *f)
{
	uint32_t sure, size = places(f->max_sessions, f->shared->nb_device_workers, &sure);

	if (f->shared->nb_device_workers == 1)
		return 0;
	f->outbox = rte_zmalloc_socket("pw_outbox", (size_t)size * sizeof(*f->outbox),
				       RTE_CACHE_LINE_SIZE, f->conf.socket);
	if (f->outbox == NULL)
		return -ENOMEM;
	f->out_mask = size - 1;
	f->out_room = size - sure;
	return 0;
}

void
pw_outbox_destroy(struct pw_forward *f)
{
	rte_free(f->outbox);
}

bool
pw_outbox_room(const struct pw_forward *f, uint32_t n)
{
	return f->outbox == NULL || f->out_tail - f->out_head + n <= f->out_room;
}

bool
pw_dir_busy(const struct pw_forward *f)
{
	return f->outbox != NULL && f->out_tail - f->out_head > f->out_room / 2;
}

uint32_t
pw_dir_flush(struct pw_forward *f)
{
	uint32_t n = 0;

	while (f->out_head != f->out_tail) {
		struct pw_outgoing *o = &f->outbox[f->out_head & f->out_mask];

		if (f->conf.post(f->conf.ctx, o->worker, &o->msg) < 0)
			break;
		f->out_head++;
		n++;
	}
	return n;
}

bool
pw_outbox_post(struct pw_forward *f, uint32_t worker, const struct pw_forward_msg *msg, bool sure)
{
	struct pw_outgoing *o;

	if (!sure && !pw_outbox_room(f, 1))
		return false;
	assert(f->out_tail - f->out_head <= f->out_mask);
	o = &f->outbox[f->out_tail++ & f->out_mask];
	o->worker = worker;
	o->msg = *msg;
	(void)pw_dir_flush(f);
	return true;
}
