/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_MANAGE_CONFIG_PVT_H
#define PUBWIRE_MANAGE_CONFIG_PVT_H

/*
 * How a configuration file becomes a struct pw_config.
 *
 * The file is read twice. libyaml keeps the position of every node, and finds what is not YAML at
 * all. libcyaml holds it against the schema: unknown keys, keys that stand twice, a list where a
 * mapping was wanted. Every leaf is loaded as text and converted here, so that an absent key is
 * told from a zero, and a refusal can say what was expected. Checks name a node by its path
 * ("brokers[1].port"); the position is looked up only when there is something to refuse.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cyaml/cyaml.h>
#include <yaml.h>

#include <pubwire/manage/config.h>

#define CONFIG_PATH_LEN	   160
#define CONFIG_SECTION_LEN 64 /* of a path: "ports[7]" and the like */

/* Least values of keys of which 0 means something of its own. */
#define CONFIG_LEAST_PACKET	256u
#define CONFIG_LEAST_DEADLINE	100u /* ms */
#define CONFIG_LEAST_NEIGHBOURS 64u
/*
 * ms; probes come at a quarter of it, and a peer like us answers those of a connection only once
 * in 500 ms (RFC 5961 10).
 */
#define CONFIG_LEAST_KEEPALIVE 2000u
/* brokers[].restart_timeout */
#define CONFIG_RESTART_LEAST_MS 10
#define CONFIG_RESTART_MOST_MS	86400000

/* A list of texts as libcyaml leaves it. */
struct raw_list {
	char **v;
	uint32_t n;
};

/* What a number counts; decides the suffixes it may carry and the word in a refusal. */
enum num_kind { NUM_COUNT, NUM_BYTES, NUM_MS, NUM_SECONDS, NUM_US };

/*
 * Keys that are numbers. Row: key, field of the destination, kind, least, most.
 * The destination's fields are uint16_t or uint32_t.
 */
#define PORT_NUMBERS(X)                                                                            \
	X(mtu, mtu, NUM_BYTES, 576, 9000)                                                          \
	X(vlan, vlan, NUM_COUNT, 0, 4094)                                                          \
	X(rx_descriptors, rx_desc, NUM_COUNT, 0, 32768)                                            \
	X(tx_descriptors, tx_desc, NUM_COUNT, 0, 32768)

#define KERNEL_NUMBERS(X) X(rate, rate, NUM_COUNT, 1, 1000000)

/* 0: as in limits, or none. */
#define LISTENER_NUMBERS(X)                                                                        \
	X(port, port, NUM_COUNT, 1, 65535)                                                         \
	X(max_connections, max_connections, NUM_COUNT, 0, 268435456)                               \
	X(connect_rate, connect_rate, NUM_COUNT, 0, 10000000)                                      \
	X(message_rate, message_rate, NUM_COUNT, 0, 10000000)                                      \
	X(byte_rate, byte_rate, NUM_BYTES, 0, 4294967295)                                          \
	X(max_packet_size, max_packet_size, NUM_BYTES, 0, 268435460)                               \
	X(connect_deadline, connect_deadline, NUM_MS, 0, 3600000)

#define BROKER_NUMBERS(X)                                                                          \
	X(port, port, NUM_COUNT, 1, 65535)                                                         \
	X(keepalive_interval, keepalive_interval, NUM_MS, 1000, 65535000)                          \
	X(connect_timeout, connect_timeout, NUM_MS, 100, 600000)                                   \
	X(ack_timeout, ack_timeout, NUM_MS, 100, 3600000)                                          \
	X(max_inflight_messages, max_inflight_messages, NUM_COUNT, 1, 32768)                       \
	X(session_expiry_interval, session_expiry_interval, NUM_MS, 0, 4294967294)                 \
	X(max_packet_size, max_packet_size, NUM_BYTES, 0, 268435460)                               \
	X(replay_rate, replay_rate, NUM_COUNT, 0, 1000000)                                         \
	X(failover_delay, failover_delay, NUM_MS, 0, 3600000)                                      \
	X(failback_delay, failback_delay, NUM_MS, 0, 3600000)

/* 0: as much as the log, and the buffers, have room for. */
#define HOLD_NUMBERS(X)                                                                            \
	X(messages, hold_messages, NUM_COUNT, 0, 32768)                                            \
	X(bytes, hold_bytes, NUM_BYTES, 0, 4294967295)

