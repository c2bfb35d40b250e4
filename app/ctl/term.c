/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "term.h"

/* The other screen, no cursor; and back. */
static const char enter[] = "\033[?1049h\033[?25l\033[2J";
static const char leave[] = "\033[0m\033[?25h\033[?1049l";

static const int deadly[] = {SIGINT,  SIGTERM, SIGHUP,	SIGQUIT, SIGPIPE,
			     SIGSEGV, SIGBUS,  SIGABRT, SIGFPE,	 SIGILL};

static struct termios before;
static sigset_t while_waiting; /* the mask in which SIGWINCH and SIGTSTP arrive */
static volatile sig_atomic_t taken, resized;

static void
put(const char *s, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, s, len);

		if (n < 0 && errno != EINTR)
			return;
		s += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
}

static void
give_back(void)
{
	if (!taken)
		return;
	taken = 0;
	put(leave, sizeof(leave) - 1);
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

static void
take(void)
{
	struct termios raw = before;

	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	taken = 1;
	put(enter, sizeof(enter) - 1);
}

/* The default action has been set again: the second time it ends the program. */
static void
on_death(int sig)
{
	give_back();
	raise(sig);
}

static void
on_resize(int sig)
{
	(void)sig;
	resized = 1;
}

/* Stops in the foreground's screen, and takes the terminal anew when it goes on. */
static void
on_stop(int sig)
{
	int err = errno;

	(void)sig;
	give_back();
	raise(SIGSTOP);
	take();
	resized = 1;
	errno = err;
}

bool
term_open(void)
{
	struct sigaction sa = {.sa_handler = on_death, .sa_flags = SA_RESETHAND | SA_NODEFER};
	sigset_t own;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) ||
	    tcgetattr(STDIN_FILENO, &before) != 0)
		return false;
	for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
		sigaction(deadly[i], &sa, NULL);
	sigemptyset(&own);
	sigaddset(&own, SIGWINCH);
	sigaddset(&own, SIGTSTP);
	sigprocmask(SIG_BLOCK, &own, &while_waiting);
	sigdelset(&while_waiting, SIGWINCH);
	sigdelset(&while_waiting, SIGTSTP);
	sa = (struct sigaction){.sa_handler = on_resize};
	sigaction(SIGWINCH, &sa, NULL);
	sa.sa_handler = on_stop;
	sigaction(SIGTSTP, &sa, NULL);
	take();
	return true;
}

void
term_close(void)
{
	give_back();
}

void
term_size(int *width, int *height)
{
	struct winsize w;

	*width = 80;
	*height = 24;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 && w.ws_row > 0) {
		*width = w.ws_col;
		*height = w.ws_row;
	}
}

/* A frame leaves in one piece, so that nobody sees half of one. */
static char frame[1 << 18];
static size_t frame_len;

static void
add(const char *s, size_t len)
{
	if (len > sizeof(frame) - frame_len)
		return;
	memcpy(frame + frame_len, s, len);
	frame_len += len;
}

/* One line; sequences take no room. Returns what stands behind it. */
static const char *
add_line(const char *p, int width)
{
	int col = 0;

	while (*p != '\0' && *p != '\n') {
		size_t len = 1;

		if (*p == '\033')
			len = strcspn(p, "m\n") + 1;
		else if (++col > width)
			len = 0;
		if (len > 0)
			add(p, len);
		p += len > 0 ? len : 1;
	}
	add("\033[0m\033[K", 7);
	return *p == '\n' ? p + 1 : p;
}

void
term_draw(const char *text)
{
	int width, height;

	term_size(&width, &height);
	frame_len = 0;
	add("\033[H", 3);
	for (int row = 0; row < height && *text != '\0'; row++) {
		if (row > 0)
			add("\r\n", 2);
		text = add_line(text, width);
	}
	add("\033[J", 3);
	put(frame, frame_len);
}

int
term_wait(double seconds)
{
	struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
	struct timespec t = {.tv_sec = (time_t)seconds};
	unsigned char key;
	int rc;

	t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
	rc = ppoll(&p, 1, &t, &while_waiting);
	if (resized) {
		resized = 0;
		return TERM_RESIZED;
	}
	if (rc <= 0)
		return TERM_TIME;
	return read(STDIN_FILENO, &key, 1) == 1 && key != 0 ? key : TERM_GONE;
}
