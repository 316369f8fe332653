#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char pending[65536];
static size_t used;

/* A log that cannot be written must not stop the program: what fails is dropped. */
static void write_to(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		bytes += n;
		len -= (size_t)n;
	}
}

static void write_all(const char *bytes, size_t len)
{
	write_to(STDERR_FILENO, bytes, len);
}

static void put_number(unsigned char *out, uint64_t value, int bytes)
{
	for (int i = bytes; i-- > 0; value >>= 8)
		out[i] = (unsigned char)(value & 0xff);
}

void sm_log_frame(int fd, uint32_t type, int64_t time_us, const char *text, size_t len)
{
	unsigned char head[16];
	put_number(head, type, 4);
	put_number(head + 4, len, 4);
	put_number(head + 8, (uint64_t)time_us, 8);
	write_to(fd, (const char *)head, sizeof(head));
	write_to(fd, text, len);
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
