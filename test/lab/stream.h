/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_LAB_STREAM_H
#define TEST_LAB_STREAM_H

/*
 * The bytes of a transfer. Word i of a stream follows from its seed and i, so both ends know every
 * byte without a word between them: the receiver holds each against what it must be, and both
 * fold what passed into a hash that a third party may compare.
 */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define STREAM_HASH UINT64_C(0xcbf29ce484222325)

struct stream {
	uint64_t seed;
	uint64_t pos; /* bytes so far */
	uint64_t hash;
	uint64_t first_wrong; /* byte, in steps of a word; UINT64_MAX: none */
	uint8_t part[8];      /* the word that pos stands in */
};

static inline void
stream_start(struct stream *s, uint64_t seed)
{
	*s = (struct stream){.seed = seed, .hash = STREAM_HASH, .first_wrong = UINT64_MAX};
}

/* SplitMix64. */
static inline uint64_t
stream_word(uint64_t seed, uint64_t i)
{
	uint64_t x = seed + i * UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static inline void
stream_fold(struct stream *s, uint64_t word)
{
	s->hash = (s->hash ^ word) * UINT64_C(0x100000001b3);
	s->hash ^= s->hash >> 29;
}

/* Write the next len bytes of the stream. */
static inline void
stream_make(struct stream *s, void *out, size_t len)
{
	uint8_t *p = out;

	while (len > 0) {
		size_t at = s->pos % 8, n = len < 8 - at ? len : 8 - at;
		uint64_t word = stream_word(s->seed, s->pos / 8);

		memcpy(p, (uint8_t *)&word + at, n);
		s->pos += n;
		p += n;
		len -= n;
		if (s->pos % 8 == 0)
			stream_fold(s, word);
	}
}

/* Hold the next len bytes of the stream against what they must be, word by word. */
static inline void
stream_check(struct stream *s, const void *in, size_t len)
{
	const uint8_t *p = in;

	while (len > 0) {
		size_t at = s->pos % 8, n = len < 8 - at ? len : 8 - at;
		uint64_t word;

		memcpy(s->part + at, p, n);
		s->pos += n;
		p += n;
		len -= n;
		if (s->pos % 8 != 0)
			break;
		memcpy(&word, s->part, 8);
		stream_fold(s, word);
		if (word != stream_word(s->seed, s->pos / 8 - 1) && s->first_wrong == UINT64_MAX)
			s->first_wrong = s->pos - 8;
	}
}

/* True where everything that passed was right, the bytes of an unfinished last word too. */
static inline bool
stream_is_right(const struct stream *s)
{
	uint64_t word = stream_word(s->seed, s->pos / 8);

	return s->first_wrong == UINT64_MAX && memcmp(s->part, &word, s->pos % 8) == 0;
}

#endif
