/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices lie apart by worker, in pages: one is asked after the other until there are enough. */

#include "view.h"

static uint32_t limit = 50;
static const char *find = "";

static const struct ctl_option options[] = {
	{"limit", 'n', CTL_NUMBER, &limit},
	{"find", 'f', CTL_TEXT, &find},
	{0},
};

/* What has been gathered so far. */
struct found {
	json_t *rows;
	const char *text; /* "": any */
	uint32_t limit;
	uint64_t connected; /* in all */
	bool more;	    /* than the limit, or at least there may be */
};

static void
add_page(struct found *f, const json_t *page, uint64_t worker)
{
	json_t *rows = json_array(), *row;
	size_t i;

	ctl_add_rows(rows, page);
	json_array_foreach (rows, i, row) {
		if (json_array_size(f->rows) >= f->limit) {
			f->more = true;
			break;
		}
		json_object_set_new(row, "worker", json_integer((json_int_t)worker));
		json_array_append(f->rows, row);
	}
	json_decref(rows);
}

static int
ask_worker(struct ctl *c, struct found *f, uint64_t worker)
{
	int64_t start = 0, next;

	for (;; start = next) {
		json_t *page = ctl_ask(c, "/pubwire/devices,%lu,%lld%s%s", (unsigned long)worker,
				       (long long)start, f->text[0] != '\0' ? "," : "", f->text);

		if (page == NULL)
			return CTL_FAILED;
		if (start == 0)
			f->connected += ctl_u64(page, "total");
		add_page(f, page, worker);
		next = ctl_next(page);
		json_decref(page);
		if (next < 0)
			return CTL_OK;
		if (next <= start)
			return ctl_fail(c, CTL_FAILED, "%s: the pages of devices do not go on",
					c->path);
		if (json_array_size(f->rows) >= f->limit) {
			f->more = true;
			return CTL_OK;
		}
	}
}

json_t *
ctl_find_devices(struct ctl *c, uint64_t workers, const char *text)
{
	struct found f = {.rows = json_array(), .text = text, .limit = UINT32_MAX};

	for (uint64_t w = 0; w < workers; w++) {
		if (ask_worker(c, &f, w) == CTL_OK)
			continue;
		json_decref(f.rows);
		return NULL;
	}
	return f.rows;
}

static const char *
version_str(uint64_t version)
{
	return version == 5 ? "5.0" : version == 4 ? "3.1.1" : version == 3 ? "3.1" : "?";
}

static void
put(struct ctl *c, const struct found *f)
{
	static const char *const head[] = {
		"client identifier", "address",	   ">port",	"MQTT",	      "user",
		">worker",	     ">in flight", ">messages", ">keepalive", NULL};
	size_t shown = json_array_size(f->rows), i;
	struct ctl_table t;
	json_t *d;

	ctl_table_begin(&t, head);
	json_array_foreach (f->rows, i, d) {
		ctl_table_row(&t);
		ctl_cell(&t, CTL_PLAIN, "%s", ctl_str(d, "client_id"));
		ctl_cell(&t, CTL_PLAIN, "%s", ctl_str(d, "address"));
		ctl_cell(&t, CTL_PLAIN, "%lu", (unsigned long)ctl_u64(d, "port"));
		ctl_cell(&t, CTL_PLAIN, "%s", version_str(ctl_u64(d, "version")));
		ctl_cell(&t, CTL_PLAIN, "%s", ctl_str(d, "user"));
		ctl_cell(&t, CTL_PLAIN, "%lu", (unsigned long)ctl_u64(d, "worker"));
		ctl_cell(&t, CTL_PLAIN, "%s", ctl_whole(ctl_u64(d, "inflight")));
		ctl_cell(&t, CTL_PLAIN, "%s", ctl_whole(ctl_u64(d, "messages")));
		ctl_cell(&t, CTL_PLAIN, "%lu s", (unsigned long)ctl_u64(d, "keepalive"));
	}
	ctl_table_end(c, &t, stdout, -1);
	printf("%zu shown, %s connected%s\n", shown, ctl_whole(f->connected),
	       f->more ? "; more with --limit" : "");
}

static int
run(struct ctl *c, char **args, int nb_args)
{
	struct found f = {.rows = json_array(), .text = find, .limit = limit};
	json_t *info = ctl_ask(c, "/pubwire/info"), *doc;
	int rc = info != NULL ? CTL_OK : CTL_FAILED;

	(void)args;
	(void)nb_args;
	for (uint64_t w = 0; rc == CTL_OK && w < ctl_u64(info, "workers"); w++)
		rc = ask_worker(c, &f, w);
	json_decref(info);
	if (rc == CTL_OK && c->json) {
		doc = json_object();
		json_object_set(doc, "devices", f.rows);
		json_object_set_new(doc, "connected", json_integer((json_int_t)f.connected));
		json_object_set_new(doc, "more", json_boolean(f.more));
		rc = ctl_json(c, doc, false);
	} else if (rc == CTL_OK) {
		put(c, &f);
	}
	json_decref(f.rows);
	return rc;
}

const struct ctl_command ctl_cmd_devices = {
	.name = "devices",
	.arguments = "[-f TEXT] [-n N]",
	.summary = "Connected devices, or those whose identifier contains a text",
	.help = "\n"
		"pubwire keeps the first 39 bytes of client identifiers. In flight are messages\n"
		"of QoS 1 and 2 that are not acknowledged yet.\n"
		"\n"
		"  -f, --find TEXT  only those whose client identifier contains it\n"
		"  -n, --limit N    at most so many [50]\n",
	.options = options,
	.run = run,
};
