/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers, tables and documents for people and programs. */

#include <stdarg.h>
#include <string.h>

#include "ctl.h"

const char *
ctl_esc(const struct ctl *c, enum ctl_colour colour)
{
	static const char *const seq[] = {
		[CTL_PLAIN] = "\033[0m", [CTL_BOLD] = "\033[1m", [CTL_GOOD] = "\033[32m",
		[CTL_WARN] = "\033[33m", [CTL_BAD] = "\033[31m", [CTL_DIM] = "\033[2m",
	};

	return c->colour ? seq[colour] : "";
}

static char *
turn(void)
{
	static char buf[16][48];
	static uint32_t next;

	return buf[next++ % 16];
}

#define TURN_BYTES 48

/* Three digits that count, and a prefix of the SI. */
static const char *
scaled(double n, const char *space, const char *unit)
{
	static const char *const prefix[] = {"", "k", "M", "G", "T", "P"};
	char *to = turn();
	uint32_t i = 0;

	for (; n >= 999.5 && i < 5; i++)
		n /= 1000;
	snprintf(to, TURN_BYTES, "%.*f%s%s%s",
		 (i == 0 && n == (double)(uint64_t)n) || n >= 99.95 ? 0
		 : n >= 9.995					    ? 1
								    : 2,
		 n, *unit != '\0' || i > 0 ? space : "", prefix[i], unit);
	return to;
}

const char *
ctl_count(double n)
{
	return scaled(n, "", "");
}

const char *
ctl_bytes(double n)
{
	return scaled(n, " ", "B");
}

const char *
ctl_ns(double ns)
{
	static const char *const unit[] = {"ns", "us", "ms"};
	char *to = turn();
	uint32_t i = 0;

	for (; ns >= 999.5 && i < 2; i++)
		ns /= 1000;
	if (ns >= 999.5)
		snprintf(to, TURN_BYTES, "%.2f s", ns / 1000);
	else
		snprintf(to, TURN_BYTES, "%.*f %s", i == 0 || ns >= 99.95 ? 0 : 1, ns, unit[i]);
	return to;
}

const char *
ctl_span(uint64_t s)
{
	char *to = turn();

	if (s < 60)
		snprintf(to, TURN_BYTES, "%u s", (unsigned int)s);
	else if (s < 3600)
		snprintf(to, TURN_BYTES, "%u min %u s", (unsigned int)s / 60, (unsigned int)s % 60);
	else if (s < 86400)
		snprintf(to, TURN_BYTES, "%u h %u min", (unsigned int)s / 3600,
			 (unsigned int)s / 60 % 60);
	else
		snprintf(to, TURN_BYTES, "%lu d %u h", (unsigned long)(s / 86400),
			 (unsigned int)(s / 3600 % 24));
	return to;
}

const char *
ctl_whole(uint64_t n)
{
	char digits[24], *to = turn();
	size_t len = (size_t)snprintf(digits, sizeof(digits), "%lu", (unsigned long)n), at = 0;

	for (size_t i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			to[at++] = ',';
		to[at++] = digits[i];
	}
	to[at] = '\0';
	return to;
}

void
ctl_table_begin(struct ctl_table *t, const char *const *head)
{
	t->head = head;
	t->rows = json_array();
}

void
ctl_table_row(struct ctl_table *t)
{
	json_array_append_new(t->rows, json_array());
}

/* A cell is its text behind a byte that is its colour. */
void
ctl_cell(struct ctl_table *t, enum ctl_colour colour, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	text[0] = (char)('0' + colour);
	va_start(ap, fmt);
	vsnprintf(text + 1, sizeof(text) - 1, fmt, ap);
	va_end(ap);
	json_array_append_new(json_array_get(t->rows, json_array_size(t->rows) - 1),
			      json_string_nocheck(text));
}

#define COLUMNS 16

static void
put_cell(const struct ctl *c, FILE *out, const char *cell, const char *head, int width, bool last)
{
	enum ctl_colour colour = cell[0] >= '0' && cell[0] <= '5' ? cell[0] - '0' : CTL_PLAIN;
	int pad = width - (int)strlen(cell + 1);
	bool right = head[0] == '>';

	if (right && pad > 0)
		fprintf(out, "%*s", pad, "");
	if (colour != CTL_PLAIN)
		fputs(ctl_esc(c, colour), out);
	fputs(cell + 1, out);
	if (colour != CTL_PLAIN)
		fputs(ctl_esc(c, CTL_PLAIN), out);
	if (!right && pad > 0 && !last)
		fprintf(out, "%*s", pad, "");
	fputs(last ? "\n" : "  ", out);
}

void
ctl_table_end(struct ctl *c, struct ctl_table *t, FILE *out, int max)
{
	size_t rows = json_array_size(t->rows), shown = rows, cols = 0;
	int width[COLUMNS] = {0};
	char head[64];

	if (max >= 0 && rows > (size_t)max)
		shown = max > 1 ? (size_t)max - 1 : 0;
	for (; cols < COLUMNS && t->head[cols] != NULL; cols++)
		width[cols] = (int)strlen(t->head[cols]) - (t->head[cols][0] == '>');
	for (size_t r = 0; r < shown; r++)
		for (size_t i = 0; i < cols; i++) {
			int len = (int)json_string_length(
				json_array_get(json_array_get(t->rows, r), i));

			if (len - 1 > width[i])
				width[i] = len - 1;
		}
	for (size_t i = 0; i < cols; i++) {
		snprintf(head, sizeof(head), "%d%s", CTL_DIM, t->head[i] + (t->head[i][0] == '>'));
		put_cell(c, out, head, t->head[i], width[i], i + 1 == cols);
	}
	for (size_t r = 0; r < shown; r++)
		for (size_t i = 0; i < cols; i++) {
			const char *cell =
				json_string_value(json_array_get(json_array_get(t->rows, r), i));

			put_cell(c, out, cell != NULL ? cell : "0", t->head[i], width[i],
				 i + 1 == cols);
		}
	if (shown < rows)
		fprintf(out, "... and %zu more\n", rows - shown);
	json_decref(t->rows);
	t->rows = NULL;
}

int
ctl_json(struct ctl *c, json_t *o, bool one_line)
{
	int rc = json_dumpf(o, stdout,
			    (one_line ? JSON_COMPACT : JSON_INDENT(2)) | JSON_REAL_PRECISION(9));

	json_decref(o);
	putchar('\n');
	if (rc != 0 || fflush(stdout) != 0)
		return ctl_fail(c, CTL_FAILED, "the output could not be written");
	return CTL_OK;
}
