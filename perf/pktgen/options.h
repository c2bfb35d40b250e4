/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_OPTIONS_H
#define PKTGEN_OPTIONS_H

/* What the command line asks for. */

#include <stdbool.h>
#include <stdint.h>

#include "net.h"
#include "shape.h"

#define OPTIONS_BROKERS	    16 /* what a stack of lib/tcp listens to */
#define OPTIONS_CONNECTIONS 4000000
#define OPTIONS_FULL	    UINT32_MAX

/* What is sent: MQTT by devices, or frames without any state. */
enum options_mode {
	MODE_MQTT,
	MODE_L2,  /* Ethernet, of a type for experiments */
	MODE_L3,  /* UDP over IPv4 */
	MODE_SYN, /* TCP connection requests */
};

struct options {
	enum options_mode mode;
	uint32_t frame; /* bytes, without the checksum of Ethernet */

	const char *devices_port, *brokers_port; /* names of ethdevs */
	uint32_t target;			 /* host order, as all addresses here */
	uint16_t target_port;
	uint32_t queues, devices_queue, brokers_queue; /* see net.h */
	struct net_range clients;
	uint32_t link; /* of the devices' port */
	uint32_t broker;
	uint16_t broker_port;
	uint32_t brokers;
	bool fanout_one; /* a message goes to one of the brokers, else to all */

	bool light; /* TCP of the devices: lite.h instead of lib/tcp */
	uint32_t connections;
	uint32_t connect_rate; /* a second */
	uint32_t churn;	       /* a second */
	uint32_t silent;       /* percent of the devices */
	uint32_t slow;	       /* percent of the devices */
	uint16_t keepalive;    /* s */
	uint8_t version;       /* enum pw_mqtt_version */

	uint8_t qos;
	const char *topic;
	struct shape_size size[SHAPE_SIZES];
	uint32_t nb_sizes;
	uint32_t per_segment; /* messages, OPTIONS_FULL: as many as fit */
	uint64_t rate;	      /* messages a second, 0: as many as go */
	uint32_t window;      /* messages on their way in all, without a rate */
	uint32_t inflight;    /* of one device, QoS 1 and 2 */

	double warmup, seconds;
	uint32_t buffers;
	const char *json, *percentiles, *puback_percentiles, *slots;
	bool quiet;
	bool yield; /* who shares the CPU may have it after a turn without work */
	bool hold;  /* keep the ports until the standard input ends */
};

/*
 * Read the arguments up to "--". *rest receives the index of the first behind it.
 *
 * @return  0; 1 where help was asked for and given; -1 with a line on stderr
 */
int options_read(struct options *o, int argc, char **argv, int *rest);

#endif
