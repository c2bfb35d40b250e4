/* SPDX-License-Identifier: BSD-3-Clause */
/* The status page: a socket of the kernel's, so loopback and "any" are fine, ports' networks not
 * asked for. */

#include <rte_common.h>

#include "config_pvt.h"

int
config_take_http(struct config_loader *l)
{
	const struct raw_http *r = l->raw->http;
	struct pw_http_conf *h = &l->c->http;
	int rc;

	if (r == NULL)
		return 0;
	h->on = true;
	rc = config_numbers(l, "http", config_http_keys, r, h);
	if (rc != 0 || r->address == NULL)
		return rc;
	if (pw_addr_parse(&h->address, r->address) != 0)
		return config_refuse(l, "http.address",
				     "'%.60s' is no address; expected an IPv4 or IPv6 address of "
				     "this host",
				     r->address);
	/* RFC 1122 3.2.1.3, RFC 4291 2.7 */
	if (pw_addr_is_v4(&h->address) ? h->address.b[12] >= 224 : h->address.b[0] == 0xff)
		return config_refuse(l, "http.address",
				     "'%.60s' is an address of many; expected one of this host, or "
				     "0.0.0.0 or \"::\" for all of them",
				     r->address);
	if (config_port_with(l->c, &h->address) >= 0)
		return config_refuse(
			l, "http.address",
			"%s is an address of pubwire's ports, which the kernel does not "
			"have; expected one of the kernel's",
			r->address);
	if (config_is_link_local(&h->address))
		return config_refuse(
			l, "http.address",
			"'%.60s' is a link-local address, which needs a link; expected "
			"a global or unique local one, or a loopback address",
			r->address);
	return 0;
}
