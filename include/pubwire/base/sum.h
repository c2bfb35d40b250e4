/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_BASE_SUM_H
#define PUBWIRE_BASE_SUM_H

/**
 * @file
 * The Internet checksum (RFC 1071). Words of any size, in the byte order of the machine, may be
 * added as long as no carry is lost (2 (A), (B)); folding comes last. Callable from any lcore.
 */

#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The sum of two halves, until there is one: never 0 but for a sum of 0. */
static inline uint16_t
pw_sum_fold(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)sum;
}

#define PW_SUM_WIDE  256 /**< bytes from which on it is the faster way */
#define PW_SUM_BYTES 32

#ifdef __x86_64__
/** The sum of what n bytes hold of 32 at once, where the CPU can: words of 32 bits in sums of 64.
 */
__attribute__((target("avx2"))) static inline uint64_t
pw_sum_wide(const uint8_t *p, uint32_t n)
{
	typedef uint64_t wide __attribute__((vector_size(PW_SUM_BYTES)));
	const wide low = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
	wide even = {0}, odd = {0}, v;

	for (; n >= sizeof(v); n -= sizeof(v), p += sizeof(v)) {
		memcpy(&v, p, sizeof(v));
		even += v & low;
		odd += v >> 32;
	}
	even += odd;
	return even[0] + even[1] + even[2] + even[3];
}
#endif

/** The sum of n bytes, folded, not complemented; a last odd one counts as if a zero followed it. */
static inline uint16_t
pw_sum(const void *data, uint32_t n)
{
	const uint8_t *p = (const uint8_t *)data;
	uint64_t a = 0, b = 0, carries = 0, w[4];
	uint32_t word = 0;

#ifdef __x86_64__
	if (n >= PW_SUM_WIDE && __builtin_cpu_supports("avx2")) {
		a = pw_sum_wide(p, n);
		p += n - n % PW_SUM_BYTES;
		n %= PW_SUM_BYTES;
	}
#endif
	/* Two sums of 64 bits whose carries are counted beside them. */
	for (; n >= sizeof(w); n -= sizeof(w), p += sizeof(w)) {
		memcpy(w, p, sizeof(w));
		a += w[0];
		carries += a < w[0];
		b += w[1];
		carries += b < w[1];
		a += w[2];
		carries += a < w[2];
		b += w[3];
		carries += b < w[3];
	}
	for (; n >= sizeof(w[0]); n -= sizeof(w[0]), p += sizeof(w[0])) {
		memcpy(w, p, sizeof(w[0]));
		a += w[0];
		carries += a < w[0];
	}
	a = (a & UINT32_MAX) + (a >> 32) + (b & UINT32_MAX) + (b >> 32) + carries;
	if (n >= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		a += word;
		p += sizeof(word);
		n -= sizeof(word);
	}
	if (n >= 2) {
		uint16_t half;

		memcpy(&half, p, sizeof(half));
		a += half;
		p += sizeof(half);
	}
	if (n & 1) {
		uint16_t half = 0;

		memcpy(&half, p, 1);
		a += half;
	}
	return pw_sum_fold(a);
}

#ifdef __cplusplus
}
#endif

#endif
