/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LOAD_VALUES_H
#define LOAD_VALUES_H

/*
 * What is written behind an option. Each reads the whole text and returns 0, or -1 with a line on
 * stderr that names the program, the option (without its dashes), the text and what was expected.
 */

#include <stdint.h>

int value_refuse(const char *option, const char *text, const char *expected);
int value_number(const char *option, const char *text, uint64_t least, uint64_t most,
		 uint64_t *out);
int value_number32(const char *option, const char *text, uint32_t least, uint32_t most,
		   uint32_t *out);
int value_seconds(const char *option, const char *text, double least, double *out);
/* IPv4, host order. */
int value_address(const char *option, const char *text, uint32_t *out);
/* ADDRESS or ADDRESS:PORT; without one *port stays. */
int value_endpoint(const char *option, const char *text, uint32_t *addr, uint16_t *port);
/* Of PUBLISH, at most 100 bytes; *out points to the text. */
int value_topic(const char *option, const char *text, const char **out);

#endif
