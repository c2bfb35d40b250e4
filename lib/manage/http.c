/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An HTTP server for people and Prometheus. Everything runs inside pw_http_serve(): a request is
 * answered from counters as they are at that moment, in one text that is written whole and copied
 * by the library, so a slow reader holds memory of its own connection and nothing else.
 */

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>

#include <microhttpd.h>
#include <rte_errno.h>
#include <rte_malloc.h>

#include <pubwire/base/log.h>
#include <pubwire/manage/http.h>

#include "health_pvt.h"
#include "metrics_pvt.h"
#include "status_page.h"

#define MAX_CONNECTIONS	 16
#define TIMEOUT_S	 10
#define CONNECTION_BYTES 16384 /* headers of a request, and of its answer */

#define HTTP_COUNTERS(X)                                                                           \
	X(requests, "Requests that were answered with what they asked for")                        \
	X(unready, "Probes of /healthz and /readyz that were answered with no")                    \
	X(refused_method, "Requests refused: neither GET nor HEAD")                                \
	X(refused_host, "Requests refused: to a loopback address under another host's name")       \
	X(not_found, "Requests for a page that there is not")                                      \
	X(failed, "Requests that could not be answered")
PW_COUNTER_STRUCT(pw_http_counters, HTTP_COUNTERS);
PW_COUNTER_DESCRIBE(pw_http_counters, HTTP_COUNTERS);

struct pw_http {
	struct MHD_Daemon *daemon;
	int fd;
	bool loopback;
	struct metrics metrics;
	size_t row_bytes; /* of metrics.broker */
	struct health health;
	struct pw_http_counters counters;
	struct pw_log_limit noise;
};

static const char html_type[] = "text/html; charset=utf-8";
static const char json_type[] = "application/json";
static const char metrics_type[] = "application/openmetrics-text; version=1.0.0; charset=utf-8";
static const char plain_type[] = "text/plain; charset=utf-8";

/* Nothing from elsewhere, nothing of the page elsewhere. */
static const char *const headers[][2] = {
	{"Cache-Control", "no-store"},
	{"X-Content-Type-Options", "nosniff"},
	{"X-Frame-Options", "DENY"},
	{"Referrer-Policy", "no-referrer"},
	{"Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src "
				    "'unsafe-inline'; connect-src 'self'; img-src data:"},
};

static enum MHD_Result
answer(struct pw_http *h, struct MHD_Connection *c, unsigned int code, const char *type,
       const void *body, size_t len, enum MHD_ResponseMemoryMode mode)
{
	/* The library does not write to what stays. */
	struct MHD_Response *r =
		MHD_create_response_from_buffer(len, (void *)(uintptr_t)body, mode);
	enum MHD_Result rc = MHD_YES;

	if (r == NULL) {
		h->counters.failed++;
		return MHD_NO;
	}
	for (uint32_t i = 0; i < RTE_DIM(headers) && rc == MHD_YES; i++)
		rc = MHD_add_response_header(r, headers[i][0], headers[i][1]);
	if (rc == MHD_YES)
		rc = MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (rc == MHD_YES && code == MHD_HTTP_METHOD_NOT_ALLOWED)
		rc = MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	if (rc == MHD_YES)
		rc = MHD_queue_response(c, code, r);
	MHD_destroy_response(r);
	return rc;
}

