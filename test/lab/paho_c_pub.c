/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Paho C as a device. The arguments, and what is published, are those of every client of test/lab
 * (see kit.py): paho_c_pub ADDRESS VERSION CLIENT COUNT TOPICS SIZES QOS
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <MQTTClient.h>

#define MAX_LIST 32

static int
parse_list(char *text, size_t *out)
{
	int n = 0;

	for (char *p = strtok(text, ","); p != NULL && n < MAX_LIST; p = strtok(NULL, ","))
		out[n++] = strtoul(p, NULL, 10);
	return n;
}

/* "CLIENT/INDEX;" over and over, cut at size. */
static void
fill(char *p, size_t size, const char *client, int index)
{
	char unit[96];
	int n = snprintf(unit, sizeof(unit), "%s/%d;", client, index);

	for (size_t i = 0; i < size; i++)
		p[i] = unit[i % n];
}

static int
on_message(void *context, char *topic, int len, MQTTClient_message *m)
{
	(void)context;
	(void)len;
	MQTTClient_freeMessage(&m);
	MQTTClient_free(topic);
	return 1;
}

static int
publish(MQTTClient c, int version, const char *topic, void *payload, size_t size, int qos)
{
	MQTTClient_deliveryToken token = 0;
	int rc;

	if (version == 5) {
		MQTTResponse r = MQTTClient_publish5(c, topic, size, payload, qos, 0, NULL, &token);

		rc = r.reasonCode;
		MQTTResponse_free(r);
	} else {
		rc = MQTTClient_publish(c, topic, size, payload, qos, 0, &token);
	}
	return rc;
}

static int
run(MQTTClient c, int version, const char *client, int count, int topics, char *sizes_text,
    char *qos_text)
{
	size_t sizes[MAX_LIST], qos[MAX_LIST];
	int nb_sizes = parse_list(sizes_text, sizes), nb_qos = parse_list(qos_text, qos);
	char topic[128], *payload = malloc(1 << 20);
	int rc = 0;

	if (payload == NULL || nb_sizes < 1 || nb_qos < 1)
		return 64;
	for (int i = 0; i < count && rc == 0; i++) {
		size_t size = sizes[i % nb_sizes];

		if (size > 1 << 20)
			return 64;
		snprintf(topic, sizeof(topic), "lab/%s/%d", client, i % topics);
		fill(payload, size, client, i);
		rc = publish(c, version, topic, payload, size, qos[i % nb_qos]);
		if (rc != 0)
			fprintf(stderr, "paho_c_pub: message %d: %d\n", i, rc);
	}
	free(payload);
	return rc;
}

/* Wait for the PUBACKs that are still out. */
static int
settle(MQTTClient c)
{
	for (int turn = 0; turn < 300; turn++) {
		MQTTClient_deliveryToken *tokens = NULL;
		int rc = MQTTClient_getPendingDeliveryTokens(c, &tokens);
		int pending = rc == 0 && tokens != NULL && tokens[0] != -1;

		if (tokens != NULL && pending)
			MQTTClient_waitForCompletion(c, tokens[0], 1000);
		MQTTClient_free(tokens);
		if (!pending)
			return 0;
	}
	fprintf(stderr, "paho_c_pub: not everything was acknowledged\n");
	return 1;
}

int
main(int argc, char **argv)
{
	MQTTClient_createOptions create = MQTTClient_createOptions_initializer;
	MQTTClient_connectOptions v3 = MQTTClient_connectOptions_initializer;
	MQTTClient_connectOptions v5 = MQTTClient_connectOptions_initializer5;
	MQTTClient_connectOptions *opts;
	MQTTClient c;
	char uri[64];
	int rc, version;

	if (argc != 8) {
		fprintf(stderr,
			"usage: paho_c_pub ADDRESS VERSION CLIENT COUNT TOPICS SIZES QOS\n");
		return 64;
	}
	version = atoi(argv[2]);
	create.MQTTVersion = version == 5 ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
	snprintf(uri, sizeof(uri), "tcp://%s:1883", argv[1]);
	rc = MQTTClient_createWithOptions(&c, uri, argv[3], MQTTCLIENT_PERSISTENCE_NONE, NULL,
					  &create);
	if (rc != 0)
		return 1;
	opts = version == 5 ? &v5 : &v3;
	opts->MQTTVersion = create.MQTTVersion;
	opts->keepAliveInterval = 30;
	/* Not one message at a time, but a window; with a call-back a thread takes the PUBACKs. */
	opts->reliable = 0;
	opts->maxInflightMessages = 20;
	MQTTClient_setCallbacks(c, NULL, NULL, on_message, NULL);
	if (version == 5) {
		MQTTResponse r = MQTTClient_connect5(c, opts, NULL, NULL);

		rc = r.reasonCode;
		MQTTResponse_free(r);
	} else {
		rc = MQTTClient_connect(c, opts);
	}
	if (rc != 0) {
		fprintf(stderr, "paho_c_pub: connect: %d\n", rc);
		return 1;
	}
	rc = run(c, version, argv[3], atoi(argv[4]), atoi(argv[5]), argv[6], argv[7]);
	if (rc == 0)
		rc = settle(c);
	if (version == 5)
		MQTTClient_disconnect5(c, 10000, MQTTREASONCODE_SUCCESS, NULL);
	else
		MQTTClient_disconnect(c, 10000);
	MQTTClient_destroy(&c);
	return rc == 0 ? 0 : 1;
}
