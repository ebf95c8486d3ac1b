/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a call over varlink says which machine or process it is about. */
#pragma once

#include "base/json-shape.h"
#include "machined/manager.h"
#include "varlink/server.h"

/* A process: a number, or an object with more. */
typedef struct VarlinkProcess {
        JsonUnsigned pid; /* 0 = who calls */
        JsonUnsigned id;
        char *boot_id;
} VarlinkProcess;

extern const JsonKind varlink_process_kind; /* VarlinkProcess */
extern const JsonShape varlink_process_shape;

/* First in the parameters of all methods about a machine. */
typedef struct VarlinkWho {
        char *name;
        VarlinkProcess pid;
        bool interactive;
} VarlinkWho;

#define VARLINK_PROCESS_ROW(row_name, field)                                                       \
        {                                                                                          \
                .name = (row_name), .kind = &varlink_process_kind, .at = (field),                  \
                .shape = &varlink_process_shape                                                    \
        }
#define VARLINK_WHO_ROWS                                                                           \
        { .name = "name", .kind = &json_string_kind, .at = offsetof(VarlinkWho, name) },           \
                VARLINK_PROCESS_ROW("pid", offsetof(VarlinkWho, pid)), {                           \
                .name = "allowInteractiveAuthentication", .kind = &json_bool_kind,                 \
                .at = offsetof(VarlinkWho, interactive)                                            \
        }

/** varlink_process_pin() - the process itself; its number is not believed alone if more is given
 * Return: 0; -ESRCH; -errno. */
int varlink_process_pin(VarlinkLink *link, const VarlinkProcess *p, MachineProcess *ret, Error *e);
/** varlink_find_machine() - the machine by name, by a process of it, or by both, which must agree then
 * Return: 0; -EINVAL none was said; -ERR_NO_SUCH_MACHINE; -errno. */
int varlink_find_machine(VarlinkLink *link, const VarlinkWho *who, Machine **ret, Error *e);
/** varlink_owns_machine() - whether who calls is root, we, or has registered the machine */
bool varlink_owns_machine(VarlinkLink *link, const Machine *machine);
