/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_APP_CTL_TERM_H
#define PUBWIRE_APP_CTL_TERM_H

/*
 * A terminal as a screen that is drawn whole. Plain escape sequences of the VT100 and xterm, which
 * every terminal of a Linux host knows: a library of terminals would be one more thing to install.
 * Whatever ends the program, the terminal is given back as it was.
 */

#include <stdbool.h>
#include <stddef.h>

/* Take it; false where input or output is no terminal. */
bool term_open(void);
void term_close(void);

void term_size(int *width, int *height);

/* Draw a text, cut to the size; escape sequences for colours are its only ones. */
void term_draw(const char *text);

enum { TERM_TIME = 0, TERM_RESIZED = -1, TERM_GONE = -2 };

/* A key, or that so many seconds have passed, that it is to be drawn anew, or has gone away. */
int term_wait(double seconds);

#endif
