/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shape of the file, for libcyaml, and the tables of its numbers and words. Every key is
 * optional here: what must be there is checked later, where a refusal can say why.
 */

#include <rte_common.h>

#include "config_pvt.h"

#define TEXT_MAX 4096
#define LIST_MAX 1024

#define TEXT(tag, key)                                                                             \
	CYAML_FIELD_STRING_PTR(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct tag, key, 0, \
			       TEXT_MAX)

static const cyaml_schema_value_t text_value = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, TEXT_MAX),
};

#define LIST_OF(name, tag, field_, count_, type_, item)                                            \
	{                                                                                          \
		.key = name,                                                                       \
		.value = {.type = CYAML_SEQUENCE,                                                  \
			  .flags = CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,                       \
			  .data_size = sizeof(type_),                                              \
			  .sequence = {.entry = &(item), .min = 0, .max = LIST_MAX}},              \
		.data_offset = offsetof(struct tag, field_), .count_size = sizeof(uint32_t),       \
		.count_offset = offsetof(struct tag, count_),                                      \
	}
#define TEXTS(tag, key) LIST_OF(#key, tag, key.v, key.n, char *, text_value)

#define PART(tag, key, part, fields)                                                               \
	CYAML_FIELD_MAPPING_PTR(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct tag, key,   \
				fields)

#define PORT_TEXT(key, ...)	TEXT(raw_port, key),
#define KERNEL_TEXT(key, ...)	TEXT(raw_kernel, key),
#define LISTENER_TEXT(key, ...) TEXT(raw_listener, key),
#define BROKER_TEXT(key, ...)	TEXT(raw_broker, key),
#define HOLD_TEXT(key, ...)	TEXT(raw_hold, key),
#define ROUTE_TEXT(key, ...)	TEXT(raw_route, key),
#define LIMIT_TEXT(key, ...)	TEXT(raw_limits, key),
#define TCP_TEXT(key, ...)	TEXT(raw_tcp, key),
#define MEMORY_TEXT(key, ...)	TEXT(raw_memory, key),
#define WORKER_TEXT(key, ...)	TEXT(raw_workers, key),
#define HTTP_TEXT(key, ...)	TEXT(raw_http, key),

static const cyaml_schema_field_t log_fields[] = {TEXT(raw_log, level), CYAML_FIELD_END};

static const cyaml_schema_field_t workers_fields[] = {
	TEXTS(raw_workers, lcores),  TEXTS(raw_workers, devices),
	TEXTS(raw_workers, brokers), TEXT(raw_workers, main_cpu),
	TEXT(raw_workers, idle),     WORKER_NUMBERS(WORKER_TEXT) CYAML_FIELD_END};

static const cyaml_schema_field_t memory_fields[] = {MEMORY_NUMBERS(MEMORY_TEXT) CYAML_FIELD_END};

static const cyaml_schema_field_t kernel_fields[] = {
	TEXT(raw_kernel, interface), TEXT(raw_kernel, icmp), TEXT(raw_kernel, driver),
	KERNEL_NUMBERS(KERNEL_TEXT) CYAML_FIELD_END};

static const cyaml_schema_field_t port_fields[] = {
	TEXT(raw_port, name),
	TEXT(raw_port, device),
	TEXTS(raw_port, addresses),
	TEXT(raw_port, gateway),
	TEXT(raw_port, gateway6),
	PORT_NUMBERS(PORT_TEXT) TEXTS(raw_port, disable_offloads),
	PART(raw_port, kernel, raw_kernel, kernel_fields),
	CYAML_FIELD_END};
static const cyaml_schema_value_t port_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_port, port_fields)};

static const cyaml_schema_field_t listener_fields[] = {
	TEXT(raw_listener, name), TEXT(raw_listener, address),
	LISTENER_NUMBERS(LISTENER_TEXT) CYAML_FIELD_END};
static const cyaml_schema_value_t listener_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_listener, listener_fields)};

static const cyaml_schema_field_t hold_fields[] = {HOLD_NUMBERS(HOLD_TEXT) CYAML_FIELD_END};

