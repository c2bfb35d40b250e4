/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <glob.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_pvt.h"

#define DATA TEST_DATA_DIR "/"

static struct pw_config conf, again;
static char err[1024];

static void
load(struct pw_config *c, const char *path)
{
	if (pw_config_load_as(c, path, PW_CONFIG_EAL_LCORES, err, sizeof(err)) != 0)
		fail_msg("%s", err);
}

/* The first line of a refused file says what is expected of the refusal, but for the file's name.
 */
static void
refusal_is_the_expected_line(void **state)
{
	const char *path = *state;
	char line[1024], expected[2048];
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	line[strcspn(line, "\n")] = '\0';
	assert_int_equal(strncmp(line, "# expect: ", 10), 0);
	snprintf(expected, sizeof(expected), "%s:%s", path, line + 10);
	assert_int_equal(pw_config_load(&conf, path, err, sizeof(err)), -EINVAL);
	assert_string_equal(err, expected);
}

static void
least_file_gets_the_small_profile(void **state)
{
	struct pw_config_memory m;

	(void)state;
	load(&conf, DATA "accept-least.yaml");
	assert_int_equal(conf.nb_workers, 1);
	assert_int_equal(conf.role[0], PW_ROLE_DEVICES | PW_ROLE_BROKERS);
	assert_int_equal(conf.idle, PW_IDLE_ADAPTIVE);
	assert_int_equal(conf.idle_sleep_us, 2000);
	assert_int_equal(conf.idle_sleep_us, PW_IDLE_SLEEP_US); /* as a fleet's own */
	assert_int_equal(conf.main_cpu, -1);
	assert_int_equal(conf.port[0].mtu, 1500);
	assert_int_equal(conf.forward.listener[0].port, 1883);
	assert_int_equal(conf.forward.broker[0].port, 1883);
	assert_int_equal(conf.forward.broker[0].keepalive_interval, 60000);
	assert_int_equal(conf.forward.broker[0].restart_base, 500);
	assert_int_equal(conf.forward.broker[0].restart_cap, 30000);
	assert_int_equal(conf.forward.route[0].when_full_qos0, PW_WHEN_FULL_DROP);
	assert_int_equal(conf.forward.route[0].when_full_qos1, PW_WHEN_FULL_BLOCK);
	assert_string_equal(conf.forward.route[0].name, "route-1");
	assert_string_equal(conf.forward.clientid_prefix, "pubwire");
	assert_int_equal(conf.forward.lanes, (1 << PW_LANE_3) | (1 << PW_LANE_5));
	assert_string_equal(conf.log_level, "info");
	assert_false(conf.http.on);
	pw_config_memory(&conf, &m);
	assert_true(m.total > 20u << 20);
	/* 50 MB in all, with what is not on DPDK's heaps. */
	assert_true(m.total < 42u * 1000 * 1000);
	assert_int_equal(m.total, m.pkt + m.hdr + m.ind + m.tcp + m.sessions + m.wills + m.logs +
					  m.http + m.dpdk);
	assert_in_range(m.idle, 256, 512);
	/* Each connection may leave a record of TIME_WAIT. */
	assert_true(m.tcp > conf.tcp.max_conns * (pw_tcp_conn_size() + 32 + 4) +
				    pw_tcp_queue_bytes(conf.tcp.max_tx_slices) - 1);
}

static void
a_million_connections_take_512_bytes_each_all_told(void **state)
{
	struct pw_config_memory million, few;

	(void)state;
	load(&conf, DATA "accept-million.yaml");
	pw_config_memory(&conf, &million);
	assert_in_range(million.each, million.idle, 512);
	/* What does not depend on their number is in no figure of theirs. */
	load(&conf, DATA "accept-least.yaml");
	pw_config_memory(&conf, &few);
	assert_in_range((million.total - few.total) / (1000000 - 1024), million.idle, 512);
	assert_int_equal(million.total - million.connections, few.total - few.connections);
}