#define ROUTE_NUMBERS(X) X(pool_size, pool_size, NUM_COUNT, 1, PW_FORWARD_MAX_POOL)

/* Limits of what is below forwarding. */
#define WIRE_NUMBERS(X)                                                                            \
	X(neighbours, neighbours, NUM_COUNT, 0, PW_WIRE_NEIGH_MAX)                                 \
	X(fragments, fragments, NUM_COUNT, 0, PW_WIRE_FRAGMENTS_MAX)

#define LIMIT_NUMBERS(X)                                                                           \
	X(max_connections, max_connections, NUM_COUNT, 1, 4194304)                                 \
	X(max_queued_messages, max_queued_messages, NUM_COUNT, 16, 32768)                          \
	X(max_packet_size, max_packet_size, NUM_BYTES, 256, 268435460)                             \
	X(receive_maximum, receive_maximum, NUM_COUNT, 1, 65535)                                   \
	X(topic_alias_maximum, topic_alias_maximum, NUM_COUNT, 0, 256)                             \
	X(connect_deadline, connect_deadline, NUM_MS, 100, 3600000)                                \
	X(max_keepalive, max_keepalive, NUM_SECONDS, 1, 65535)                                     \
	X(max_session_expiry, max_session_expiry, NUM_SECONDS, 0, 2592000)                         \
	X(idle_timeout, idle_timeout, NUM_MS, 0, 4294967294)                                       \
	X(copy_break, copy_break, NUM_BYTES, 0, 2048)                                              \
	X(drain_deadline, drain_deadline, NUM_MS, 0, 3600000)                                      \
	X(message_rate, message_rate, NUM_COUNT, 0, 10000000)                                      \
	X(byte_rate, byte_rate, NUM_BYTES, 0, 4294967295)                                          \
	X(max_extras, max_extras, NUM_COUNT, 0, 4194304)                                           \
	X(max_kept, max_kept, NUM_COUNT, 0, 4194304)

#define TCP_NUMBERS(X)                                                                             \
	X(keepalive, keepalive_ms, NUM_MS, 0, 86400000)                                            \
	X(user_timeout, user_timeout_ms, NUM_MS, 1000, 86400000)                                   \
	X(rx_window, rx_window, NUM_BYTES, 4096, 1073725440)                                       \
	X(tx_queue_bytes, tx_queue_bytes, NUM_BYTES, 4096, 1073725440)                             \
	X(tx_slices, max_tx_slices, NUM_COUNT, 64, 16777216)                                       \
	X(delayed_ack, delack_ms, NUM_MS, 1, 500)                                                  \
	X(min_rto, min_rto_ms, NUM_MS, 10, 60000)                                                  \
	X(max_rto, max_rto_ms, NUM_MS, 1000, 240000)                                               \
	X(syn_retries, syn_retries, NUM_COUNT, 1, 20)                                              \
	X(msl, msl_ms, NUM_MS, 100, 240000)                                                        \
	X(max_time_wait, max_time_wait, NUM_COUNT, 0, 16777216)                                    \
	X(max_out_of_order, max_ooo, NUM_COUNT, 1, 255)                                            \
	X(rx_copy_break, rx_copy_break, NUM_BYTES, 1, 1460)

#define MEMORY_NUMBERS(X)                                                                          \
	X(packet_buffers, pkt_buffers, NUM_COUNT, 512, 16777216)                                   \
	X(header_buffers, hdr_buffers, NUM_COUNT, 256, 16777216)                                   \
	X(indirect_buffers, ind_buffers, NUM_COUNT, 256, 16777216)

#define WORKER_NUMBERS(X) X(idle_sleep, idle_sleep_us, NUM_US, 1, 100000)

#define HTTP_NUMBERS(X)                                                                            \
	X(port, port, NUM_COUNT, 1, 65535)                                                         \
	X(top_devices, top_devices, NUM_COUNT, 0, PW_HTTP_MAX_TOP)

#define RAW_NUMBER(key, field, kind, min, max) char *key;

struct raw_log {
	char *level;
};

struct raw_workers {
	struct raw_list lcores, devices, brokers;
	char *main_cpu;
	char *idle;
	WORKER_NUMBERS(RAW_NUMBER)
};

