/* SPDX-License-Identifier: BSD-3-Clause */
#include "clock.h"

uint64_t clock_mult;
