/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's interface beside a port. */

#include <stdio.h>
#include <string.h>

#include "config_pvt.h"

#define NAME_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"

/* Letters that neither Linux, a shell nor an argument of DPDK takes for something else. */
static int
take_name(struct config_loader *l, const char *path, const char *text, struct pw_config_kernel *k)
{
	size_t len = text != NULL ? strlen(text) : 0;

	if (len == 0 || len >= sizeof(k->interface) || strspn(text, NAME_LETTERS) != len ||
	    strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return config_refuse(l, path,
				     "%s; expected a name for the kernel's interface, 1 to %zu of "
				     "A-Z a-z 0-9 _ . -",
				     text == NULL ? "missing" : "not a name of an interface",
				     sizeof(k->interface) - 1);
	for (uint32_t i = 0; i < l->c->nb_ports; i++)
		if (strcmp(l->c->port[i].kernel.interface, text) == 0)
			return config_refuse(l, path,
					     "'%s' is port '%s' already; expected each name once",
					     text, l->c->port[i].name);
	snprintf(k->interface, sizeof(k->interface), "%s", text);
	return 0;
}

int
config_take_kernel(struct config_loader *l, const char *section, const struct raw_kernel *r,
		   struct pw_config_kernel *k)
{
	char path[CONFIG_PATH_LEN], below[CONFIG_SECTION_LEN + 8];
	int rc;

	snprintf(path, sizeof(path), "%s.kernel.interface", section);
	rc = take_name(l, path, r->interface, k);
	snprintf(below, sizeof(below), "%s.kernel", section);
	if (rc == 0)
		rc = config_numbers(l, below, config_kernel_keys, r, k);
	snprintf(path, sizeof(path), "%s.icmp", below);
	if (rc == 0 && r->icmp != NULL)
		rc = config_word(l, path, r->icmp, config_icmp_words, &k->icmp);
	snprintf(path, sizeof(path), "%s.driver", below);
	if (rc == 0 && r->driver != NULL)
		rc = config_word(l, path, r->driver, config_tap_words, &k->driver);
	return rc;
}
