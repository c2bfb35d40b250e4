/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include <pubwire/base/addr.h>

int
pw_addr_parse(struct pw_addr *a, const char *text)
{
	uint32_t be;

	if (inet_pton(AF_INET, text, &be) == 1)
		*a = pw_addr_v4(be);
	else if (inet_pton(AF_INET6, text, a->b) != 1)
		return -EINVAL;
	return 0;
}

const char *
pw_addr_str(const struct pw_addr *a, char *buf)
{
	if (pw_addr_is_v4(a))
		(void)inet_ntop(AF_INET, &a->b[12], buf, PW_ADDR_STRLEN);
	else
		(void)inet_ntop(AF_INET6, a->b, buf, PW_ADDR_STRLEN);
	return buf;
}

const char *
pw_addr_port_str(const struct pw_addr *a, uint16_t port, char *buf)
{
	char addr[PW_ADDR_STRLEN];

	/* RFC 3986 3.2.2: brackets, where the address has colons of its own. */
	snprintf(buf, PW_ADDR_PORT_STRLEN, pw_addr_is_v4(a) ? "%s:%u" : "[%s]:%u",
		 pw_addr_str(a, addr), port);
	return buf;
}
