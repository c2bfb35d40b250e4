/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOCKGEN_SOCKET_H
#define SOCKGEN_SOCKET_H

/* Sockets in a network namespace: a socket stays in the one in which it was made. */

#include <stdint.h>

/* From here on sockets are made in this one; NULL stays. 0 or -1 with a line on stderr. */
int socket_enter(const char *netns);

/* A socket that listens; its descriptor or -errno. */
int socket_listen(uint32_t addr, uint16_t port);

/* The next connection of one that listens; -EAGAIN where there is none. */
int socket_accept(int fd);

/* A socket that connects; its descriptor or -errno. */
int socket_connect(uint32_t addr, uint16_t port);

#endif
