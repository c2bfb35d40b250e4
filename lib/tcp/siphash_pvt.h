/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_TCP_SIPHASH_PVT_H
#define PUBWIRE_TCP_SIPHASH_PVT_H

#include <stddef.h>
#include <stdint.h>

/** A secret of 128 bits. */
struct pw_siphash_key {
	uint64_t k[2];
};

/** SipHash-2-4: a keyed hash that a peer who sees results can't invert; for sequence numbers. */
uint64_t pw_siphash24(const struct pw_siphash_key *key, const void *data, size_t len);

/** SipHash-1-3: fewer rounds, for tables whose hashes no peer sees. */
uint64_t pw_siphash13(const struct pw_siphash_key *key, const void *data, size_t len);

/** Stretch a seed into a key; purpose makes keys of one seed independent. */
void pw_siphash_key(struct pw_siphash_key *key, uint64_t seed, uint64_t purpose);

#endif
