/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loads libsystemd, see dl-systemd.h. */
#include "spawn/dl-systemd.h"

#include <dlfcn.h>

#define LIBRARY "libsystemd.so.0"

int systemd_load(Systemd *ret, Error *e) {
        static const struct {
                const char *name;
                size_t at;
        } symbols[] = {
#define SYSTEMD_ROW(symbol) { #symbol, offsetof(Systemd, symbol) },
                SYSTEMD_SYMBOLS(SYSTEMD_ROW)
#undef SYSTEMD_ROW
        };
        void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
        Systemd s;

        if (!library)
                return error_set(e, ENOPKG, "cannot load " LIBRARY ": %s", dlerror());
        for (size_t i = 0; i < ELEMENTSOF(symbols); i++) {
                void *function = dlsym(library, symbols[i].name);
                if (!function)
                        return error_set(e, ENOPKG, LIBRARY " has no %s()", symbols[i].name);
                memcpy((char *) &s + symbols[i].at, &function, sizeof function);
        }
        *ret = s;
        return 0;
}
