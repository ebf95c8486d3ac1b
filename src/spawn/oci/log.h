/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What skep-oci has to say, in the lines that callers of runc read: on stderr, or in the file of --log=. */
#pragma once

#include "base/text.h"

typedef enum LogForm {
        LOG_FORM_TEXT, /* time="…" level=error msg="…" */
        LOG_FORM_JSON, /* {"level":"error","msg":"…","time":"…"} */
        _LOG_FORM_MAX,
} LogForm;

typedef struct Log {
        const char *file; /* NULL = stderr */
        int form;         /* LogForm */
        bool debug;
} Log;

/** log_error() - an error: a line in the log, and where that is a file the sentence on stderr, too */
void log_error(const Log *l, const Error *e);
/** log_warning() - a line of level "warning" */
void log_warning(const Log *l, const char *text);
/** log_lines() - a line of level "warning" for each of several; they are gone then */
void log_lines(const Log *l, Buf *lines);
/** log_debug() - a line of level "debug", if --debug was given */
void log_debug(const Log *l, const char *format, ...) _printf_(2, 3);
