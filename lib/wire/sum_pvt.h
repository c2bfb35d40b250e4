/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_WIRE_SUM_PVT_H
#define PW_WIRE_SUM_PVT_H

#include <rte_byteorder.h>

#include <pubwire/base/sum.h>

/* The sum of a pseudo-header (RFC 9293 3.1): addresses in network order, len in host order. */
static inline uint16_t
wire_sum_phdr4(uint32_t src, uint32_t dst, uint8_t proto, uint16_t len)
{
	return pw_sum_fold((uint64_t)src + dst + rte_cpu_to_be_16(proto) + rte_cpu_to_be_16(len));
}

#endif