static void
every_key_reaches_its_field(void **state)
{
	const struct pw_broker_conf *b = &conf.forward.broker[0];
	const struct pw_limits_conf *m = &conf.forward.limits;
	char text[PW_ADDR_STRLEN];

	(void)state;
	load(&conf, DATA "accept-everything.yaml");
	assert_int_equal(conf.nb_eal, 4);
	assert_string_equal(conf.eal[1], "--file-prefix=a\"b\\c");
	assert_string_equal(conf.forward.instance, "edge-7");
	assert_string_equal(conf.forward.clientid_prefix, "pw");
	assert_string_equal(conf.forward.server_reference, "b.example:1883 c.example");
	assert_string_equal(conf.log_level, "debug");
	assert_int_equal(pw_config_log_level(&conf), RTE_LOG_DEBUG);
	assert_int_equal(conf.nb_workers, 2);
	assert_int_equal(conf.lcore[0], 1);
	assert_int_equal(conf.role[0], PW_ROLE_DEVICES);
	assert_int_equal(conf.lcore[1], 2);
	assert_int_equal(conf.role[1], PW_ROLE_BROKERS);
	assert_int_equal(conf.idle, PW_IDLE_POLL);
	assert_int_equal(conf.idle_sleep_us, 1000);
	assert_int_equal(conf.pkt_buffers, 16384);
	assert_int_equal(conf.hdr_buffers, 1024);
	assert_int_equal(conf.ind_buffers, 2048);
	assert_int_equal(conf.nb_ports, 2);
	assert_string_equal(conf.port[0].device, "0000:01:00.0");
	assert_int_equal(conf.port[0].nb_addrs, 3);
	assert_int_equal(conf.port[0].addr[2].prefix_len, 31);
	assert_string_equal(pw_addr_str(&conf.port[0].addr[2].addr, text), "192.168.5.1");
	assert_string_equal(pw_addr_str(&conf.port[0].gateway, text), "10.77.0.254");
	assert_int_equal(conf.port[0].mtu, 9000);
	assert_int_equal(conf.port[0].vlan, 4094);
	assert_int_equal(conf.port[0].rx_desc, 1024);
	assert_int_equal(conf.port[0].tx_desc, 256);
	assert_int_equal(conf.port[0].disable_caps, 0x7f);
	assert_string_equal(conf.port[0].kernel.interface, "pw-edge_1.x");
	assert_int_equal(conf.port[0].kernel.rate, 100);
	assert_int_equal(conf.port[0].kernel.icmp, PW_CONFIG_ICMP_KERNEL);
	assert_int_equal(conf.port[0].kernel.driver, PW_CONFIG_TAP_VIRTIO_USER);
	assert_string_equal(conf.port[1].kernel.interface, "");
	assert_int_equal(conf.port[1].disable_caps, 0);
	assert_int_equal(conf.forward.nb_listeners, 2);
	assert_int_equal(conf.forward.listener[1].port, 8883);
	assert_int_equal(conf.forward.listener[0].max_connections, 0);
	assert_int_equal(conf.forward.listener[0].byte_rate, 0);
	assert_int_equal(conf.forward.listener[1].max_connections, 90);
	assert_int_equal(conf.forward.listener[1].connect_rate, 20);
	assert_int_equal(conf.forward.listener[1].message_rate, 30);
	assert_int_equal(conf.forward.listener[1].byte_rate, 64 << 10);
	assert_int_equal(conf.forward.listener[1].max_packet_size, 1 << 20);
	assert_int_equal(conf.forward.listener[1].connect_deadline, 2000);
	assert_int_equal(b->port, 2883);
	assert_string_equal(b->username, "us\xc3\xa9r \"x\"");
	assert_string_equal(b->password, "secret");
	assert_int_equal(b->keepalive_interval, 120000);
	assert_int_equal(b->connect_timeout, 300);
	assert_int_equal(b->ack_timeout, 3600000);
	assert_int_equal(b->protocol, PW_BROKER_3);
	assert_true(b->strict);
	assert_int_equal(b->restart_base, 20);
	assert_int_equal(b->restart_cap, 5000);
	assert_int_equal(b->max_inflight_messages, 20);
	assert_int_equal(b->session_expiry_interval, 0);
	assert_int_equal(b->max_packet_size, 128 << 10);
	assert_string_equal(conf.forward.route[2].name, "alarms");
	assert_string_equal(conf.forward.route[2].filter, "+/alarm/#");
	assert_int_equal(conf.forward.route[2].brokers, 2);
	assert_int_equal(conf.forward.route[3].brokers, 3);
	assert_int_equal(conf.forward.route[3].when_full_qos0, PW_WHEN_FULL_BLOCK);
	assert_int_equal(m->max_connections, 100);
	assert_int_equal(m->max_queued_messages, 1024);
	assert_int_equal(m->max_packet_size, 2 << 20);
	assert_int_equal(m->receive_maximum, 10);
	assert_int_equal(m->topic_alias_maximum, 5);
	assert_int_equal(m->connect_deadline, 3000);
	assert_int_equal(m->max_keepalive, 600);
	assert_int_equal(m->max_session_expiry, 172800);
	assert_int_equal(m->idle_timeout, 3600000);
	assert_int_equal(m->copy_break, 0);
	assert_int_equal(m->max_extras, 60);
	assert_int_equal(m->max_kept, 30);
	assert_int_equal(conf.neighbours, 77);
	assert_int_equal(pw_config_neighbours(&conf), 77);
	assert_int_equal(conf.fragments, 9);
	assert_int_equal(m->drain_deadline, 100);
	assert_int_equal(m->message_rate, 500);
	assert_string_equal(conf.access.password_file, DATA "access/accept.passwd");
	assert_string_equal(conf.access.acl_file, DATA "access/accept.acl");
	assert_true(conf.access.allow_anonymous);
	assert_true(conf.access.digest != 0);
	assert_int_equal(m->byte_rate, 1 << 20);
	assert_true(conf.http.on);
	assert_string_equal(pw_addr_str(&conf.http.address, text), "::1");
	assert_int_equal(conf.http.port, 9100);
	assert_int_equal(conf.http.top_devices, 7);
	assert_int_equal(conf.tcp.keepalive_ms, 30000);
	assert_int_equal(conf.tcp.user_timeout_ms, 300000);
	assert_int_equal(conf.tcp.rx_window, 256 << 10);
	assert_int_equal(conf.tcp.tx_queue_bytes, 1 << 20);
	assert_int_equal(conf.tcp.max_tx_slices, 1000);
	assert_int_equal(conf.tcp.delack_ms, 10);
	assert_int_equal(conf.tcp.min_rto_ms, 100);
	assert_int_equal(conf.tcp.max_rto_ms, 10000);
	assert_int_equal(conf.tcp.syn_retries, 3);
	assert_int_equal(conf.tcp.msl_ms, 1000);
	assert_int_equal(conf.tcp.max_time_wait, 50);
	assert_int_equal(conf.tcp.max_ooo, 4);
	assert_int_equal(conf.tcp.rx_copy_break, 100);
	assert_int_equal(conf.forward.broker[0].replay_rate, 500);
	assert_int_equal(conf.forward.broker[0].failover_delay, 1000);
	assert_int_equal(conf.forward.broker[0].failback_delay, 60000);
	assert_int_equal(conf.forward.broker[0].hold_messages, 100);
	assert_int_equal(conf.forward.broker[0].hold_bytes, 1 << 20);
	assert_int_equal(conf.forward.route[0].fanout, PW_FANOUT_HASH);
	assert_true(conf.forward.route[0].hash_by_topic);
	assert_int_equal(conf.forward.route[0].when_full_qos1, PW_WHEN_FULL_DETACH);
	assert_int_equal(conf.forward.route[1].fanout, PW_FANOUT_FAILOVER);
	assert_string_equal(conf.forward.route[1].prefix_remove, "first/");
	assert_string_equal(conf.forward.route[1].prefix_add, "in/\u00e9 \"q\"/");
	assert_int_equal(conf.forward.route[1].order[0], 1);
	assert_int_equal(conf.forward.route[1].order[1], 0);
	assert_int_equal(conf.forward.route[2].ack, PW_ACK_ANY);
	assert_int_equal(conf.forward.route[3].ack, PW_ACK_QUORUM);
	assert_int_equal(conf.forward.route[3].quorum, 2);
	assert_int_equal(conf.forward.route[2].pool_size, 3);
	assert_int_equal(conf.forward.route[3].pool_size, 1);
	/* Every device, an eighth more and 16, and of the one lane served a pool of three to one
	 * broker, one to the other, and one each to both together. */
	assert_int_equal(conf.tcp.reserve_active, 6);
	assert_int_equal(conf.tcp.max_conns, 100 + 100 / 8 + 16 + 6);
	assert_int_equal(conf.forward.lanes, 1 << PW_LANE_5);
}

