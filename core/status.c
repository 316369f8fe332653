#include "status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
    [SM_OK] = "ok",
    [SM_NOMEM] = "no_memory",
    [SM_INVALID] = "invalid",
    [SM_NOTFOUND] = "not_found",
    [SM_EXISTS] = "exists",
    [SM_REFUSED] = "refused",
    [SM_CONFLICT] = "conflict",
    [SM_TIMEOUT] = "timeout",
    [SM_CANCELLED] = "cancelled",
    [SM_LIMIT] = "limit",
    [SM_CLOSED] = "closed",
    [SM_IO] = "io",
    [SM_ENGINE] = "engine",
    [SM_INTERNAL] = "internal",
};

const char *sm_status_name(enum sm_status status)
{
	if ((size_t)status >= sizeof(names) / sizeof(names[0]))
		return "internal";
	return names[status];
}

/* Takes back a UTF-8 character that the cut at the end of a full message left incomplete. */
static void trim_utf8(char *text, size_t len)
{
	size_t start = len;
	while (start > 0 && len - start < 4 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
		start--;
	if (start == 0 || len - start > 3)
		return;
	unsigned char lead = (unsigned char)text[start - 1];
	size_t need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
	if (len - (start - 1) < need)
		text[start - 1] = '\0';
}

enum sm_status sm_fail(struct sm_error *err, enum sm_status status, const char *format, ...)
{
	if (err == NULL)
		return status;
	va_list args;
	va_start(args, format);
	int wanted = vsnprintf(err->message, sizeof(err->message), format, args);
	va_end(args);
	if (wanted >= (int)sizeof(err->message))
		trim_utf8(err->message, strlen(err->message));
	err->status = status;
	return status;
}