static enum MHD_Result
refuse(struct pw_http *h, struct MHD_Connection *c, unsigned int code, const char *why)
{
	return answer(h, c, code, plain_type, why, strlen(why), MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result
answer_text(struct pw_http *h, struct MHD_Connection *c, bool whole, const char *type)
{
	const struct text *t = &h->metrics.text;

	if (!whole) {
		h->counters.failed++;
		PW_LOG(manage, ERR, "http: an answer is longer than the %zu bytes it may have",
		       t->room);
		return refuse(h, c, MHD_HTTP_INTERNAL_SERVER_ERROR, "too long\n");
	}
	h->counters.requests++;
	return answer(h, c, MHD_HTTP_OK, type, t->buf, t->at, MHD_RESPMEM_MUST_COPY);
}

/* For probes: the code is the answer, the text the reason. */
static enum MHD_Result
answer_probe(struct pw_http *h, struct MHD_Connection *c, bool good)
{
	const struct text *t = &h->metrics.text;

	if (good)
		h->counters.requests++;
	else
		h->counters.unready++;
	return answer(h, c, good ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, plain_type, t->buf,
		      t->at, MHD_RESPMEM_MUST_COPY);
}

/*
 * A page of somewhere else may have its own name resolve to 127.0.0.1 and so read, through the
 * browser of a user of this host, what only this host should (DNS rebinding). Its name is in Host.
 */
static bool
host_is_local(struct MHD_Connection *c)
{
	const char *host = MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
	char name[64];
	struct in_addr v4;
	size_t len;

	if (host == NULL || host[0] == '[') /* HTTP/1.0, or an address of IPv6 */
		return true;
	len = strcspn(host, ":");
	if (len >= sizeof(name))
		return false;
	memcpy(name, host, len);
	name[len] = '\0';
	return strcmp(name, "localhost") == 0 || inet_pton(AF_INET, name, &v4) == 1;
}

static enum MHD_Result
handle(void *ctx, struct MHD_Connection *c, const char *url, const char *method,
       const char *version, const char *upload, size_t *upload_len, void **state)
{
	static int begun;
	struct pw_http *h = ctx;

	(void)version;
	(void)upload;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
		h->counters.refused_method++;
		return refuse(h, c, MHD_HTTP_METHOD_NOT_ALLOWED, "GET and HEAD only\n");
	}
	/* The first call comes before a body, which a GET has no business to have. */
	if (*state == NULL) {
		*state = &begun;
		return MHD_YES;
	}
	if (*upload_len > 0) {
		*upload_len = 0;
		return MHD_YES;
	}
	if (h->loopback && !host_is_local(c)) {
		h->counters.refused_host++;
		return refuse(h, c, MHD_HTTP_FORBIDDEN,
			      "this address is known here as localhost, 127.0.0.1 or [::1] only\n");
	}
	if (strcmp(url, "/metrics") == 0)
		return answer_text(h, c, metrics_write(&h->metrics), metrics_type);
	if (strcmp(url, "/status.json") == 0)
		return answer_text(h, c, status_write(&h->metrics), json_type);
	if (strcmp(url, "/healthz") == 0)
		return answer_probe(h, c, health_live(&h->health, &h->metrics));
	if (strcmp(url, "/readyz") == 0)
		return answer_probe(h, c, health_ready(&h->metrics));
	if (strcmp(url, "/") == 0) {
		h->counters.requests++;
		return answer(h, c, MHD_HTTP_OK, html_type, status_page, sizeof(status_page),
			      MHD_RESPMEM_PERSISTENT);
	}
	h->counters.not_found++;
	return refuse(h, c, MHD_HTTP_NOT_FOUND,
		      "there are /, /metrics, /status.json, /healthz and /readyz\n");
}

/* What the library complains of; a peer can make it. */
static void __attribute__((format(printf, 2, 0))) complain(void *ctx, const char *fmt, va_list args)
{
	struct pw_http *h = ctx;
	char line[160];

	vsnprintf(line, sizeof(line), fmt, args);
	line[strcspn(line, "\n")] = '\0';
	PW_LOG_EVERY(&h->noise, pw_clock_now(), manage, INFO, "http: %s", line);
}

static bool
is_loopback(const struct pw_addr *a)
{
	static const struct pw_addr six = {.b = {[15] = 1}};

	return pw_addr_is_v4(a) ? a->b[12] == 127 : pw_addr_eq(a, &six);
}

/* A socket of our own: the library's would not say why it can't be had. */
static int
listen_at(const struct pw_http_conf *conf)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(conf->port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(conf->port)};
	bool is_v4 = pw_addr_is_v4(&conf->address);
	const int one = 1;
	int fd, code;

	memcpy(&v4.sin_addr, &conf->address.b[12], sizeof(v4.sin_addr));
	memcpy(&v6.sin6_addr, conf->address.b, sizeof(v6.sin6_addr));
	fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* A restart must not wait for what TIME_WAIT holds. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
	    bind(fd, is_v4 ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6,
		 is_v4 ? sizeof(v4) : sizeof(v6)) == 0 &&
	    listen(fd, MAX_CONNECTIONS) == 0)
		return fd;
	code = errno;
	close(fd);
	return -code;
}

static int
start_daemon(struct pw_http *h, int fd)
{
	const union MHD_DaemonInfo *info;

	h->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, handle, h,
				     MHD_OPTION_EXTERNAL_LOGGER, complain, h,
				     MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
				     (unsigned int)MAX_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
				     (unsigned int)TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				     (size_t)CONNECTION_BYTES, MHD_OPTION_END);
	if (h->daemon == NULL) {
		close(fd);
		return -EIO;
	}
	/* From here on the socket is the library's. */
	info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (info == NULL)
		return -EIO;
	h->fd = info->epoll_fd;
	return 0;
}

static struct metrics_shape
shape_of(const struct pw_forward_settings *s, const uint8_t *role, uint32_t workers, uint32_t ports,
	 uint32_t top)
{
	struct metrics_shape shape = {
		.workers = workers,
		.brokers = s->nb_brokers,
		.routes = s->nb_routes,
		.ports = ports,
		.sessions = top != 0 ? pw_forward_max_sessions(&s->limits) : 0,
	};

	for (uint32_t w = 0; w < workers; w++) {
		shape.broker_workers += (role[w] & PW_ROLE_BROKERS) != 0;
		shape.device_workers += (role[w] & PW_ROLE_DEVICES) != 0;
	}
	return shape;
}

size_t
pw_http_bytes(const struct pw_config *c)
{
	struct metrics_shape shape;

	if (!c->http.on)
		return 0;
	shape = shape_of(&c->forward, c->role, c->nb_workers, c->nb_ports, c->http.top_devices);
	return sizeof(struct pw_http) + metrics_text_bytes(&shape) + metrics_broker_bytes(&shape) +
	       talkers_bytes(&shape);
}