static void
addresses_of_both_families_are_taken(void **state)
{
	char text[PW_ADDR_STRLEN];

	(void)state;
	load(&conf, DATA "accept-ipv6.yaml");
	assert_int_equal(conf.port[0].nb_addrs, 4);
	assert_string_equal(pw_addr_str(&conf.port[0].addr[1].addr, text), "fd77::1");
	assert_int_equal(conf.port[0].addr[1].prefix_len, 64);
	assert_int_equal(conf.port[0].addr[2].prefix_len, 127);
	assert_string_equal(pw_addr_str(&conf.port[0].gateway, text), "10.77.0.254");
	assert_string_equal(pw_addr_str(&conf.port[0].gateway6, text), "fe80::1");
	assert_string_equal(pw_addr_str(&conf.forward.listener[1].address, text), "fd77::1");
	assert_string_equal(pw_addr_str(&conf.forward.listener[2].address, text), "fd77:0:0:2::1");
	assert_string_equal(pw_addr_str(&conf.forward.broker[0].address, text), "fd78::11");
	assert_string_equal(pw_addr_str(&conf.forward.broker[2].address, text), "2001:db8:1::");
}

static void
neighbours_follow_the_devices_of_all_workers(void **state)
{
	struct pw_config_memory few, many;

	(void)state;
	load(&conf, DATA "accept-least.yaml");
	assert_int_equal(conf.forward.broker[0].max_packet_size, 0);
	assert_int_equal(conf.neighbours, 0);
	assert_int_equal(pw_config_neighbours(&conf), 1024 + 64);
	conf.forward.limits.max_connections = 10;
	assert_int_equal(pw_config_neighbours(&conf), 1024);
	conf.forward.limits.max_connections = 3000;
	conf.nb_workers = 3;
	conf.role[1] = PW_ROLE_DEVICES;
	conf.role[2] = PW_ROLE_BROKERS;
	assert_int_equal(pw_config_neighbours(&conf), 2 * 3000 + 64);
	conf.neighbours = 1024;
	pw_config_memory(&conf, &few);
	conf.neighbours = PW_WIRE_NEIGH_MAX;
	pw_config_memory(&conf, &many);
	assert_true(many.total - few.total > 3u * (PW_WIRE_NEIGH_MAX - 1024) * 64);
	/* So do the frames that may wait for them: an eighth of the header buffers. */
	few = many;
	conf.hdr_buffers += 8 * 3 * 100;
	pw_config_memory(&conf, &many);
	assert_true(many.dpdk - few.dpdk >= 3u * 100 * sizeof(void *));
	conf.neighbours = 0;
	conf.forward.limits.max_connections = UINT32_MAX;
	assert_int_equal(pw_config_neighbours(&conf), PW_WIRE_NEIGH_MAX);
}

