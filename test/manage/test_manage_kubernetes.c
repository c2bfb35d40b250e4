/* SPDX-License-Identifier: BSD-3-Clause */
/* docs/kubernetes.yaml is YAML, its names agree with each other, and pubwire takes what is in it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <yaml.h>

#include "config_pvt.h"

#define MANIFEST  TEST_DOCS_DIR "/kubernetes.yaml"
#define MOST_DOCS 16

static yaml_document_t doc[MOST_DOCS];
static uint32_t nb_docs;
static struct pw_config conf;
static char err[1024];

static int
parse(void **state)
{
	yaml_parser_t parser;
	FILE *f = fopen(MANIFEST, "r");

	(void)state;
	assert_non_null(f);
	assert_true(yaml_parser_initialize(&parser));
	yaml_parser_set_input_file(&parser, f);
	for (;;) {
		assert_true(nb_docs < MOST_DOCS);
		if (!yaml_parser_load(&parser, &doc[nb_docs]))
			fail_msg("line %zu: %s", parser.problem_mark.line + 1, parser.problem);
		if (yaml_document_get_root_node(&doc[nb_docs]) == NULL)
			break;
		nb_docs++;
	}
	yaml_document_delete(&doc[nb_docs]);
	yaml_parser_delete(&parser);
	fclose(f);
	return 0;
}

static int
forget(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < nb_docs; i++)
		yaml_document_delete(&doc[i]);
	return 0;
}

/* A node by the path of its keys, "spec/ports/0/name"; NULL where there is none. */
static const yaml_node_t *
node(yaml_document_t *d, const char *path)
{
	const yaml_node_t *n = yaml_document_get_root_node(d);
	const char *p = path;

	while (n != NULL && *p != '\0') {
		size_t len = strcspn(p, "/");
		const yaml_node_t *next = NULL;

		if (n->type == YAML_SEQUENCE_NODE) {
			size_t i = strtoul(p, NULL, 10);
			const yaml_node_item_t *item = n->data.sequence.items.start + i;

			if (item < n->data.sequence.items.top)
				next = yaml_document_get_node(d, *item);
		} else if (n->type == YAML_MAPPING_NODE) {
			const yaml_node_pair_t *pair = n->data.mapping.pairs.start;

			for (; pair < n->data.mapping.pairs.top && next == NULL; pair++) {
				const yaml_node_t *k = yaml_document_get_node(d, pair->key);

				if (strncmp((const char *)k->data.scalar.value, p, len) == 0 &&
				    k->data.scalar.length == len)
					next = yaml_document_get_node(d, pair->value);
			}
		}
		n = next;
		p += len;
		p += *p == '/';
	}
	return n;
}

static const char *
text(yaml_document_t *d, const char *path)
{
	const yaml_node_t *n = node(d, path);

	if (n == NULL || n->type != YAML_SCALAR_NODE)
		fail_msg("%s is not there", path);
	return (const char *)n->data.scalar.value;
}

/* The object of a kind and name. */
static yaml_document_t *
object(const char *kind, const char *name)
{
	for (uint32_t i = 0; i < nb_docs; i++)
		if (strcmp(text(&doc[i], "kind"), kind) == 0 &&
		    strcmp(text(&doc[i], "metadata/name"), name) == 0)
			return &doc[i];
	fail_msg("there is no %s %s", kind, name);
	return NULL;
}

#define POD	  "spec/template/spec/"
#define CONTAINER POD "containers/0/"

static void
everything_lies_in_one_namespace(void **state)
{
	(void)state;
	assert_int_equal(nb_docs, 5);
	for (uint32_t i = 0; i < nb_docs; i++) {
		const char *kind = text(&doc[i], "kind");

		assert_non_null(text(&doc[i], "apiVersion"));
		if (strcmp(kind, "Namespace") != 0 &&
		    strcmp(text(&doc[i], "metadata/name"), "sriovdp-config") != 0)
			assert_string_equal(text(&doc[i], "metadata/namespace"),
					    text(object("Namespace", "pubwire"), "metadata/name"));
	}
}

