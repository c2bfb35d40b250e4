/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The effective configuration as YAML, every default written out. Loading it gives the same
 * configuration, but for passwords, which are not shown.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include "config_pvt.h"

/* A double-quoted scalar (YAML 1.1 5.13, 7.3.1). */
static void
quote(FILE *out, const char *s)
{
	fputc('"', out);
	for (; *s != '\0'; s++) {
		unsigned char ch = *s;

		if (ch == '"' || ch == '\\')
			fprintf(out, "\\%c", ch);
		else if (ch < 0x20 || ch == 0x7f)
			fprintf(out, "\\x%02x", ch);
		else
			fputc(ch, out);
	}
	fputc('"', out);
}

/* An address with colons would be a mapping without the quotes, or the start of one. */
static void
print_addr(FILE *out, const struct pw_addr *a)
{
	char text[PW_ADDR_STRLEN];

	pw_addr_str(a, text);
	if (pw_addr_is_v4(a))
		fputs(text, out);
	else
		quote(out, text);
}

static void
print_addresses(FILE *out, const struct pw_config_port *p)
{
	char addr[PW_ADDR_STRLEN], text[PW_ADDR_STRLEN + sizeof("/128")];

	fprintf(out, "\n    addresses: [");
	for (uint32_t i = 0; i < p->nb_addrs; i++) {
		snprintf(text, sizeof(text), "%s/%u", pw_addr_str(&p->addr[i].addr, addr),
			 p->addr[i].prefix_len);
		fputs(i > 0 ? ", " : "", out);
		if (pw_addr_is_v4(&p->addr[i].addr))
			fputs(text, out);
		else
			quote(out, text);
	}
	fprintf(out, "]\n");
}

static void
print_gateway(FILE *out, const char *key, const struct pw_addr *gateway)
{
	if (gateway == NULL)
		return;
	fprintf(out, "    %s: ", key);
	print_addr(out, gateway);
	fputc('\n', out);
}

static void
numbers(FILE *out, const char *indent, const struct num_key *keys, const void *of)
{
	for (const struct num_key *k = keys; k->key != NULL; k++)
		fprintf(out, "%s%s: %" PRIu64 "\n", indent, k->key, config_number_get(k, of));
}

static void
print_workers(const struct pw_config *c, FILE *out)
{
	const uint8_t both = PW_ROLE_DEVICES | PW_ROLE_BROKERS;
	static const struct {
		const char *key;
		uint8_t role;
	} lists[] = {{"lcores", both}, {"devices", PW_ROLE_DEVICES}, {"brokers", PW_ROLE_BROKERS}};

	fprintf(out, "workers:\n");
	for (uint32_t i = 0; i < RTE_DIM(lists); i++) {
		const char *sep = "";

		fprintf(out, "  %s: [", lists[i].key);
		for (uint32_t w = 0; w < c->nb_workers; w++) {
			if (c->role[w] != lists[i].role)
				continue;
			fprintf(out, "%s%u", sep, c->lcore[w]);
			sep = ", ";
		}
		fprintf(out, "]\n");
	}
	if (c->main_cpu >= 0)
		fprintf(out, "  main_cpu: %d\n", c->main_cpu);
	else
		fprintf(out, "  main_cpu: auto\n");
	fprintf(out, "  idle: %s\n", config_idle_words[c->idle]);
	numbers(out, "  ", config_worker_keys, c);
}

static void
print_ports(const struct pw_config *c, FILE *out)
{
	fprintf(out, "ports:\n");
	for (uint32_t i = 0; i < c->nb_ports; i++) {
		const struct pw_config_port *p = &c->port[i];
		const char *sep = "";

		fprintf(out, "  - name: ");
		quote(out, p->name);
		fprintf(out, "\n    device: ");
		quote(out, p->device);
		print_addresses(out, p);
		print_gateway(out, "gateway", config_gateway(p, true));
		print_gateway(out, "gateway6", config_gateway(p, false));
		numbers(out, "    ", config_port_keys, p);
		fprintf(out, "    disable_offloads: [");
		for (const struct cap_word *w = config_cap_words; w->word != NULL; w++) {
			if (!(p->disable_caps & w->cap))
				continue;
			fprintf(out, "%s%s", sep, w->word);
			sep = ", ";
		}
		fprintf(out, "]\n");
		if (p->kernel.interface[0] != '\0')
			fprintf(out,
				"    kernel: {interface: \"%s\", rate: %u, icmp: %s, "
				"driver: %s}\n",
				p->kernel.interface, p->kernel.rate,
				config_icmp_words[p->kernel.icmp],
				config_tap_words[p->kernel.driver]);
	}
}