struct raw_memory {
	MEMORY_NUMBERS(RAW_NUMBER)
};

struct raw_kernel {
	char *interface, *icmp, *driver;
	KERNEL_NUMBERS(RAW_NUMBER)
};

struct raw_port {
	char *name, *device, *gateway, *gateway6;
	struct raw_kernel *kernel;
	struct raw_list addresses, disable_offloads;
	PORT_NUMBERS(RAW_NUMBER)
};

struct raw_listener {
	char *name, *address;
	LISTENER_NUMBERS(RAW_NUMBER)
};

struct raw_hold {
	HOLD_NUMBERS(RAW_NUMBER)
};

struct raw_broker {
	char *name, *address, *username, *password, *protocol, *strict;
	struct raw_hold *hold;
	struct raw_list restart_timeout;
	BROKER_NUMBERS(RAW_NUMBER)
};

struct raw_prefix {
	char *remove, *add;
};

struct raw_when_full {
	char *qos0, *qos1;
};

struct raw_route {
	char *name, *filter, *fanout, *hash_by, *ack;
	struct raw_list brokers;
	struct raw_when_full *when_full;
	struct raw_prefix *topic_prefix;
	ROUTE_NUMBERS(RAW_NUMBER)
};

struct raw_limits {
	LIMIT_NUMBERS(RAW_NUMBER)
	WIRE_NUMBERS(RAW_NUMBER)
};

struct raw_access {
	char *password_file, *acl_file, *allow_anonymous;
};

struct raw_http {
	char *address;
	HTTP_NUMBERS(RAW_NUMBER)
};

struct raw_tcp {
	TCP_NUMBERS(RAW_NUMBER)
};

/* The file, as text; a pointer is NULL where the key is absent. */
struct raw_config {
	struct raw_list eal;
	char *instance, *clientid_prefix, *server_reference;
	struct raw_log *log;
	struct raw_workers *workers;
	struct raw_memory *memory;
	struct raw_port *ports;
	uint32_t nb_ports;
	struct raw_listener *listeners;
	uint32_t nb_listeners;
	struct raw_broker *brokers;
	uint32_t nb_brokers;
	struct raw_route *routes;
	uint32_t nb_routes;
	struct raw_limits *limits;
	struct raw_access *authentication;
	struct raw_http *http;
	struct raw_tcp *tcp;
	struct raw_list protocols;
};

/* One number: where its text lies, where its value goes, what it may be. */
struct num_key {
	const char *key;
	uint32_t raw_off;
	uint32_t dst_off;
	uint32_t dst_size;
	enum num_kind kind;
	int64_t min, max;
};

extern const struct num_key config_port_keys[], config_kernel_keys[], config_listener_keys[],
	config_broker_keys[], config_hold_keys[], config_route_keys[], config_limit_keys[],
	config_wire_keys[], config_tcp_keys[], config_memory_keys[], config_worker_keys[],
	config_http_keys[]; /* ended by a NULL key */

extern const cyaml_schema_value_t config_schema;

/* Suffix of a number of this kind: the first is "", and NULL follows the last. */
const char *config_number_suffix(enum num_kind kind, uint32_t i);

/* Value of a number's destination. */
uint64_t config_number_get(const struct num_key *k, const void *dst);

/* Words of the enumerations, in the order of their values; ended by NULL. */
extern const char *const config_idle_words[];
extern const char *const config_icmp_words[];
extern const char *const config_tap_words[];
extern const char *const config_level_words[]; /* index + 1 is RTE_LOG_ */
extern const char *const config_ack_words[];
extern const char *const config_fanout_words[];
extern const char *const config_hash_by_words[];
extern const char *const config_when_full_words[];
extern const char *const config_bool_words[];
extern const char *const config_protocol_words[];
extern const char *const config_lane_words[];
extern const char *const config_offload_words[]; /* in the order of config_cap_words */

struct cap_word {
	const char *word;
	uint32_t cap;
};
extern const struct cap_word config_cap_words[]; /* ended by a NULL word */

