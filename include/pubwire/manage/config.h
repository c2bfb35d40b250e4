/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_MANAGE_CONFIG_H
#define PUBWIRE_MANAGE_CONFIG_H

/**
 * @file
 * The configuration file (YAML): loading, checking, printing. Main lcore only; the YAML library
 * allocates. Every refusal is one line: "FILE:LINE:COLUMN: key: what is wrong, what was expected".
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <pubwire/forward/conf.h>
#include <pubwire/worker/worker.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PW_CONFIG_MAX_PORTS 8
#define PW_CONFIG_MAX_EAL   32

/** Who answers pings; in the order of the file's words. */
enum pw_config_icmp { PW_CONFIG_ICMP_PUBWIRE, PW_CONFIG_ICMP_KERNEL };

/** What makes an interface of the kernel; in the order of the file's words. */
enum pw_config_tap { PW_CONFIG_TAP_AUTO, PW_CONFIG_TAP_TAP, PW_CONFIG_TAP_VIRTIO_USER };

/** The kernel's interface beside a port. */
struct pw_config_kernel {
	char interface[16]; /**< its name; empty: there is none */
	uint32_t rate;	    /**< [5000] frames a second, each way */
	uint32_t icmp;	    /**< enum pw_config_icmp */
	uint32_t driver;    /**< enum pw_config_tap */
};

/** A port as configured. */
struct pw_config_port {
	char name[PW_FORWARD_NAME_LEN];
	char device[64];
	struct pw_wire_addr addr[PW_WIRE_MAX_ADDRS];
	uint32_t nb_addrs;
	struct pw_addr gateway;	 /**< all zero: none */
	struct pw_addr gateway6; /**< of IPv6; all zero: none */
	uint16_t mtu;
	uint16_t vlan;
	uint16_t rx_desc, tx_desc;
	uint32_t disable_caps; /**< enum pw_port_cap */
	struct pw_config_kernel kernel;
};

#define PW_CONFIG_FILE_LEN 512

/** Where the password and ACL files lie. */
struct pw_access_conf {
	char password_file[PW_CONFIG_FILE_LEN]; /**< empty: names are not verified */
	char acl_file[PW_CONFIG_FILE_LEN];	/**< empty: anybody may publish anything */
	bool allow_anonymous;			/**< [true without a password file, else false] */
	uint64_t digest; /**< of what the files held when they were checked */
};

#define PW_HTTP_MAX_TOP 50

/** Where the status page and /metrics are. */
struct pw_http_conf {
	bool on;		/**< [false] */
	struct pw_addr address; /**< [127.0.0.1] */
	uint16_t port;		/**< [9883] */
	uint32_t top_devices;	/**< [0] devices that send most, shown by name; 0: none */
};

/** The whole configuration, defaults filled in, validated. Plain data: may be copied and zeroed. */
struct pw_config {
	char eal[PW_CONFIG_MAX_EAL]
		[128]; /**< EAL arguments of the file, before those of the command line */
	uint32_t nb_eal;
	struct pw_config_port port[PW_CONFIG_MAX_PORTS];
	uint32_t nb_ports;
	uint32_t lcore[PW_FORWARD_MAX_WORKERS]; /**< worker lcores */
	uint8_t role[PW_FORWARD_MAX_WORKERS];	/**< enum pw_role bits of each */
	uint32_t nb_workers;
	int32_t main_cpu; /**< CPU of the main lcore; -1: chosen */
	enum pw_idle idle;
	uint32_t idle_sleep_us; /**< longest sleep of an idle worker */
	uint32_t pkt_buffers;	/**< elements of each pool */
	uint32_t hdr_buffers;
	uint32_t ind_buffers;
	uint32_t neighbours; /**< of each worker's table; 0: derived, see pw_config_neighbours() */
	uint32_t fragments;  /**< packets in fragments that a worker may hold */
	struct pw_tcp_conf tcp;
	struct pw_forward_settings forward;
	struct pw_access_conf access;
	struct pw_http_conf http;
	char log_level[16];
};

/** True where there is a password file or an ACL file. */
static inline bool
pw_config_has_access(const struct pw_config *c)
{
	return c->access.password_file[0] != '\0' || c->access.acl_file[0] != '\0';
}

/** pw_config_load_as(): lcores are those of an EAL option, so the file's need not be CPUs. */
#define PW_CONFIG_EAL_LCORES (1u << 0)

/** Level of pubwire's log types: RTE_LOG_* of struct pw_config's log_level. */
uint32_t pw_config_log_level(const struct pw_config *c);

/** True where this process might run on a CPU when it was asked for the first time. */
bool pw_config_cpu_usable(uint32_t cpu);

/** True where an EAL argument says which lcores there are (-l, -c, --lcores, ...). */
bool pw_config_eal_lcores(const char *arg);

/** Fill with the defaults that a file may leave out; no port, listener, broker, route or worker. */
void pw_config_defaults(struct pw_config *c);

/** pw_config_load() with flags (PW_CONFIG_EAL_LCORES or 0). */
int pw_config_load_as(struct pw_config *c, const char *path, uint32_t flags, char *err,
		      size_t err_len) __attribute__((warn_unused_result));

/**
 * Load and check a file.
 *
 * @param err  receives the line of the refusal
 * @return     0; -EINVAL refused; -ENOENT no such file, or another -errno of opening it
 */
int pw_config_load(struct pw_config *c, const char *path, char *err, size_t err_len)
	__attribute__((warn_unused_result));

/**
 * Where a key stands, for what can be checked only once EAL runs: writes "FILE:LINE:COLUMN: path"
 * for a path such as "ports[0].device".
 */
void pw_config_where(const char *file, const char *path, char *buf, size_t len);

/** Write the effective configuration as YAML that pw_config_load() takes. Passwords as "***". */
void pw_config_print(const struct pw_config *c, FILE *out);

/**
 * Write what a file may say as JSON Schema 2020-12: keys, kinds, ranges, words, defaults. Units of
 * numbers stand in "x-unit".
 *
 * @param scratch  overwritten with the defaults
 * @return         0; -ENOENT: a key is in one of the tables only (a mistake in the program)
 */
int pw_config_print_schema(struct pw_config *scratch, FILE *out);

/** Size of each worker's neighbour table: as the file says, else from the devices there may be. */
uint32_t pw_config_neighbours(const struct pw_config *c);

/** Bytes of hugepage memory that a configuration will reserve, and what for, for --check-config. */
struct pw_config_memory {
	size_t pkt, hdr, ind, tcp, sessions, logs;
	size_t wills; /**< topic aliases, QoS 2, and sessions that outlive their connection */
	size_t http;  /**< status page and metrics */
	size_t dpdk;  /**< DPDK's own, and rings and tables of every worker: an estimate */
	size_t total;
	size_t idle;	    /**< of these, what one idle device connection takes */
	size_t connections; /**< and all that is there because of device connections */
	size_t each;	    /**< the same for each of those that there may be */
};
void pw_config_memory(const struct pw_config *c, struct pw_config_memory *m);

#ifdef __cplusplus
}
#endif

#endif
