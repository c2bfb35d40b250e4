/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_FORWARD_EDITIONS_H
#define TEST_FORWARD_EDITIONS_H

/** @file What tests of one edition after another have in common. */

#include <stdio.h>

#include <rte_common.h>

#include "world.h"

static struct pw_forward_settings pair[2];
static uint32_t turn;
#define next pair[turn]

static inline int
setup(void **state)
{
	int rc = world_setup(state);

	w.set.limits.message_rate = 1000; /* so that sessions have accounts */
	return rc;
}

/* What is in force, to be changed. */
static inline struct pw_edition_conf
fresh(void)
{
	turn = 1 - turn;
	next = w.set;
	return (struct pw_edition_conf){.settings = &next, .access = w.access, .number = 1};
}

/* Shapes: one worker of both roles, and roles on two workers. */
static const struct {
	uint32_t workers;
	uint8_t role[2];
} shapes[] = {{1, {3, 0}}, {2, {PW_ROLE_DEVICES, PW_ROLE_BROKERS}}};

static inline void
start(uint32_t shape)
{
	world_start(shapes[shape].workers, shapes[shape].role[0], shapes[shape].role[1]);
	device_connect(0, 0, 5, "dev");
	device_clear(0);
}

/* For the next shape. */
static inline void
again(void **state)
{
	(void)world_teardown(state);
	(void)setup(state);
}

static inline uint32_t
nb_logs(void)
{
	return pw_forward_logs(w.forward[0], 0, NULL, 0);
}

/* As the main lcore does it: what has retired goes. True where something had. */
static inline bool
clean(struct pw_edition_conf *conf)
{
	if (!pw_forward_retired(w.shared))
		return false;
	assert_int_equal(world_renew(conf), 0);
	return true;
}

static inline uint32_t
acked(void)
{
	return device_acks(0, 5, NULL, NULL, 64);
}

/* Texts that a broker has in order, each once. */
static inline void
has(uint32_t b, const char *texts)
{
	char got[256] = "";

	for (uint32_t i = 0; i < w.broker[b].nb; i++) {
		if (!(w.broker[b].record[i].first & 8))
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s ",
				 w.broker[b].record[i].text);
	}
	assert_string_equal(got, texts);
}

#endif