/* A load in progress. */
struct config_loader {
	const char *file;
	uint32_t flags;
	size_t len; /* bytes of the file */
	yaml_document_t doc;
	bool has_doc;
	const struct raw_config *raw;
	struct pw_config *c;
	char *err;
	size_t err_len;
	char cyaml_error[512];		  /* first line that libcyaml logged */
	char cyaml_path[CONFIG_PATH_LEN]; /* where it was */
};

/* Read and parse the file: syntax, one document. 0 or -errno with l->err. */
int config_yaml_open(struct config_loader *l);
void config_yaml_close(struct config_loader *l);

/* Line and column (from 1) of a path's value, or of its key; the nearest parent where it is absent.
 */
void config_yaml_locate(const struct config_loader *l, const char *path, bool key, size_t *line,
			size_t *column);

/* True where the file has the path: libcyaml can't tell an empty list from none. */
bool config_yaml_present(const struct config_loader *l, const char *path);

/* Hold the file against the schema. *raw is released with config_raw_free(). 0 or -EINVAL. */
int config_raw_load(struct config_loader *l, struct raw_config **raw);
void config_raw_free(struct raw_config *raw);

/* Write "FILE:LINE:COLUMN: path: text" to l->err; returns -EINVAL. */
int config_refuse(struct config_loader *l, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same, at the key itself. */
int config_refuse_key(struct config_loader *l, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* config_forward.c: connections beside those of devices and to brokers. */
uint32_t config_closing(const struct pw_config *c);

/* Converters; each refuses at the path. */
int config_number(struct config_loader *l, const char *path, const char *text,
		  const struct num_key *k, uint64_t *out);
int config_numbers(struct config_loader *l, const char *section, const struct num_key *keys,
		   const void *raw, void *dst);
int config_word(struct config_loader *l, const char *path, const char *text,
		const char *const *words, uint32_t *out);
int config_name(struct config_loader *l, const char *path, const char *text, char *dst);

/* config_addr.c */
/* A unicast address of either family, known beyond its link. */
int config_addr(struct config_loader *l, const char *path, const char *text, struct pw_addr *out);
/* A neighbour's of one family, a link-local one too. */
int config_gateway_addr(struct config_loader *l, const char *path, const char *text, bool v4,
			struct pw_addr *out);
/* A host's address and the length of its network's prefix: "10.77.0.1/16", "fd77::1/64". */
int config_prefix(struct config_loader *l, const char *path, const char *text,
		  struct pw_wire_addr *out);
bool config_on_link(const struct pw_wire_addr *net, const struct pw_addr *a);
bool config_is_link_local(const struct pw_addr *a);

/* config_found.c */
/* True for "auto" and "auto:N". */
bool config_is_auto(const char *text);
/* Add workers on CPUs that the process may use, N of them or all but one, with a role. */
int config_auto_lcores(struct config_loader *l, const char *path, const char *text, uint8_t role);
/* A device's name, or "env:NAME[:N]": the Nth PCI address in a variable, which EAL is told to
 * allow. */
int config_device(struct config_loader *l, const char *path, const char *text, char *dst,
		  size_t room);

/* The sections, in the order in which they are checked. */
int config_take_eal(struct config_loader *l);
int config_take_workers(struct config_loader *l);
int config_take_ports(struct config_loader *l);
/* config_kernel.c: a port's `kernel`; the ports before it are known. */
int config_take_kernel(struct config_loader *l, const char *section, const struct raw_kernel *r,
		       struct pw_config_kernel *k);
/* Packet buffers that stand ready for frames of one interface of the kernel. */
#define CONFIG_KERNEL_BUFFERS 256
/* Packet buffers that receive queues hold before a frame has come: one a descriptor. */
uint64_t config_posted(const struct pw_config *c);
int config_take_listeners(struct config_loader *l);
int config_take_brokers(struct config_loader *l);
int config_take_routes(struct config_loader *l);
int config_take_limits(struct config_loader *l);
/* What the rest comes to. */
int config_size(struct config_loader *l);
int config_take_access(struct config_loader *l);
int config_take_http(struct config_loader *l);

/* The port that has an address itself, or on whose network it is; -1 where none. */
int config_port_with(const struct pw_config *c, const struct pw_addr *a);
int config_port_onlink(const struct pw_config *c, const struct pw_addr *a);
/* A port's gateway of one family; NULL where it has none. */
const struct pw_addr *config_gateway(const struct pw_config_port *p, bool v4);

#endif