/* Print, load what was printed, print again: the same text, and the same configuration. */
static void
round_trip(const char *path)
{
	char name[] = "/tmp/pubwire-config-XXXXXX";
	int fd = mkstemp(name);
	FILE *f;
	int rc;

	assert_true(fd >= 0);
	f = fdopen(fd, "w");
	assert_non_null(f);
	load(&conf, path);
	pw_config_print(&conf, f);
	assert_int_equal(fclose(f), 0);
	rc = pw_config_load_as(&again, name, PW_CONFIG_EAL_LCORES, err, sizeof(err));
	unlink(name);
	if (rc != 0)
		fail_msg("%s", err);
	/* The one thing that a print does not show. */
	for (uint32_t i = 0; i < conf.forward.nb_brokers; i++) {
		if (conf.forward.broker[i].password[0] != '\0')
			assert_string_equal(again.forward.broker[i].password, "***");
		memcpy(again.forward.broker[i].password, conf.forward.broker[i].password,
		       sizeof(conf.forward.broker[i].password));
	}
	assert_memory_equal(&again, &conf, sizeof(conf));
}

static void
printed_configuration_loads_to_the_same(void **state)
{
	(void)state;
	round_trip(DATA "accept-least.yaml");
	round_trip(DATA "accept-everything.yaml");
	round_trip(DATA "accept-ipv6.yaml");
	round_trip(DATA "accept-http.yaml");
	round_trip(TEST_DOCS_DIR "/pubwire.yaml");
}

