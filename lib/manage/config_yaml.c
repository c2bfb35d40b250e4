/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Positions and structure of the file: libyaml says where a node stands, libcyaml whether it fits
 * the schema. libcyaml 1.3 names the node it refuses only in a backtrace that it logs, innermost
 * first, and its columns are those of the event before; so the backtrace is turned into a path, and
 * the path is looked up in libyaml's document.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config_pvt.h"

/* The file being loaded; main lcore only. */
static uint8_t text[1 << 20];

/* Read the file once, so that both libraries see the same bytes. 0 or -errno with l->err. */
static int
read_file(struct config_loader *l)
{
	FILE *f = fopen(l->file, "rb");
	int rc = 0;

	if (f != NULL) {
		errno = 0;
		l->len = fread(text, 1, sizeof(text), f);
		if (ferror(f))
			rc = errno != 0 ? -errno : -EIO;
		fclose(f);
	} else {
		rc = -errno;
	}
	if (rc != 0) {
		snprintf(l->err, l->err_len,
			 "%s: %s; expected a configuration file (--config FILE)", l->file,
			 strerror(-rc));
	} else if (l->len == sizeof(text)) {
		snprintf(l->err, l->err_len,
			 "%s: the file is too long; expected less than %zu bytes", l->file,
			 sizeof(text));
		rc = -EINVAL;
	}
	return rc;
}

/* What libyaml could not parse. */
static int
refuse_syntax(struct config_loader *l, const yaml_parser_t *p)
{
	snprintf(l->err, l->err_len, "%s:%zu:%zu: %s%s%s; expected YAML", l->file,
		 p->problem_mark.line + 1, p->problem_mark.column + 1,
		 p->problem != NULL ? p->problem : "not readable", p->context != NULL ? " " : "",
		 p->context != NULL ? p->context : "");
	return -EINVAL;
}

/* A key that is a list or a mapping is YAML, but nothing that a schema could name. */
static int
check_keys(struct config_loader *l)
{
	for (yaml_node_t *n = l->doc.nodes.start; n < l->doc.nodes.top; n++) {
		if (n->type != YAML_MAPPING_NODE)
			continue;
		for (yaml_node_pair_t *p = n->data.mapping.pairs.start;
		     p < n->data.mapping.pairs.top; p++) {
			yaml_node_t *k = yaml_document_get_node(&l->doc, p->key);

			if (k->type == YAML_SCALAR_NODE)
				continue;
			snprintf(l->err, l->err_len,
				 "%s:%zu:%zu: a list or mapping as key; expected a plain key",
				 l->file, k->start_mark.line + 1, k->start_mark.column + 1);
			return -EINVAL;
		}
	}
	return 0;
}

int
config_yaml_open(struct config_loader *l)
{
	yaml_parser_t parser;
	yaml_document_t second;
	yaml_node_t *root;
	int rc = read_file(l);

	if (rc != 0)
		return rc;
	if (!yaml_parser_initialize(&parser)) {
		snprintf(l->err, l->err_len, "%s: out of memory", l->file);
		return -ENOMEM;
	}
	yaml_parser_set_input_string(&parser, text, l->len);
	l->has_doc = yaml_parser_load(&parser, &l->doc);
	if (!l->has_doc) {
		rc = refuse_syntax(l, &parser);
	} else if (yaml_document_get_root_node(&l->doc) == NULL) {
		snprintf(l->err, l->err_len,
			 "%s:1:1: the file is empty; expected workers, ports, listeners, brokers "
			 "and routes",
			 l->file);
		rc = -EINVAL;
	} else if (!yaml_parser_load(&parser, &second)) {
		rc = refuse_syntax(l, &parser);
	} else {
		root = yaml_document_get_root_node(&second);
		if (root != NULL) {
			snprintf(l->err, l->err_len,
				 "%s:%zu:%zu: a second YAML document; expected one", l->file,
				 root->start_mark.line + 1, root->start_mark.column + 1);
			rc = -EINVAL;
		}
		yaml_document_delete(&second);
		if (rc == 0)
			rc = check_keys(l);
	}
	yaml_parser_delete(&parser);
	return rc;
}

void
config_yaml_close(struct config_loader *l)
{
	if (l->has_doc)
		yaml_document_delete(&l->doc);
	l->has_doc = false;
}

