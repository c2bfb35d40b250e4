/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LOAD_STOP_H
#define LOAD_STOP_H

#include <stdbool.h>

/* Exit statuses of a generator, besides those of stdlib.h. */
#define EXIT_DIRTY 2 /* messages are missing, wrong, twice or out of order */
#define EXIT_USAGE 64

/* From here on SIGINT and SIGTERM set what is returned, which is read with __ATOMIC_RELAXED. */
const bool *stop_on_signals(void);

#endif