/* What a print says of files holds wherever it is loaded from. */
static void
paths_of_a_file_named_from_here_print_for_everywhere(void **state)
{
	char *here = getcwd(NULL, 0);

	(void)state;
	assert_non_null(here);
	assert_int_equal(chdir(TEST_DATA_DIR "/.."), 0);
	round_trip("data/accept-everything.yaml");
	assert_int_equal(chdir(TEST_DATA_DIR), 0);
	round_trip("accept-everything.yaml");
	assert_int_equal(chdir(here), 0);
	free(here);
}

static void
password_is_not_printed(void **state)
{
	char text[16384];
	FILE *f = fmemopen(text, sizeof(text), "w");

	(void)state;
	assert_non_null(f);
	load(&conf, DATA "accept-everything.yaml");
	pw_config_print(&conf, f);
	assert_int_equal(fclose(f), 0);
	assert_non_null(strstr(text, "password: \"***\""));
	assert_null(strstr(text, "secret"));
}

static void
file_that_cannot_be_read_is_refused_with_its_name(void **state)
{
	(void)state;
	assert_int_equal(pw_config_load(&conf, DATA "nosuch.yaml", err, sizeof(err)), -ENOENT);
	assert_non_null(strstr(err, "nosuch.yaml: No such file or directory; expected"));
	assert_int_equal(pw_config_load(&conf, DATA, err, sizeof(err)), -EISDIR);
	assert_non_null(strstr(err, "Is a directory"));
}

static void
bytes_that_are_no_text_are_refused(void **state)
{
	static const char content[][8] = {"\xff\xfe\xfd", "a: \"\xc3\x28\"", "a: \x01", "a: [\0]"};
	char name[] = "/tmp/pubwire-config-XXXXXX";
	int fd = mkstemp(name);

	(void)state;
	assert_true(fd >= 0);
	for (uint32_t i = 0; i < sizeof(content) / sizeof(content[0]); i++) {
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, content[i], 7, 0), 7);
		assert_int_equal(pw_config_load(&conf, name, err, sizeof(err)), -EINVAL);
		assert_int_equal(strncmp(err, name, strlen(name)), 0);
		assert_null(strchr(err, '\n'));
	}
	close(fd);
	unlink(name);
}

/* Whatever is cut off a good file, the answer is yes or one line; never a crash. */
static void
every_prefix_of_a_file_is_answered(void **state)
{
	static char text[8192];
	char name[] = "/tmp/pubwire-config-XXXXXX";
	FILE *f = fopen(DATA "accept-everything.yaml", "r");
	int fd = mkstemp(name);
	size_t n;

	(void)state;
	assert_non_null(f);
	assert_true(fd >= 0);
	n = fread(text, 1, sizeof(text), f);
	fclose(f);
	assert_int_equal(pwrite(fd, text, n, 0), n);
	for (; n > 0; n--) {
		int rc;

		assert_int_equal(ftruncate(fd, n), 0);
		rc = pw_config_load_as(&conf, name, PW_CONFIG_EAL_LCORES, err, sizeof(err));
		assert_true(rc == 0 || rc == -EINVAL);
		assert_true((rc == 0) == (err[0] == '\0'));
	}
	close(fd);
	unlink(name);
}