static const cyaml_schema_field_t broker_fields[] = {TEXT(raw_broker, name),
						     TEXT(raw_broker, address),
						     TEXT(raw_broker, username),
						     TEXT(raw_broker, password),
						     TEXT(raw_broker, protocol),
						     TEXT(raw_broker, strict),
						     BROKER_NUMBERS(BROKER_TEXT)
							     TEXTS(raw_broker, restart_timeout),
						     PART(raw_broker, hold, raw_hold, hold_fields),
						     CYAML_FIELD_END};
static const cyaml_schema_value_t broker_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_broker, broker_fields)};

static const cyaml_schema_field_t when_full_fields[] = {TEXT(raw_when_full, qos0),
							TEXT(raw_when_full, qos1), CYAML_FIELD_END};

static const cyaml_schema_field_t prefix_fields[] = {TEXT(raw_prefix, remove),
						     TEXT(raw_prefix, add), CYAML_FIELD_END};

static const cyaml_schema_field_t route_fields[] = {
	TEXT(raw_route, name),
	TEXT(raw_route, filter),
	TEXTS(raw_route, brokers),
	TEXT(raw_route, fanout),
	TEXT(raw_route, hash_by),
	TEXT(raw_route, ack),
	PART(raw_route, when_full, raw_when_full, when_full_fields),
	PART(raw_route, topic_prefix, raw_prefix, prefix_fields),
	ROUTE_NUMBERS(ROUTE_TEXT) CYAML_FIELD_END};
static const cyaml_schema_value_t route_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_route, route_fields)};

static const cyaml_schema_field_t limits_fields[] = {
	LIMIT_NUMBERS(LIMIT_TEXT) WIRE_NUMBERS(LIMIT_TEXT) CYAML_FIELD_END};
static const cyaml_schema_field_t tcp_fields[] = {TCP_NUMBERS(TCP_TEXT) CYAML_FIELD_END};

static const cyaml_schema_field_t access_fields[] = {
	TEXT(raw_access, password_file), TEXT(raw_access, acl_file),
	TEXT(raw_access, allow_anonymous), CYAML_FIELD_END};

static const cyaml_schema_field_t http_fields[] = {TEXT(raw_http, address),
						   HTTP_NUMBERS(HTTP_TEXT) CYAML_FIELD_END};

static const cyaml_schema_field_t top_fields[] = {
	TEXTS(raw_config, eal),
	TEXT(raw_config, instance),
	TEXT(raw_config, clientid_prefix),
	TEXT(raw_config, server_reference),
	PART(raw_config, log, raw_log, log_fields),
	PART(raw_config, workers, raw_workers, workers_fields),
	PART(raw_config, memory, raw_memory, memory_fields),
	LIST_OF("ports", raw_config, ports, nb_ports, struct raw_port, port_value),
	LIST_OF("listeners", raw_config, listeners, nb_listeners, struct raw_listener,
		listener_value),
	LIST_OF("brokers", raw_config, brokers, nb_brokers, struct raw_broker, broker_value),
	LIST_OF("routes", raw_config, routes, nb_routes, struct raw_route, route_value),
	PART(raw_config, limits, raw_limits, limits_fields),
	PART(raw_config, authentication, raw_access, access_fields),
	PART(raw_config, http, raw_http, http_fields),
	PART(raw_config, tcp, raw_tcp, tcp_fields),
	TEXTS(raw_config, protocols),
	CYAML_FIELD_END};

const cyaml_schema_value_t config_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_config, top_fields)};

#define KEY(raw, dst, key_, field, kind_, min_, max_)                                              \
	{.key = #key_,                                                                             \
	 .raw_off = offsetof(struct raw, key_),                                                    \
	 .dst_off = offsetof(struct dst, field),                                                   \
	 .dst_size = sizeof(((struct dst *)0)->field),                                             \
	 .kind = kind_,                                                                            \
	 .min = min_,                                                                              \
	 .max = max_},
