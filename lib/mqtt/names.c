/* SPDX-License-Identifier: BSD-3-Clause */
#include <pubwire/mqtt/packet.h>

const char *
pw_mqtt_type_str(uint8_t type)
{
#define TYPE_NAME(name, value) [value] = #name,
	static const char *const names[16] = {[0] = "reserved", PW_MQTT_TYPES(TYPE_NAME)};

	return names[type & 0x0F];
}

struct error_row {
	const char *name, *text;
	uint8_t reason;
};

#define ERROR_ROW(id, code, words) [PW_MQTT_E_##id] = {.name = #id, .text = words, .reason = code},
static const struct error_row errors[PW_MQTT_E_MAX] = {PW_MQTT_ERRORS(ERROR_ROW)};

const char *
pw_mqtt_error_name(enum pw_mqtt_error e)
{
	return e < PW_MQTT_E_MAX ? errors[e].name : "UNKNOWN";
}

const char *
pw_mqtt_error_str(enum pw_mqtt_error e)
{
	return e < PW_MQTT_E_MAX ? errors[e].text : "unknown";
}

uint8_t
pw_mqtt_error_reason(enum pw_mqtt_error e)
{
	return e < PW_MQTT_E_MAX ? errors[e].reason : 0x80; /* unspecified error */
}

uint8_t
pw_mqtt_error_return_code(enum pw_mqtt_error e)
{
	switch (e) {
	case PW_MQTT_E_PROTOCOL_NAME:	 /* 3.1.1 3.1.2.1 leaves the answer open; this one is
					    understood */
	case PW_MQTT_E_PROTOCOL_VERSION: /* [MQTT-3.1.2-2] */
		return 0x01;
	case PW_MQTT_E_CLIENT_ID: /* [MQTT-3.1.3-8] */
		return 0x02;
	default:
		return 0;
	}
}

/* 5.0 2.2.2.2, table 2-4 */
const char *
pw_mqtt_prop_str(enum pw_mqtt_prop which)
{
	static const char *const names[PW_MQTT_PROP_MAX] = {
		[PW_MQTT_PROP_PAYLOAD_FORMAT] = "Payload Format Indicator",
		[PW_MQTT_PROP_MESSAGE_EXPIRY] = "Message Expiry Interval",
		[PW_MQTT_PROP_CONTENT_TYPE] = "Content Type",
		[PW_MQTT_PROP_RESPONSE_TOPIC] = "Response Topic",
		[PW_MQTT_PROP_CORRELATION_DATA] = "Correlation Data",
		[PW_MQTT_PROP_SUBSCRIPTION_ID] = "Subscription Identifier",
		[PW_MQTT_PROP_SESSION_EXPIRY] = "Session Expiry Interval",
		[PW_MQTT_PROP_ASSIGNED_CLIENT_ID] = "Assigned Client Identifier",
		[PW_MQTT_PROP_SERVER_KEEP_ALIVE] = "Server Keep Alive",
		[PW_MQTT_PROP_AUTH_METHOD] = "Authentication Method",
		[PW_MQTT_PROP_AUTH_DATA] = "Authentication Data",
		[PW_MQTT_PROP_REQUEST_PROBLEM] = "Request Problem Information",
		[PW_MQTT_PROP_WILL_DELAY] = "Will Delay Interval",
		[PW_MQTT_PROP_REQUEST_RESPONSE] = "Request Response Information",
		[PW_MQTT_PROP_RESPONSE_INFO] = "Response Information",
		[PW_MQTT_PROP_SERVER_REFERENCE] = "Server Reference",
		[PW_MQTT_PROP_REASON_STRING] = "Reason String",
		[PW_MQTT_PROP_RECEIVE_MAXIMUM] = "Receive Maximum",
		[PW_MQTT_PROP_TOPIC_ALIAS_MAXIMUM] = "Topic Alias Maximum",
		[PW_MQTT_PROP_TOPIC_ALIAS] = "Topic Alias",
		[PW_MQTT_PROP_MAXIMUM_QOS] = "Maximum QoS",
		[PW_MQTT_PROP_RETAIN_AVAILABLE] = "Retain Available",
		[PW_MQTT_PROP_USER_PROPERTY] = "User Property",
		[PW_MQTT_PROP_MAXIMUM_PACKET_SIZE] = "Maximum Packet Size",
		[PW_MQTT_PROP_WILDCARD_AVAILABLE] = "Wildcard Subscription Available",
		[PW_MQTT_PROP_SUBSCRIPTION_ID_AVAILABLE] = "Subscription Identifier Available",
		[PW_MQTT_PROP_SHARED_AVAILABLE] = "Shared Subscription Available",
	};

	return which < PW_MQTT_PROP_MAX ? names[which] : "unknown";
}
