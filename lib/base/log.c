/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A ring of text lines per worker lcore: the worker is the only producer, the main lcore the only
 * consumer. vsnprintf() with the conversions used here (integers and strings) allocates nothing.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <rte_lcore.h>
#include <rte_malloc.h>

#include <pubwire/base/log.h>

#define LINES	 256
#define TEXT_LEN 248
#define LONG_LEN 1024 /* where no ring has to hold it; a reason of the configuration fits */

struct line {
	uint8_t type;
	uint8_t level;
	char text[TEXT_LEN];
};

struct log_ring {
	uint32_t head __rte_cache_aligned; /* lines written; the worker's */
	uint64_t dropped;
	uint32_t tail __rte_cache_aligned; /* lines read; the main lcore's */
	struct line line[LINES];
};

#define ROOM_NAME(room) "pubwire." #room,
static const char *const name[PW_LOG_TYPE_MAX] = {PW_LOG_TYPES(ROOM_NAME)};

static int rte_type[PW_LOG_TYPE_MAX]; /* + 1; 0 until pw_log_init() */
static struct log_ring *ring[RTE_MAX_LCORE];
static uint64_t dropped_before; /* by rings that are gone */

static uint32_t
type_of(enum pw_log_type type)
{
	return rte_type[type] > 0 ? (uint32_t)rte_type[type] - 1 : RTE_LOGTYPE_USER1;
}

void
pw_log_init(void)
{
	for (uint32_t i = 0; i < PW_LOG_TYPE_MAX; i++) {
		if (rte_type[i] == 0)
			rte_type[i] =
				rte_log_register_type_and_pick_level(name[i], RTE_LOG_INFO) + 1;
	}
}

int
pw_log_start(void)
{
	uint32_t lcore;

	RTE_LCORE_FOREACH_WORKER (lcore) {
		if (ring[lcore] != NULL)
			continue;
		ring[lcore] =
			rte_zmalloc_socket("pw_log", sizeof(*ring[lcore]), RTE_CACHE_LINE_SIZE,
					   (int)rte_lcore_to_socket_id(lcore));
		if (ring[lcore] == NULL) {
			pw_log_stop();
			return -ENOMEM;
		}
	}
	return 0;
}

const char *
pw_log_type_str(enum pw_log_type type)
{
	return type < PW_LOG_TYPE_MAX ? name[type] : "?";
}

uint32_t
pw_log_level(enum pw_log_type type)
{
	int level = rte_log_get_level(type_of(type));

	return level > 0 ? (uint32_t)level : 0;
}

void
pw_log_set_level(enum pw_log_type type, uint32_t level)
{
	(void)rte_log_set_level(type_of(type), level);
}

#define LEVEL_NAME(level, text) [RTE_LOG_##level] = text,
static const char *const level_name[] = {PW_LOG_LEVELS(LEVEL_NAME)};

const char *
pw_log_level_str(uint32_t level)
{
	return level < RTE_DIM(level_name) && level_name[level] != NULL ? level_name[level] : "?";
}

int
pw_log_level_of(const char *text)
{
	for (uint32_t i = 0; i < RTE_DIM(level_name); i++)
		if (level_name[i] != NULL && strcmp(level_name[i], text) == 0)
			return (int)i;
	return -EINVAL;
}

static void
emit(enum pw_log_type type, uint32_t level, const char *text)
{
	(void)rte_log(level, type_of(type), "%s: %s\n", name[type], text);
}

/* What does not fit ends in "...", behind a whole character where it is UTF-8. */
static void
format(char *text, size_t size, const char *fmt, va_list args)
{
	static const char cut[] = "...";
	int n = vsnprintf(text, size, fmt, args);
	size_t at = size - sizeof(cut);

	if (n < 0)
		text[0] = '\0';
	if (n < 0 || (size_t)n < size)
		return;
	while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80)
		at--;
	memcpy(text + at, cut, sizeof(cut));
}

uint32_t
pw_log_drain(void)
{
	uint32_t n = 0;

	for (uint32_t lcore = 0; lcore < RTE_MAX_LCORE; lcore++) {
		struct log_ring *r = ring[lcore];
		uint32_t head;

		if (r == NULL)
			continue;
		/* Pairs with the release in pw_log_write(): the lines before head are whole. */
		head = __atomic_load_n(&r->head, __ATOMIC_ACQUIRE);
		for (; r->tail != head; n++) {
			const struct line *l = &r->line[r->tail % LINES];

			emit(l->type, l->level, l->text);
			/* Pairs with the acquire in pw_log_write(): the slot may be reused. */
			__atomic_store_n(&r->tail, r->tail + 1, __ATOMIC_RELEASE);
		}
	}
	return n;
}

void
pw_log_stop(void)
{
	(void)pw_log_drain();
	for (uint32_t lcore = 0; lcore < RTE_MAX_LCORE; lcore++) {
		if (ring[lcore] != NULL)
			dropped_before += ring[lcore]->dropped;
		rte_free(ring[lcore]);
		ring[lcore] = NULL;
	}
}

uint64_t
pw_log_dropped(void)
{
	uint64_t n = dropped_before;

	for (uint32_t lcore = 0; lcore < RTE_MAX_LCORE; lcore++) {
		if (ring[lcore] != NULL)
			n += __atomic_load_n(&ring[lcore]->dropped, __ATOMIC_RELAXED);
	}
	return n;
}

bool
pw_log_on(enum pw_log_type type, uint32_t level)
{
	return rte_log_can_log(type_of(type), level);
}

void
pw_log_write(enum pw_log_type type, uint32_t level, const char *fmt, ...)
{
	uint32_t lcore = rte_lcore_id();
	struct log_ring *r = lcore < RTE_MAX_LCORE ? ring[lcore] : NULL;
	va_list args;

	va_start(args, fmt);
	if (r == NULL) {
		char text[LONG_LEN];

		format(text, sizeof(text), fmt, args);
		emit(type, level, text);
	} else if (r->head - __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE) == LINES) {
		/* The acquire pairs with the release in pw_log_drain(): the slot was read. */
		__atomic_store_n(&r->dropped, r->dropped + 1, __ATOMIC_RELAXED);
	} else {
		struct line *l = &r->line[r->head % LINES];

		l->type = (uint8_t)type;
		l->level = (uint8_t)level;
		format(l->text, sizeof(l->text), fmt, args);
		/* Pairs with the acquire in pw_log_drain(). */
		__atomic_store_n(&r->head, r->head + 1, __ATOMIC_RELEASE);
	}
	va_end(args);
}

bool
pw_log_allow(struct pw_log_limit *l, uint64_t now, uint64_t interval, uint64_t *suppressed)
{
	if (now < l->until) {
		l->suppressed++;
		return false;
	}
	*suppressed = l->suppressed;
	l->suppressed = 0;
	l->until = now + interval;
	return true;
}
