/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOCKGEN_REPORT_H
#define SOCKGEN_REPORT_H

#include "gen.h"

/* Print what was found, and write the file that was asked for. 0 or -1 with a line on stderr. */
int report_gen(const struct gen *g);

#endif
