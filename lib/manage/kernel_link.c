/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rtnetlink(7) through libmnl: one request at a time, each with its acknowledgement. Addresses are
 * the port's, which pubwire announces, defends and asks for duplicates of (RFC 4862 5.4), so that
 * the kernel does not do it again.
 */

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <libmnl/libmnl.h>

#include <pubwire/base/log.h>
#include <pubwire/manage/kernel.h>

#define LINK_LOCAL_BITS 64  /* RFC 4291 2.5.6 */
#define GEN_MODE_NONE	"1" /* ip-sysctl: addr_gen_mode */
#define OWN_ADDRESSES	"1" /* arp_ignore: those of the interface that was asked through */
#define REQUEST_MAX	512 /* bytes: ours have a few attributes of at most 16 */

static bool
is_set(const struct pw_addr *a)
{
	static const struct pw_addr none;

	return !pw_addr_eq(a, &none);
}

static void
sysctl(const char *interface, const char *family, const char *key, const char *value)
{
	char path[128];
	FILE *f;
	bool ok;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, interface, key);
	f = fopen(path, "w");
	if (f == NULL && errno == ENOENT) /* no such interface yet, or a kernel without IPv6 */
		return;
	ok = f != NULL && fputs(value, f) >= 0;
	if (f != NULL && fclose(f) != 0)
		ok = false;
	if (!ok)
		PW_LOG(manage, WARNING, "%s can't be set to %s: %s", path, value, strerror(errno));
}

void
pw_kernel_link_tame(const struct pw_kernel_link *l)
{
	sysctl(l->interface, "ipv4", "arp_ignore", OWN_ADDRESSES);
	sysctl(l->interface, "ipv6", "accept_ra", "0");
	sysctl(l->interface, "ipv6", "autoconf", "0");
	if (is_set(&l->link_local))
		sysctl(l->interface, "ipv6", "addr_gen_mode", GEN_MODE_NONE);
}

/* Send a request and wait for what the kernel says of it. 0 or -errno. */
static int
ask(struct mnl_socket *s, struct nlmsghdr *nlh)
{
	char answer[4096];
	ssize_t n;

	nlh->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = (uint32_t)time(NULL);
	if (mnl_socket_sendto(s, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	n = mnl_socket_recvfrom(s, answer, sizeof(answer));
	if (n < 0)
		return -errno;
	if (mnl_cb_run(answer, (size_t)n, nlh->nlmsg_seq, mnl_socket_get_portid(s), NULL, NULL) < 0)
		return -errno;
	return 0;
}

static int
bring_up(struct mnl_socket *s, const struct pw_kernel_link *l, unsigned int index)
{
	char room[REQUEST_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(room);
	struct ifinfomsg *info;

	nlh->nlmsg_type = RTM_NEWLINK;
	info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	info->ifi_index = (int)index;
	info->ifi_flags = IFF_UP;
	info->ifi_change = IFF_UP;
	mnl_attr_put_u32(nlh, IFLA_MTU, l->mtu);
	mnl_attr_put(nlh, IFLA_ADDRESS, sizeof(l->mac), &l->mac);
	return ask(s, nlh);
}

static int
add_address(struct mnl_socket *s, unsigned int index, const struct pw_addr *a, uint8_t prefix_len)
{
	char room[REQUEST_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(room);
	bool v4 = pw_addr_is_v4(a);
	struct ifaddrmsg *ifa;
	int rc;

	nlh->nlmsg_type = RTM_NEWADDR;
	nlh->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	ifa->ifa_family = v4 ? AF_INET : AF_INET6;
	ifa->ifa_prefixlen = prefix_len;
	ifa->ifa_flags = v4 ? 0 : IFA_F_NODAD;
	ifa->ifa_scope = v4 || prefix_len != LINK_LOCAL_BITS || a->b[0] != 0xfe ? RT_SCOPE_UNIVERSE
										: RT_SCOPE_LINK;
	ifa->ifa_index = index;
	if (v4) {
		uint32_t be = pw_addr_be32(a);

		mnl_attr_put(nlh, IFA_LOCAL, sizeof(be), &be);
		mnl_attr_put(nlh, IFA_ADDRESS, sizeof(be), &be);
	} else {
		mnl_attr_put(nlh, IFA_LOCAL, sizeof(a->b), a->b);
		mnl_attr_put(nlh, IFA_ADDRESS, sizeof(a->b), a->b);
	}
	rc = ask(s, nlh);
	return rc == -EEXIST ? 0 : rc; /* the kernel may have made the same link-local one */
}

static int
add_addresses(struct mnl_socket *s, const struct pw_kernel_link *l, unsigned int index, char *err,
	      size_t err_len)
{
	char text[PW_ADDR_STRLEN];
	int rc = 0;

	if (is_set(&l->link_local))
		rc = add_address(s, index, &l->link_local, LINK_LOCAL_BITS);
	if (rc < 0) {
		snprintf(err, err_len, "takes no link-local address: %s", strerror(-rc));
		return rc;
	}
	for (uint32_t i = 0; i < l->nb_addrs && rc == 0; i++) {
		rc = add_address(s, index, &l->addr[i].addr, l->addr[i].prefix_len);
		if (rc < 0)
			snprintf(err, err_len, "does not take the address %s/%u: %s",
				 pw_addr_str(&l->addr[i].addr, text), l->addr[i].prefix_len,
				 strerror(-rc));
	}
	return rc;
}

int
pw_kernel_link_set_up(const struct pw_kernel_link *l, unsigned int *index, char *err,
		      size_t err_len)
{
	struct mnl_socket *s;
	int rc;

	*index = if_nametoindex(l->interface);
	if (*index == 0) {
		snprintf(err, err_len, "its driver has made no interface of this name");
		return -ENODEV;
	}
	s = mnl_socket_open(NETLINK_ROUTE);
	if (s == NULL || mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0) {
		rc = -errno;
		snprintf(err, err_len, "no rtnetlink socket: %s", strerror(-rc));
		goto out;
	}
	pw_kernel_link_tame(l);
	rc = bring_up(s, l, *index);
	if (rc < 0)
		snprintf(err, err_len, "can't be brought up with an MTU of %u: %s", l->mtu,
			 strerror(-rc));
	else
		rc = add_addresses(s, l, *index, err, err_len);
out:
	if (s != NULL)
		mnl_socket_close(s);
	return rc;
}

bool
pw_kernel_link_is_there(unsigned int index)
{
	char name[IF_NAMESIZE];

	return if_indextoname(index, name) != NULL;
}
