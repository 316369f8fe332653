#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char pending[65536];
static size_t used;

/* A log that cannot be written must not stop the program: what fails is dropped. */
static void write_all(const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDERR_FILENO, bytes, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		bytes += n;
		len -= (size_t)n;
	}
}

void sm_log_flush(void)
{
	size_t len = used;
	used = 0;
	write_all(pending, len);
}

void sm_log_line(const char *line, size_t len)
{
	if (len + 1 > sizeof(pending) - used)
		sm_log_flush();
	if (len + 1 > sizeof(pending)) {
		write_all(line, len);
		write_all("\n", 1);
		return;
	}
	memcpy(pending + used, line, len);
	pending[used + len] = '\n';
	used += len + 1;
}

void sm_log_plain(const char *format, ...)
{
	char text[2048];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	sm_log_flush();
	write_all(text, strlen(text));
	write_all("\n", 1);
}
