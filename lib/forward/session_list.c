/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lines that sessions stand in. Links are indices, half the size of pointers: a session has two
 * of them, used or not.
 */
#include "session_pvt.h"

static struct pw_session *
at(const struct pw_forward *f, uint32_t link)
{
	return link != 0 ? pw_pool_at(f->sessions, link - 1) : NULL;
}

static struct pw_session_link *
link_of(struct pw_session *s, enum pw_list which)
{
	return which == PW_LIST_UNACKED ? &s->ack_link : &s->link;
}

struct pw_session *
pw_list_first(const struct pw_forward *f, enum pw_list which)
{
	return at(f, f->list[which].first);
}

struct pw_session *
pw_list_last(const struct pw_forward *f, enum pw_list which)
{
	return at(f, f->list[which].last);
}

void
pw_list_push(struct pw_forward *f, enum pw_list which, struct pw_session *s)
{
	struct pw_session_list *l = &f->list[which];
	uint32_t self = pw_pool_index(f->sessions, s) + 1;

	*link_of(s, which) = (struct pw_session_link){.prev = l->last};
	if (l->last != 0)
		link_of(at(f, l->last), which)->next = self;
	else
		l->first = self;
	l->last = self;
}

void
pw_list_push_front(struct pw_forward *f, enum pw_list which, struct pw_session *s)
{
	struct pw_session_list *l = &f->list[which];
	uint32_t self = pw_pool_index(f->sessions, s) + 1;

	*link_of(s, which) = (struct pw_session_link){.next = l->first};
	if (l->first != 0)
		link_of(at(f, l->first), which)->prev = self;
	else
		l->last = self;
	l->first = self;
}

void
pw_list_remove(struct pw_forward *f, enum pw_list which, struct pw_session *s)
{
	struct pw_session_list *l = &f->list[which];
	struct pw_session_link *k = link_of(s, which);

	if (k->prev != 0)
		link_of(at(f, k->prev), which)->next = k->next;
	else
		l->first = k->next;
	if (k->next != 0)
		link_of(at(f, k->next), which)->prev = k->prev;
	else
		l->last = k->prev;
}