static void
labels_volumes_and_ports_agree(void **state)
{
	yaml_document_t *set = object("StatefulSet", "pubwire");
	yaml_document_t *service = object("Service", "pubwire");
	char path[128], mount[128];

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		bool found = false;

		snprintf(mount, sizeof(mount), CONTAINER "volumeMounts/%u/name", i);
		for (uint32_t k = 0; k < 3; k++) {
			snprintf(path, sizeof(path), POD "volumes/%u/name", k);
			found = found || strcmp(text(set, path), text(set, mount)) == 0;
		}
		assert_true(found);
	}
	assert_null(node(set, CONTAINER "volumeMounts/3"));
	assert_null(node(set, POD "volumes/3"));
	assert_string_equal(text(set, POD "volumes/2/configMap/name"), "pubwire");
	assert_string_equal(text(set, "spec/serviceName"), "pubwire");
	assert_string_equal(text(service, "spec/ports/0/targetPort"),
			    text(set, CONTAINER "ports/0/name"));
	assert_string_equal(text(set, CONTAINER "livenessProbe/httpGet/path"), "/healthz");
	assert_string_equal(text(set, CONTAINER "startupProbe/httpGet/path"), "/healthz");
	assert_string_equal(text(set, CONTAINER "readinessProbe/httpGet/path"), "/readyz");
}

static void
resources_are_offered_asked_for_and_read(void **state)
{
	yaml_document_t *set = object("StatefulSet", "pubwire");
	const char *offered = text(object("ConfigMap", "sriovdp-config"), "data/config.json");
	const char *file = text(object("ConfigMap", "pubwire"), "data/pubwire.yaml");
	const yaml_node_t *limits = node(set, CONTAINER "resources/limits");
	uint32_t resources = 0;

	(void)state;
	assert_ptr_equal(limits, node(set, CONTAINER "resources/requests")); /* Guaranteed */
	assert_non_null(strstr(offered, "\"resourcePrefix\": \"intel.com\""));
	for (const yaml_node_pair_t *p = limits->data.mapping.pairs.start;
	     p < limits->data.mapping.pairs.top; p++) {
		const char *name =
			(const char *)yaml_document_get_node(set, p->key)->data.scalar.value;
		char variable[96] = "PCIDEVICE_INTEL_COM_", quoted[96], device[128];
		size_t at = strlen(variable);

		if (strncmp(name, "intel.com/", 10) != 0)
			continue;
		resources++;
		snprintf(quoted, sizeof(quoted), "\"%s\"", name + 10);
		assert_non_null(strstr(offered, quoted));
		for (const char *c = name + 10; *c != '\0' && at < sizeof(variable) - 1; c++)
			variable[at++] = (char)toupper((unsigned char)*c);
		snprintf(device, sizeof(device), "device: \"env:%s\"", variable);
		assert_non_null(strstr(file, device));
		snprintf(device, sizeof(device), "0000:3b:02.%u", resources);
		setenv(variable, device, 1);
	}
	assert_int_equal(resources, 2);
}

static void
pubwire_takes_the_configuration(void **state)
{
	yaml_document_t *map = object("ConfigMap", "pubwire"),
			*set = object("StatefulSet", "pubwire");
	const char *file = text(map, "data/pubwire.yaml");
	char name[] = "/tmp/pubwire-kubernetes-XXXXXX", port[8];
	int fd = mkstemp(name), rc;
	struct pw_config_memory plan;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, file, strlen(file)), (int)strlen(file));
	close(fd);
	rc = pw_config_load(&conf, name, err, sizeof(err));
	unlink(name);
	if (rc != 0)
		fail_msg("%s", err);
	assert_string_equal(conf.port[0].device, "0000:3b:02.1");
	assert_string_equal(conf.port[1].device, "0000:3b:02.2");
	assert_int_equal(conf.nb_eal, 2);
	assert_true(conf.http.on);
	snprintf(port, sizeof(port), "%u", conf.http.port);
	assert_string_equal(text(set, CONTAINER "ports/0/containerPort"), port);
	/* What it is given is enough for what it plans with as many workers as CPUs but one. */
	assert_string_equal(text(set, CONTAINER "resources/limits/cpu"), "4");
	assert_string_equal(text(set, CONTAINER "resources/limits/hugepages-2Mi"), "1Gi");
	conf.nb_workers = 3;
	for (uint32_t w = 0; w < 3; w++)
		conf.role[w] = PW_ROLE_DEVICES | PW_ROLE_BROKERS;
	pw_config_memory(&conf, &plan);
	assert_true(plan.total + plan.total / 8 < 1u << 30);
	assert_true(strtoul(text(set, POD "terminationGracePeriodSeconds"), NULL, 10) * 1000 >
		    conf.forward.limits.drain_deadline + 5000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_lies_in_one_namespace),
		cmocka_unit_test(labels_volumes_and_ports_agree),
		cmocka_unit_test(resources_are_offered_asked_for_and_read),
		cmocka_unit_test(pubwire_takes_the_configuration),
	};
	cpu_set_t set;
	uint32_t n = 0;

	/* As many CPUs as the pod has, at most: the buffers in the file are for so many. */
	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 1;
	for (uint32_t i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set) && ++n > 4)
			CPU_CLR(i, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		return 1;
	return cmocka_run_group_tests_name("manage_kubernetes", tests, parse, forget);
}