/* Value of a key, the last one where it stands twice; *key_node receives the key itself. */
static yaml_node_t *
mapping_find(yaml_document_t *doc, const yaml_node_t *map, const char *key, size_t len,
	     yaml_node_t **key_node)
{
	yaml_node_t *found = NULL;

	for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
	     p++) {
		yaml_node_t *k = yaml_document_get_node(doc, p->key);

		if (k->type != YAML_SCALAR_NODE || k->data.scalar.length != len ||
		    memcmp(k->data.scalar.value, key, len) != 0)
			continue;
		*key_node = k;
		found = yaml_document_get_node(doc, p->value);
	}
	return found;
}

/* One step of a path: ".key" or "[3]"; *path moves on. NULL where there is no such node. */
static yaml_node_t *
step(yaml_document_t *doc, yaml_node_t *at, const char **path, yaml_node_t **key_node)
{
	const char *p = *path;
	yaml_node_t *found;

	if (*p == '[') {
		unsigned int i = 0;
		int n = 0;

		if (sscanf(p, "[%u]%n", &i, &n) != 1 || n == 0)
			return NULL;
		*path = p + n;
		if (at->type != YAML_SEQUENCE_NODE ||
		    i >= (size_t)(at->data.sequence.items.top - at->data.sequence.items.start))
			return NULL;
		at = yaml_document_get_node(doc, at->data.sequence.items.start[i]);
		*key_node = at;
		return at;
	}
	if (*p == '.')
		p++;
	*path = p + strlen(p);
	if (at->type != YAML_MAPPING_NODE)
		return NULL;
	/* An unknown key may have a dot in it: all that is left is tried first. */
	found = mapping_find(doc, at, p, strlen(p), key_node);
	if (found != NULL)
		return found;
	*path = p + strcspn(p, ".[");
	return mapping_find(doc, at, p, *path - p, key_node);
}

void
config_yaml_locate(const struct config_loader *l, const char *path, bool key, size_t *line,
		   size_t *column)
{
	/* libyaml's accessors take the document without const and only read it. */
	yaml_document_t *doc = (yaml_document_t *)(uintptr_t)&l->doc;
	yaml_node_t *at = yaml_document_get_root_node(doc);
	yaml_node_t *mark = at;

	while (*path != '\0') {
		yaml_node_t *key_node = NULL;
		yaml_node_t *next = step(doc, at, &path, &key_node);

		if (next == NULL)
			break;
		at = next;
		mark = key && *path == '\0' ? key_node : next;
	}
	*line = mark->start_mark.line + 1;
	*column = mark->start_mark.column + 1;
}

bool
config_yaml_present(const struct config_loader *l, const char *path)
{
	yaml_document_t *doc = (yaml_document_t *)(uintptr_t)&l->doc;
	yaml_node_t *at = yaml_document_get_root_node(doc), *key_node;

	while (at != NULL && *path != '\0')
		at = step(doc, at, &path, &key_node);
	return at != NULL;
}

/*
 * Lines of libcyaml's log. The first is the reason; then "in mapping field 'K' (line: L, column:
 * C)", "in sequence entry 'N' ..." (counted from 1) and "in mapping ...", from the inside out.
 */
static void
capture(cyaml_log_t level, void *ctx, const char *fmt, va_list args)
{
	struct config_loader *l = ctx;
	char line[512], step_text[128], rest[CONFIG_PATH_LEN];
	unsigned int index;
	char *name, *end;

	if (level < CYAML_LOG_ERROR)
		return;
	vsnprintf(line, sizeof(line), fmt, args);
	line[strcspn(line, "\n")] = '\0';
	if (strstr(line, "Backtrace:") != NULL)
		return;
	if (l->cyaml_error[0] == '\0' && strstr(line, "in mapping") == NULL &&
	    strstr(line, "in sequence") == NULL) {
		snprintf(l->cyaml_error, sizeof(l->cyaml_error), "%s",
			 strncmp(line, "Load: ", 6) == 0 ? line + 6 : line);
		return;
	}
	if ((name = strstr(line, "in mapping field '")) != NULL) {
		name += strlen("in mapping field '");
		end = strstr(name, "' (line");
		if (end == NULL)
			return;
		*end = '\0';
		snprintf(step_text, sizeof(step_text), ".%s", name);
	} else if ((name = strstr(line, "in sequence entry '")) != NULL &&
		   sscanf(name, "in sequence entry '%u'", &index) == 1) {
		snprintf(step_text, sizeof(step_text), "[%u]", index > 0 ? index - 1 : 0);
	} else {
		return;
	}
	snprintf(rest, sizeof(rest), "%s", l->cyaml_path);
	snprintf(l->cyaml_path, sizeof(l->cyaml_path), "%s%.*s", step_text,
		 (int)(sizeof(rest) - sizeof(step_text)), rest);
}