#define PORT_KEY(...)	  KEY(raw_port, pw_config_port, __VA_ARGS__)
#define KERNEL_KEY(...)	  KEY(raw_kernel, pw_config_kernel, __VA_ARGS__)
#define LISTENER_KEY(...) KEY(raw_listener, pw_listener_conf, __VA_ARGS__)
#define BROKER_KEY(...)	  KEY(raw_broker, pw_broker_conf, __VA_ARGS__)
#define HOLD_KEY(...)	  KEY(raw_hold, pw_broker_conf, __VA_ARGS__)
#define ROUTE_KEY(...)	  KEY(raw_route, pw_route_conf, __VA_ARGS__)
#define LIMIT_KEY(...)	  KEY(raw_limits, pw_limits_conf, __VA_ARGS__)
#define WIRE_KEY(...)	  KEY(raw_limits, pw_config, __VA_ARGS__)
#define TCP_KEY(...)	  KEY(raw_tcp, pw_tcp_conf, __VA_ARGS__)
#define MEMORY_KEY(...)	  KEY(raw_memory, pw_config, __VA_ARGS__)
#define WORKER_KEY(...)	  KEY(raw_workers, pw_config, __VA_ARGS__)
#define HTTP_KEY(...)	  KEY(raw_http, pw_http_conf, __VA_ARGS__)

const struct num_key config_port_keys[] = {PORT_NUMBERS(PORT_KEY){NULL}};
const struct num_key config_kernel_keys[] = {KERNEL_NUMBERS(KERNEL_KEY){NULL}};
const struct num_key config_listener_keys[] = {LISTENER_NUMBERS(LISTENER_KEY){NULL}};
const struct num_key config_broker_keys[] = {BROKER_NUMBERS(BROKER_KEY){NULL}};
const struct num_key config_hold_keys[] = {HOLD_NUMBERS(HOLD_KEY){NULL}};
const struct num_key config_route_keys[] = {ROUTE_NUMBERS(ROUTE_KEY){NULL}};
const struct num_key config_limit_keys[] = {LIMIT_NUMBERS(LIMIT_KEY){NULL}};
const struct num_key config_wire_keys[] = {WIRE_NUMBERS(WIRE_KEY){NULL}};
const struct num_key config_tcp_keys[] = {TCP_NUMBERS(TCP_KEY){NULL}};
const struct num_key config_memory_keys[] = {MEMORY_NUMBERS(MEMORY_KEY){NULL}};
const struct num_key config_worker_keys[] = {WORKER_NUMBERS(WORKER_KEY){NULL}};
const struct num_key config_http_keys[] = {HTTP_NUMBERS(HTTP_KEY){NULL}};

const char *const config_idle_words[] = {"poll", "adaptive", "interrupt", NULL};
const char *const config_icmp_words[] = {"pubwire", "kernel", NULL};
const char *const config_tap_words[] = {"auto", "tap", "virtio-user", NULL};
const char *const config_level_words[] = {"emergency", "alert", "critical", "error", "warning",
					  "notice",    "info",	"debug",    NULL};
const char *const config_fanout_words[] = {"all", "hash", "failover", "round_robin", NULL};
const char *const config_hash_by_words[] = {"client_id", "topic", NULL};
const char *const config_ack_words[] = {"all", "any", "quorum:K", "local", NULL};
const char *const config_protocol_words[] = {"auto", "3.1.1", "5.0", NULL};
const char *const config_lane_words[] = {"3.1.1", "5.0", NULL};
const char *const config_bool_words[] = {"false", "true", NULL};
const char *const config_when_full_words[] = {"block", "drop", "detach", NULL};

#define OFFLOADS(X)                                                                                \
	X("rx-cksum", PW_PORT_RX_CKSUM)                                                            \
	X("ip-cksum", PW_PORT_TX_IP_CKSUM)                                                         \
	X("tcp-cksum", PW_PORT_TX_TCP_CKSUM)                                                       \
	X("multi-seg", PW_PORT_TX_MULTI_SEG)                                                       \
	X("tso", PW_PORT_TX_TSO)                                                                   \
	X("rss", PW_PORT_RX_RSS)                                                                   \
	X("vlan", PW_PORT_TX_VLAN)
#define OFFLOAD_CAP(word, cap)	{word, cap},
#define OFFLOAD_WORD(word, cap) word,

const struct cap_word config_cap_words[] = {OFFLOADS(OFFLOAD_CAP){NULL, 0}};
const char *const config_offload_words[] = {OFFLOADS(OFFLOAD_WORD) NULL};
