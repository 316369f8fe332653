#include "buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sm_buf_init(struct sm_buf *buf, size_t max)
{
	*buf = (struct sm_buf){.max = max};
}

void sm_buf_free(struct sm_buf *buf)
{
	free(buf->data);
	sm_buf_init(buf, buf->max);
}

void sm_buf_reset(struct sm_buf *buf)
{
	buf->len = 0;
	if (buf->data != NULL)
		buf->data[0] = '\0';
}

enum sm_status sm_buf_reserve(struct sm_buf *buf, size_t extra)
{
	if (extra > buf->max || buf->len > buf->max - extra)
		return SM_LIMIT;
	size_t need = buf->len + extra + 1;
	if (need <= buf->cap)
		return SM_OK;
	size_t cap = buf->cap < 64 ? 64 : buf->cap;
	while (cap < need)
		cap += cap / 2;
	if (cap > buf->max + 1)
		cap = buf->max + 1;
	char *data = realloc(buf->data, cap);
	if (data == NULL)
		return SM_NOMEM;
	buf->data = data;
	buf->cap = cap;
	return SM_OK;
}

enum sm_status sm_buf_add(struct sm_buf *buf, const void *bytes, size_t len)
{
	enum sm_status status = sm_buf_reserve(buf, len);
	if (status != SM_OK)
		return status;
	if (len > 0)
		memcpy(buf->data + buf->len, bytes, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
	return SM_OK;
}

enum sm_status sm_buf_addc(struct sm_buf *buf, char c)
{
	return sm_buf_add(buf, &c, 1);
}

enum sm_status sm_buf_adds(struct sm_buf *buf, const char *text)
{
	return sm_buf_add(buf, text, strlen(text));
}

enum sm_status sm_buf_addf(struct sm_buf *buf, const char *format, ...)
{
	va_list args, again;
	va_start(args, format);
	va_copy(again, args);
	int wanted = vsnprintf(NULL, 0, format, args);
	va_end(args);
	enum sm_status status = wanted < 0 ? SM_INTERNAL : sm_buf_reserve(buf, (size_t)wanted);
	if (status == SM_OK) {
		vsnprintf(buf->data + buf->len, (size_t)wanted + 1, format, again);
		buf->len += (size_t)wanted;
	}
	va_end(again);
	return status;
}

char *sm_buf_take(struct sm_buf *buf, size_t *len)
{
	char *data = buf->data;
	if (len != NULL)
		*len = buf->len;
	sm_buf_init(buf, buf->max);
	return data;
}
