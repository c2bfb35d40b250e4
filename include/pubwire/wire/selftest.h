/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_WIRE_SELFTEST_H
#define PUBWIRE_WIRE_SELFTEST_H

/**
 * @file
 * What a port says of its offloads is not believed but tried, as far as it can be tried from one
 * end.
 */

#include <pubwire/base/pool.h>
#include <pubwire/wire/port.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Outcome for one capability. */
enum pw_selftest_verdict {
	PW_SELFTEST_OK,	     /**< tried, works */
	PW_SELFTEST_BROKEN,  /**< tried, does not; switched off */
	PW_SELFTEST_UNTRIED, /**< can't be tried from this end; kept as negotiated */
	PW_SELFTEST_ABSENT,  /**< the port does not offer it */
};

/** One line of the result. */
struct pw_selftest_row {
	enum pw_port_cap cap;
	enum pw_selftest_verdict verdict;
	char why[96];
};

#define PW_SELFTEST_ROWS 8

/**
 * Try the offloads of a started port; switches off in port->caps what does not work. Main lcore,
 * before the workers start.
 *
 * @param rows  PW_SELFTEST_ROWS of them
 * @return      rows written
 */
uint32_t pw_port_selftest(struct pw_port *port, const struct pw_mem *mem,
			  struct pw_selftest_row *rows);

#ifdef __cplusplus
}
#endif

#endif
