/* SPDX-License-Identifier: BSD-3-Clause */
/* Asking for a reload, and how the last one went. */
#include <errno.h>
#include <string.h>

#include <pubwire/manage/reload.h>

#include "telemetry_pvt.h"

#define PIECE 120 /* bytes of a text in a list: DPDK's bound is 128 */

int
tel_reload(const struct pw_telemetry_sources *src, const char *params, struct rte_tel_data *d)
{
	(void)params;
	if (src->reload == NULL)
		return -ENOTSUP;
	return rte_tel_data_add_dict_u64(d, "generation", pw_reload_ask(src->reload));
}

static struct rte_tel_data *
list(struct rte_tel_data *d, const char *name)
{
	struct rte_tel_data *l = rte_tel_data_alloc();

	if (l == NULL)
		return NULL;
	rte_tel_data_start_array(l, RTE_TEL_STRING_VAL);
	if (rte_tel_data_add_dict_container(d, name, l, 0) == 0)
		return l;
	rte_tel_data_free(l);
	return NULL;
}

/* A line, in pieces where it is long. */
static int
add_line(struct rte_tel_data *l, const char *line)
{
	char piece[PIECE + 1];
	int rc = 0;

	do {
		size_t n = strlen(line) < PIECE ? strlen(line) : PIECE;

		for (size_t i = 0; i < n; i++)
			piece[i] = line[i] == '"' || line[i] == '\\' ? '\'' : line[i];
		piece[n] = '\0';
		rc = rte_tel_data_add_array_string(l, piece);
		line += n;
	} while (rc == 0 && *line != '\0');
	return rc;
}

int
tel_reload_result(const struct pw_telemetry_sources *src, const char *params,
		  struct rte_tel_data *d)
{
	const struct pw_reload_result *o;
	struct rte_tel_data *text, *changed;
	int rc = 0;

	(void)params;
	if (src->reload == NULL)
		return -ENOTSUP;
	o = &src->reload->result;
	rte_tel_data_add_dict_string(d, "state", pw_reload_state_str(o->state));
	rte_tel_data_add_dict_u64(d, "generation", o->generation);
	rte_tel_data_add_dict_u64(d, "nb_changed", o->nb_changed);
	text = list(d, "text");
	changed = list(d, "changed");
	if (text == NULL || changed == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; rc == 0 && i < o->nb_text && i < PW_RELOAD_LINES; i++)
		rc = add_line(text, o->text[i]);
	for (uint32_t i = 0; rc == 0 && i < o->nb_changed && i < PW_RELOAD_LINES; i++)
		rc = add_line(changed, o->changed[i]);
	return rc;
}