static void
print_brokers(const struct pw_config *c, FILE *out)
{
	const struct pw_forward_settings *s = &c->forward;
	uint32_t buffers = c->pkt_buffers - (uint32_t)config_posted(c);

	fprintf(out, "listeners:\n");
	for (uint32_t i = 0; i < s->nb_listeners; i++) {
		fprintf(out, "  - name: ");
		quote(out, s->listener[i].name);
		fprintf(out, "\n    address: ");
		print_addr(out, &s->listener[i].address);
		fputc('\n', out);
		numbers(out, "    ", config_listener_keys, &s->listener[i]);
	}
	fprintf(out, "brokers:\n");
	for (uint32_t i = 0; i < s->nb_brokers; i++) {
		const struct pw_broker_conf *b = &s->broker[i];

		fprintf(out, "  - name: ");
		quote(out, b->name);
		fprintf(out, "\n    address: ");
		print_addr(out, &b->address);
		fprintf(out, "\n    username: ");
		quote(out, b->username);
		fprintf(out, "\n    password: \"%s\"\n", b->password[0] != '\0' ? "***" : "");
		fprintf(out, "    protocol: %s\n    strict: %s\n",
			config_protocol_words[b->protocol], config_bool_words[b->strict]);
		numbers(out, "    ", config_broker_keys, b);
		fprintf(out, "    restart_timeout: [%u, %u]\n", b->restart_base, b->restart_cap);
		fprintf(out, "    hold: {messages: %u, bytes: %u}", b->hold_messages,
			b->hold_bytes);
		if (b->hold_bytes == 0)
			fprintf(out, " # bytes 0: what %u packet buffers keep", buffers / 4);
		fputc('\n', out);
	}
}

static void
print_routes(const struct pw_forward_settings *s, FILE *out)
{
	fprintf(out, "routes:\n");
	for (uint32_t i = 0; i < s->nb_routes; i++) {
		const struct pw_route_conf *t = &s->route[i];
		const char *sep = "";

		fprintf(out, "  - name: ");
		quote(out, t->name);
		fprintf(out, "\n    filter: ");
		quote(out, t->filter);
		fprintf(out, "\n    brokers: [");
		for (uint32_t k = 0; k < (uint32_t)__builtin_popcount(t->brokers); k++) {
			fputs(sep, out);
			quote(out, s->broker[t->order[k]].name);
			sep = ", ";
		}
		fprintf(out, "]\n    fanout: %s\n", config_fanout_words[t->fanout]);
		if (t->fanout == PW_FANOUT_HASH)
			fprintf(out, "    hash_by: %s\n", config_hash_by_words[t->hash_by_topic]);
		if (t->ack == PW_ACK_QUORUM)
			fprintf(out, "    ack: quorum:%u\n", t->quorum);
		else
			fprintf(out, "    ack: %s\n", config_ack_words[t->ack]);
		if (t->prefix_remove[0] != '\0' || t->prefix_add[0] != '\0') {
			fprintf(out, "    topic_prefix: {remove: ");
			quote(out, t->prefix_remove);
			fprintf(out, ", add: ");
			quote(out, t->prefix_add);
			fprintf(out, "}\n");
		}
		fprintf(out, "    when_full: {qos0: %s, qos1: %s}\n",
			config_when_full_words[t->when_full_qos0],
			config_when_full_words[t->when_full_qos1]);
		numbers(out, "    ", config_route_keys, t);
	}
}

static void
print_access(const struct pw_access_conf *a, FILE *out)
{
	fprintf(out, "authentication:\n");
	if (a->password_file[0] != '\0') {
		fprintf(out, "  password_file: ");
		quote(out, a->password_file);
		fputc('\n', out);
	}
	if (a->acl_file[0] != '\0') {
		fprintf(out, "  acl_file: ");
		quote(out, a->acl_file);
		fputc('\n', out);
	}
	fprintf(out, "  allow_anonymous: %s\n", config_bool_words[a->allow_anonymous]);
}

static void
print_http(const struct pw_http_conf *h, FILE *out)
{
	if (!h->on)
		return;
	fprintf(out, "http:\n  address: ");
	print_addr(out, &h->address);
	fputc('\n', out);
	numbers(out, "  ", config_http_keys, h);
}

void
pw_config_print(const struct pw_config *c, FILE *out)
{
	const struct pw_forward_settings *s = &c->forward;
	bool v3 = s->lanes & (1u << PW_LANE_3), v5 = s->lanes & (1u << PW_LANE_5);

	fprintf(out, "eal: [");
	for (uint32_t i = 0; i < c->nb_eal; i++) {
		fputs(i > 0 ? ", " : "", out);
		quote(out, c->eal[i]);
	}
	fprintf(out, "]\ninstance: ");
	quote(out, s->instance);
	fprintf(out, "\nclientid_prefix: ");
	quote(out, s->clientid_prefix);
	fprintf(out, "\nserver_reference: ");
	quote(out, s->server_reference);
	fprintf(out, "\nlog:\n  level: %s\n", c->log_level);
	print_workers(c, out);
	fprintf(out, "memory:\n");
	numbers(out, "  ", config_memory_keys, c);
	print_ports(c, out);
	print_brokers(c, out);
	print_routes(s, out);
	fprintf(out, "limits:\n");
	numbers(out, "  ", config_limit_keys, &s->limits);
	numbers(out, "  ", config_wire_keys, c);
	print_access(&c->access, out);
	print_http(&c->http, out);
	fprintf(out, "tcp:\n");
	numbers(out, "  ", config_tcp_keys, &c->tcp);
	fprintf(out, "protocols: [%s%s%s]\n", v3 ? "3.1.1" : "", v3 && v5 ? ", " : "",
		v5 ? "5.0" : "");
}
