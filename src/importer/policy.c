/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rules for what is imported, see policy.h. Who walks trees applies them. */
#include "importer/policy.h"

#include <sys/sysmacros.h>

#include "base/text.h"

bool policy_takes_node(ImageClass c, mode_t type, dev_t device) {
        static const struct {
                unsigned major, minor;
        } devices[] = {
                { 0, 0 }, { 1, 3 }, { 1, 5 }, { 1, 7 }, { 1, 8 }, { 1, 9 }, { 5, 0 }, { 5, 2 },
        };

        if (!S_ISCHR(type) && !S_ISBLK(type))
                return true;
        for (size_t i = 0; c == IMAGE_CLASS_MACHINE && S_ISCHR(type) && i < ELEMENTSOF(devices);
             i++)
                if (device == makedev(devices[i].major, devices[i].minor))
                        return true;
        return false;
}

bool policy_takes_xattr(ImageClass c, const char *name) {
        if (streq(name, "system.posix_acl_access") || streq(name, "system.posix_acl_default"))
                return true;
        if (str_skip_prefix(name, "user."))
                return c == IMAGE_CLASS_MACHINE || !str_skip_prefix(name, "user.overlay.");
        return c == IMAGE_CLASS_MACHINE && streq(name, "security.capability");
}

mode_t policy_mode(ImageClass c, mode_t mode) {
        return c == IMAGE_CLASS_MACHINE || S_ISDIR(mode) ? mode
                                                         : mode & ~(mode_t) (S_ISUID | S_ISGID);
}
