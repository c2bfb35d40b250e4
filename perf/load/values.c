/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pubwire/mqtt/topic.h>

#include "values.h"

int
value_refuse(const char *option, const char *text, const char *expected)
{
	fprintf(stderr, "%s: %s%s: '%s'; expected %s\n", program_invocation_short_name,
		strlen(option) == 1 ? "-" : "--", option, text, expected);
	return -1;
}

int
value_number(const char *option, const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
	char expected[64], *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	if (errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == '\0' && *out >= least &&
	    *out <= most)
		return 0;
	snprintf(expected, sizeof(expected), "%llu to %llu", (unsigned long long)least,
		 (unsigned long long)most);
	return value_refuse(option, text, expected);
}

int
value_number32(const char *option, const char *text, uint32_t least, uint32_t most, uint32_t *out)
{
	uint64_t n;

	if (value_number(option, text, least, most, &n) < 0)
		return -1;
	*out = (uint32_t)n;
	return 0;
}

int
value_seconds(const char *option, const char *text, double least, double *out)
{
	char expected[64], *end;

	*out = strtod(text, &end);
	if (end != text && *end == '\0' && isfinite(*out) && *out >= least && *out <= 86400)
		return 0;
	snprintf(expected, sizeof(expected), "a number of seconds, %g to 86400", least);
	return value_refuse(option, text, expected);
}

int
value_address(const char *option, const char *text, uint32_t *out)
{
	struct in_addr a;

	if (inet_pton(AF_INET, text, &a) != 1)
		return value_refuse(option, text, "an IPv4 address");
	*out = ntohl(a.s_addr);
	return 0;
}

int
value_endpoint(const char *option, const char *text, uint32_t *addr, uint16_t *port)
{
	char host[32];
	const char *colon = strchr(text, ':');
	uint32_t n;

	snprintf(host, sizeof(host), "%.*s", (int)(colon != NULL ? colon - text : 31), text);
	if (value_address(option, host, addr) < 0)
		return -1;
	if (colon == NULL)
		return 0;
	if (value_number32(option, colon + 1, 1, UINT16_MAX, &n) < 0)
		return -1;
	*port = (uint16_t)n;
	return 0;
}

int
value_topic(const char *option, const char *text, const char **out)
{
	size_t len = strlen(text);

	*out = text;
	if (len > 100 || !pw_mqtt_topic_valid((const uint8_t *)text, (uint32_t)len))
		return value_refuse(option, text, "a topic of 1 to 100 bytes, without wildcards");
	return 0;
}
