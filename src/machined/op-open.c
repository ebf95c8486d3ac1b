/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Terminals, logins and commands in machines. */
#include "machined/op.h"

int op_open_pty(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        return error_set(e, EOPNOTSUPP, "skep cannot open terminals in machines yet");
}

int op_open_login(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        return error_set(e, EOPNOTSUPP, "skep cannot open logins in machines yet");
}

int op_open_shell(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        return error_set(e, EOPNOTSUPP, "skep cannot open shells in machines yet");
}

int op_run(Manager *m, sd_bus_message *call, Error *e) {
        return error_set(e, EOPNOTSUPP, "skep cannot run commands in machines yet");
}

int op_open_shell_with_status(Manager *m, sd_bus_message *call, Error *e) {
        return error_set(e, EOPNOTSUPP, "skep cannot open shells in machines yet");
}