static const cyaml_config_t cyaml_base = {
	.log_fn = capture,
	.mem_fn = cyaml_mem,
	.log_level = CYAML_LOG_ERROR,
};

/* Schema of the node at a path, NULL where the path leaves it. */
static const cyaml_schema_value_t *
schema_at(const char *path)
{
	const cyaml_schema_value_t *at = &config_schema;

	while (at != NULL && *path != '\0') {
		if (*path == '[') {
			path = strchr(path, ']');
			if (path == NULL || at->type != CYAML_SEQUENCE)
				return NULL;
			path++;
			at = at->sequence.entry;
			continue;
		}
		if (*path == '.')
			path++;
		size_t len = strcspn(path, ".[");
		const cyaml_schema_value_t *next = NULL;

		if (at->type != CYAML_MAPPING)
			return NULL;
		for (const cyaml_schema_field_t *f = at->mapping.fields; f->key != NULL; f++)
			if (strlen(f->key) == len && memcmp(f->key, path, len) == 0)
				next = &f->value;
		path += len;
		at = next;
	}
	return at;
}

/* "a list", "a single value", or the keys of a mapping after the words given. */
static void
expected(const char *path, const char *mapping, char *buf, size_t len)
{
	const cyaml_schema_value_t *v = schema_at(path);
	size_t at = 0;

	if (v == NULL || v->type == CYAML_STRING) {
		snprintf(buf, len, "a single value");
		return;
	}
	if (v->type == CYAML_SEQUENCE) {
		snprintf(buf, len, "a list");
		return;
	}
	at += snprintf(buf, len, "%s", mapping);
	for (const cyaml_schema_field_t *f = v->mapping.fields; f->key != NULL && at < len; f++)
		at += snprintf(buf + at, len - at, "%s %s", f == v->mapping.fields ? "" : ",",
			       f->key);
}

/* Say in our own words what libcyaml refused. */
static int
refuse_structure(struct config_loader *l)
{
	static const char unexpected[] = "Unexpected key: ",
			  seen[] = "Mapping field already seen: ";
	static const char expecting[] = "Expecting ";
	char want[512], path[CONFIG_PATH_LEN + 64];
	const char *at = l->cyaml_path[0] == '.' ? l->cyaml_path + 1 : l->cyaml_path;

	if (strncmp(l->cyaml_error, unexpected, strlen(unexpected)) == 0) {
		expected(at, "one of", want, sizeof(want));
		snprintf(path, sizeof(path), "%s%s%.63s", at, *at != '\0' ? "." : "",
			 l->cyaml_error + strlen(unexpected));
		return config_refuse_key(l, path, "unknown key; expected %s", want);
	}
	if (strncmp(l->cyaml_error, seen, strlen(seen)) == 0)
		return config_refuse_key(l, at, "the key stands twice; expected it once");
	expected(at, "a mapping with keys", want, sizeof(want));
	if (strncmp(l->cyaml_error, expecting, strlen(expecting)) == 0)
		return config_refuse(l, at, "wrong type; expected %s", want);
	return config_refuse(l, at, "%s; expected %s", l->cyaml_error, want);
}

int
config_raw_load(struct config_loader *l, struct raw_config **raw)
{
	cyaml_config_t conf = cyaml_base;
	cyaml_data_t *data = NULL;
	cyaml_err_t e;

	conf.log_ctx = l;
	e = cyaml_load_data(text, l->len, &conf, &config_schema, &data, NULL);
	if (e != CYAML_OK) {
		if (l->cyaml_error[0] == '\0')
			snprintf(l->cyaml_error, sizeof(l->cyaml_error), "%s", cyaml_strerror(e));
		return refuse_structure(l);
	}
	*raw = data;
	return 0;
}

void
config_raw_free(struct raw_config *raw)
{
	cyaml_config_t conf = cyaml_base;
	struct config_loader ignored = {0};

	conf.log_ctx = &ignored;
	/* A release of what was loaded with the same schema has no failure. */
	(void)cyaml_free(&conf, &config_schema, raw, 0);
}
