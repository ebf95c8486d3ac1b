/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The names that skep goes by. As machinectl it has all that skep has; as importctl what is about transfers, with
 * the letters that are known there: the rows are those of the tables in verbs.c and options.c. */
#include "ctl/verbs.h"

static const char *const importctl_verbs[] = {
        "pull-tar",   "pull-raw",   "import-tar",     "import-raw",      "import-fs",
        "export-tar", "export-raw", "list-transfers", "cancel-transfer",
};
static const char *const importctl_options[] = {
        "help",      "version",    "no-pager", "no-legend",     "no-ask-password",
        "user",      "system",     "host",     "machine",       "quiet",
        "json",      "j",          "all",      "follow",        "distinct",
        "class",     "verify",     "format",   "keep-download", "force",
        "read-only", "background",
};

/* As its users know them. */
static const Verb list_images = {
        .name = "list-images",
        .help = "List images of all classes",
        .options = "json j no-legend class",
        .run = verb_list_class_images,
};

#define CLASS(l, name)                                                                             \
        {                                                                                          \
                .letter = l, .help = "Same as --class=" name, .implied = name,                     \
                .parse = setting_string, .at = offsetof(CtlOptions, class)                         \
        }

static const Setting letters[] = {
        CLASS('m', "machine"),
        CLASS('P', "portable"),
        CLASS('S', "sysext"),
        CLASS('C', "confext"),
};

static int own_verbs(Ctl *c) {
        Verb *v = calloc(ELEMENTSOF(importctl_verbs) + 2, sizeof(Verb));

        if (!v)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTSOF(importctl_verbs); i++) {
                Verb *verb = v + i;

                *verb = *verb_find(ctl_verbs, n_ctl_verbs, importctl_verbs[i]);
                if (streq(verb->name, "list-transfers"))
                        verb->flags |= VERB_DEFAULT;
        }
        v[ELEMENTSOF(importctl_verbs)] = list_images;
        v[ELEMENTSOF(importctl_verbs) + 1] = *verb_find(ctl_verbs, n_ctl_verbs, "help");
        c->n_verbs = ELEMENTSOF(importctl_verbs) + 2;
        c->verbs = c->own_verbs = v;
        return 0;
}

static bool is_wanted(const Setting *row) {
        const char letter[] = { row->letter, '\0' };

        for (size_t i = 0; i < ELEMENTSOF(importctl_options); i++)
                if (streq(importctl_options[i], row->flag ? row->flag : letter))
                        return true;
        return false;
}

static int own_settings(Ctl *c) {
        Setting *s = calloc(n_ctl_settings + ELEMENTSOF(letters) + 1, sizeof(Setting));
        size_t n = 0;

        if (!s)
                return -ENOMEM;
        for (size_t i = 0; i < n_ctl_settings; i++) {
                const Setting *row = ctl_settings + i;

                if (!is_wanted(row))
                        continue;
                s[n++] = *row;
                if (streq_ptr(row->flag, "class"))
                        for (size_t k = 0; k < ELEMENTSOF(letters); k++)
                                s[n++] = letters[k];
                if (streq_ptr(row->flag, "keep-download")) {
                        Setting no = *row;

                        no.flag = no.metavar = no.complete = NULL;
                        no.letter = 'N';
                        no.implied = "no";
                        no.help = "Same as --keep-download=no";
                        s[n++] = no;
                }
        }
        c->settings = c->own_settings = s;
        c->n_settings = n;
        return 0;
}

int ctl_name_init(Ctl *c, const char *argv0) {
        const char *slash = strrchr(argv0, '/'), *name = slash ? slash + 1 : argv0;
        int r;

        c->is_machinectl = streq(name, "machinectl");
        c->is_importctl = streq(name, "importctl");
        if (c->is_importctl) {
                r = own_verbs(c);
                return r < 0 ? r : own_settings(c);
        }
        c->verbs = ctl_verbs;
        c->n_verbs = n_ctl_verbs;
        c->settings = ctl_settings;
        c->n_settings = n_ctl_settings;
        return 0;
}

void ctl_name_done(Ctl *c) {
        free(c->own_verbs);
        free(c->own_settings);
}