static void
key_is_found_where_it_stands(void **state)
{
	char where[512];

	(void)state;
	pw_config_where(DATA "accept-everything.yaml", "ports[1].device", where, sizeof(where));
	assert_non_null(strstr(where, "accept-everything.yaml:20:25: ports[1].device"));
	pw_config_where(DATA "nosuch.yaml", "ports", where, sizeof(where));
	assert_non_null(strstr(where, "nosuch.yaml: ports"));
}

static void
eal_options_that_choose_lcores_are_known(void **state)
{
	(void)state;
	assert_true(pw_config_eal_lcores("-l"));
	assert_true(pw_config_eal_lcores("-l1-3"));
	assert_true(pw_config_eal_lcores("-c3"));
	assert_true(pw_config_eal_lcores("--lcores=1"));
	assert_true(pw_config_eal_lcores("--main-lcore"));
	assert_false(pw_config_eal_lcores("--log-level=8"));
	assert_false(pw_config_eal_lcores("-m"));
	assert_false(pw_config_eal_lcores("--legacy-mem"));
}

/* The manual has every key of the tables, in code type. */
static void
every_number_is_documented(void **state)
{
	const struct num_key *const tables[] = {
		config_port_keys, config_listener_keys, config_broker_keys, config_limit_keys,
		config_tcp_keys,  config_wire_keys,	config_memory_keys, config_worker_keys};
	static char text[65536];
	FILE *f = fopen(TEST_DOCS_DIR "/configuration.md", "r");

	(void)state;
	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	for (uint32_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		for (const struct num_key *k = tables[t]; k->key != NULL; k++) {
			char row[64];

			snprintf(row, sizeof(row), "| `%s` |", k->key);
			if (strstr(text, row) == NULL)
				fail_msg("configuration.md has no row for %s", k->key);
		}
	}
}

static const struct CMUnitTest fixed[] = {
	cmocka_unit_test(least_file_gets_the_small_profile),
	cmocka_unit_test(a_million_connections_take_512_bytes_each_all_told),
	cmocka_unit_test(every_key_reaches_its_field),
	cmocka_unit_test(addresses_of_both_families_are_taken),
	cmocka_unit_test(neighbours_follow_the_devices_of_all_workers),
	cmocka_unit_test(printed_configuration_loads_to_the_same),
	cmocka_unit_test(paths_of_a_file_named_from_here_print_for_everywhere),
	cmocka_unit_test(password_is_not_printed),
	cmocka_unit_test(file_that_cannot_be_read_is_refused_with_its_name),
	cmocka_unit_test(bytes_that_are_no_text_are_refused),
	cmocka_unit_test(every_prefix_of_a_file_is_answered),
	cmocka_unit_test(every_number_is_documented),
	cmocka_unit_test(key_is_found_where_it_stands),
	cmocka_unit_test(eal_options_that_choose_lcores_are_known),
};

/* On one CPU only, so that a file can name one that is never there. */
static void
pin(void)
{
	cpu_set_t all, one;
	uint32_t cpu = 0;

	if (sched_getaffinity(0, sizeof(all), &all) != 0)
		return;
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	(void)sched_setaffinity(0, sizeof(one), &one);
}

int
main(void)
{
	const size_t nb_fixed = sizeof(fixed) / sizeof(fixed[0]);
	struct CMUnitTest *tests;
	glob_t g;
	int rc;

	pin();
	/* A test for each file, named after it. */
	if (glob(DATA "refuse-*.yaml", 0, NULL, &g) != 0 || g.gl_pathc < 50) {
		fprintf(stderr, "no refusals in " DATA "\n");
		return 1;
	}
	tests = calloc(nb_fixed + g.gl_pathc, sizeof(*tests));
	if (tests == NULL)
		return 1;
	memcpy(tests, fixed, sizeof(fixed));
	for (size_t i = 0; i < g.gl_pathc; i++) {
		tests[nb_fixed + i].name = strrchr(g.gl_pathv[i], '/') + 1;
		tests[nb_fixed + i].test_func = refusal_is_the_expected_line;
		tests[nb_fixed + i].initial_state = g.gl_pathv[i];
	}
	rc = _cmocka_run_group_tests("manage_config", tests, nb_fixed + g.gl_pathc, NULL, NULL);
	free(tests);
	globfree(&g);
	return rc;
}
