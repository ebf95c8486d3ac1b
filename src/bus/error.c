/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Error ↔ sd_bus_error, see error.h. Decides nothing: callers say what failed and how it is called. */
#include "bus/error.h"

#include "base/text.h"

static const struct {
        int code;
        int err; /* the nearest errno */
        const char *name;
} names[] = {
        { ERR_NO_SUCH_MACHINE, ENXIO, "org.freedesktop.machine1.NoSuchMachine" },
        { ERR_NO_SUCH_IMAGE, ENOENT, "org.freedesktop.machine1.NoSuchImage" },
        { ERR_NO_MACHINE_FOR_PID, ENXIO, "org.freedesktop.machine1.NoMachineForPID" },
        { ERR_MACHINE_EXISTS, EEXIST, "org.freedesktop.machine1.MachineExists" },
        { ERR_NO_PRIVATE_NETWORKING, ENOSYS, "org.freedesktop.machine1.NoPrivateNetworking" },
        { ERR_NO_SUCH_USER_MAPPING, ENXIO, "org.freedesktop.machine1.NoSuchUserMapping" },
        { ERR_NO_SUCH_GROUP_MAPPING, ENXIO, "org.freedesktop.machine1.NoSuchGroupMapping" },
        { ERR_NO_SUCH_TRANSFER, ENXIO, "org.freedesktop.import1.NoSuchTransfer" },
        { ERR_TRANSFER_IN_PROGRESS, EBUSY, "org.freedesktop.import1.TransferInProgress" },
        { ERR_JOB_FAILED, EIO, "org.freedesktop.systemd1.JobFailed" },
        { ERR_COMMAND_NOT_FOUND, ENOENT, "org.skep.Error.CommandNotFound" },
        { ERR_COMMAND_NOT_EXECUTABLE, EACCES, "org.skep.Error.CommandNotExecutable" },
        { ERR_NEEDS_INTERACTION, EACCES, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED },
};

const char *bus_error_name(int code) {
        int positive = code < 0 ? -code : code;

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (names[i].code == positive)
                        return names[i].name;
        return NULL;
}

int bus_error_code(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (streq(names[i].name, name))
                        return names[i].code;

        /* The library knows System.Error.E… and the bus's own names. */
        sd_bus_error error = SD_BUS_ERROR_MAKE_CONST(name, NULL);
        int err = sd_bus_error_get_errno(&error);
        return err > 0 ? err : EIO;
}

int bus_error_set(sd_bus_error *error, int r, const Error *e) {
        const char *name = bus_error_name(r);
        char text_buf[sizeof e->text], *text = NULL;

        /* What a child has written may be anything; and a message with a text that is none would never leave. */
        if (error_is_set(e)) {
                text = memcpy(text_buf, e->text, sizeof text_buf);
                text_buf[sizeof text_buf - 1] = '\0';
                str_make_utf8(text);
        }

        if (!name)
                return text ? sd_bus_error_set_errnof(error, r, "%s", text)
                            : sd_bus_error_set_errno(error, r);

        (void) sd_bus_error_set(error, name, text ? text : "The request failed");
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (names[i].code == -r)
                        return -names[i].err;
        return -EIO;
}

int bus_error_reply(sd_bus_message *m, int r, const Error *e) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

        (void) bus_error_set(&error, r, e);
        return sd_bus_reply_method_error(m, &error);
}

int bus_error_get(Error *e, int r, const sd_bus_error *error) {
        if (!error || !sd_bus_error_is_set(error))
                return error_set(e, r < 0 ? r : EIO, "%m");
        return error_set(e, bus_error_code(error->name), "%s",
                         error->message ? error->message : error->name);
}
