/*
 * log: whole lines to standard error, gathered per turn of the loop.
 *
 * The lines themselves (one JSON object each) are made by lib/log.lua. Relies on libc only.
 */
#ifndef SM_LOG_H
#define SM_LOG_H

#include <stddef.h>
#include <stdint.h>

/* Queues one line (a line feed is added). Writes at once when 64 KiB are waiting. */
void sm_log_line(const char *line, size_t len);
/* For the host's own last words before it ends: formatted, written at once. */
void sm_log_plain(const char *format, ...) __attribute__((format(printf, 1, 2)));
void sm_log_flush(void);
/*
 * One record for a reader of frames (AWS Lambda's telemetry descriptor): type, length and time, big-endian, then the
 * text. Written at once.
 */
void sm_log_frame(int fd, uint32_t type, int64_t time_us, const char *text, size_t len);

#endif