static int
reserve(struct pw_http *h, const struct pw_telemetry_sources *src, const char *version,
	uint32_t top)
{
	uint32_t workers = pw_fleet_workers(src->fleet);
	uint8_t role[PW_FORWARD_MAX_WORKERS];
	struct metrics *m = &h->metrics;

	for (uint32_t w = 0; w < workers; w++)
		role[w] = pw_fleet_role(src->fleet, w);
	m->src = src;
	m->version = version;
	m->started = (uint64_t)time(NULL);
	m->http_desc = pw_http_counters_desc;
	m->http_counters = (const uint64_t *)&h->counters;
	m->shape = shape_of(src->settings, role, workers, src->nb_ports, top);
	m->talkers.most = top;
	m->text.room = metrics_text_bytes(&m->shape);
	m->text.buf = rte_malloc("pubwire_http", m->text.room, 0);
	h->row_bytes = metrics_broker_bytes(&m->shape);
	m->broker = rte_malloc("pubwire_http", h->row_bytes, 0);
	if (top != 0)
		m->talkers.seen = rte_zmalloc("pubwire_http", talkers_bytes(&m->shape), 0);
	metrics_init(m);
	if (m->text.buf == NULL || m->broker == NULL || (top != 0 && m->talkers.seen == NULL))
		return -ENOMEM;
	return 0;
}

static int
grow(void **p, size_t *have, size_t need)
{
	void *more;

	if (need <= *have)
		return 0;
	more = rte_malloc("pubwire_http", need, 0);
	if (more == NULL)
		return -ENOMEM;
	rte_free(*p);
	*p = more;
	*have = need;
	return 0;
}

int
pw_http_fit(struct pw_http *h, const struct pw_forward_settings *s)
{
	struct metrics *m = h != NULL ? &h->metrics : NULL;
	struct metrics_shape shape;
	size_t text, rows;
	int rc;

	if (m == NULL)
		return 0;
	shape = m->shape;
	shape.brokers = RTE_MAX(s->nb_brokers, m->src->settings->nb_brokers);
	shape.routes = RTE_MAX(s->nb_routes, m->src->settings->nb_routes);
	text = m->text.room;
	rows = h->row_bytes;
	rc = grow((void **)&m->text.buf, &text, metrics_text_bytes(&shape));
	if (rc == 0)
		rc = grow((void **)&m->broker, &rows, metrics_broker_bytes(&shape));
	m->text.room = text;
	h->row_bytes = rows;
	if (rc < 0)
		return rc;
	m->shape.brokers = m->src->settings->nb_brokers;
	m->shape.routes = m->src->settings->nb_routes;
	return 0;
}

struct pw_http *
pw_http_create(const struct pw_http_conf *conf, const struct pw_telemetry_sources *src,
	       const char *version, char *err, size_t err_len)
{
	struct pw_http *h = rte_zmalloc("pubwire_http", sizeof(*h), 0);
	char where[PW_ADDR_PORT_STRLEN];
	int rc = -ENOMEM, fd;

	pw_addr_port_str(&conf->address, conf->port, where);
	if (h != NULL)
		rc = reserve(h, src, version, conf->top_devices);
	if (rc != 0) {
		snprintf(err, err_len, "no hugepage memory is left for the texts");
		goto failed;
	}
	h->loopback = is_loopback(&conf->address);
	fd = listen_at(conf);
	if (fd < 0) {
		rc = fd;
		snprintf(err, err_len, "can't listen at %s: %s", where, strerror(-rc));
		goto failed;
	}
	rc = start_daemon(h, fd);
	if (rc != 0) {
		snprintf(err, err_len, "libmicrohttpd does not start");
		goto failed;
	}
	if (!h->loopback)
		PW_LOG(manage, WARNING,
		       "http: the status page at %s asks nobody who he is; see that only those who "
		       "may read it can reach it",
		       where);
	return h;
failed:
	pw_http_destroy(h);
	rte_errno = -rc;
	return NULL;
}

int
pw_http_fd(const struct pw_http *h)
{
	return h->fd;
}

bool
pw_http_serve(struct pw_http *h)
{
	MHD_UNSIGNED_LONG_LONG wait;

	health_step(&h->health, &h->metrics, pw_clock_now());
	talkers_step(&h->metrics, pw_clock_now());
	if (MHD_run(h->daemon) != MHD_YES)
		return false;
	return MHD_get_timeout(h->daemon, &wait) == MHD_YES && wait == 0;
}

void
pw_http_destroy(struct pw_http *h)
{
	if (h == NULL)
		return;
	if (h->daemon != NULL)
		MHD_stop_daemon(h->daemon);
	rte_free(h->metrics.text.buf);
	rte_free(h->metrics.broker);
	rte_free(h->metrics.talkers.seen);
	rte_free(h);
}
