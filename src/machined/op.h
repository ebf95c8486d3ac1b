/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be done to machines and images: one list each, from which the methods of the object and their
 * twins of the Manager (which take the name first) are made in object.c. */
#pragma once

#include "bus/operation.h"
#include "machined/image-object.h"
#include "machined/manager.h"

#define P SD_BUS_PARAM

/* On Machine, on Manager, in, names, out, names, handler */
#define MACHINE_OPS(OP)                                                                            \
        OP("Terminate", "TerminateMachine", "", "", "", "", op_terminate)                          \
        OP("Kill", "KillMachine", "si", P(whom) P(signal), "", "", op_kill)                        \
        OP("GetAddresses", "GetMachineAddresses", "", "", "a(iay)", P(addresses), op_addresses)    \
        OP("GetSSHInfo", "GetMachineSSHInfo", "", "", "ss",                                        \
           P(ssh_address) P(ssh_private_key_path), op_ssh_info)                                    \
        OP("GetOSRelease", "GetMachineOSRelease", "", "", "a{ss}", P(fields), op_os_release)       \
        OP("GetUIDShift", "GetMachineUIDShift", "", "", "u", P(shift), op_uid_shift)               \
        OP("OpenPTY", "OpenMachinePTY", "", "", "hs", P(pty) P(pty_path), op_open_pty)             \
        OP("OpenLogin", "OpenMachineLogin", "", "", "hs", P(pty) P(pty_path), op_open_login)       \
        OP("OpenShell", "OpenMachineShell", "ssasas", P(user) P(path) P(args) P(environment),      \
           "hs", P(pty) P(pty_path), op_open_shell)                                                \
        OP("BindMount", "BindMountMachine", "ssbb",                                                \
           P(source) P(destination) P(read_only) P(mkdir), "", "", op_bind_mount)                  \
        OP("CopyFrom", "CopyFromMachine", "ss", P(source) P(destination), "", "", op_copy_from)    \
        OP("CopyTo", "CopyToMachine", "ss", P(source) P(destination), "", "", op_copy_to)          \
        OP("CopyFromWithFlags", "CopyFromMachineWithFlags", "sst",                                 \
           P(source) P(destination) P(flags), "", "", op_copy_from_flags)                          \
        OP("CopyToWithFlags", "CopyToMachineWithFlags", "sst", P(source) P(destination) P(flags),  \
           "", "", op_copy_to_flags)                                                               \
        OP("OpenRootDirectory", "OpenMachineRootDirectory", "", "", "h", P(fd), op_open_root)

/* Only on the Manager, after the name */
#define MACHINE_MANAGER_OPS(OP)                                                                    \
        OP("UnregisterMachine", "", "", "", "", op_unregister)                                     \
        OP("MapFromMachineUser", "u", P(uid_inner), "u", P(uid_outer), op_map_from_user)           \
        OP("MapFromMachineGroup", "u", P(gid_inner), "u", P(gid_outer), op_map_from_group)

/* On Image, on Manager, in, names, out, names, handler */
#define IMAGE_OPS(OP)                                                                              \
        OP("Remove", "RemoveImage", "", "", "", "", op_image_remove)                               \
        OP("Rename", "RenameImage", "s", P(new_name), "", "", op_image_rename)                     \
        OP("Clone", "CloneImage", "sb", P(new_name) P(read_only), "", "", op_image_clone)          \
        OP("MarkReadOnly", "MarkImageReadOnly", "b", P(read_only), "", "", op_image_read_only)     \
        OP("SetLimit", "SetImageLimit", "t", P(limit), "", "", op_image_limit)                     \
        OP("GetHostname", "GetImageHostname", "", "", "s", P(hostname), op_image_hostname)         \
        OP("GetMachineID", "GetImageMachineID", "", "", "ay", P(id), op_image_machine_id)          \
        OP("GetMachineInfo", "GetImageMachineInfo", "", "", "a{ss}", P(machine_info),              \
           op_image_machine_info)                                                                  \
        OP("GetOSRelease", "GetImageOSRelease", "", "", "a{ss}", P(os_release), op_image_os_release)

/* Only on the Manager: name, in, names, out, names, handler */
#define MANAGER_OPS(OP)                                                                            \
        OP("GetMachine", "s", P(name), "o", P(machine), op_get_machine)                            \
        OP("GetImage", "s", P(name), "o", P(image), op_get_image)                                  \
        OP("GetMachineByPID", "u", P(pid), "o", P(machine), op_get_machine_by_pid)                 \
        OP("ListMachines", "", "", "a(ssso)", P(machines), op_list_machines)                       \
        OP("ListImages", "", "", "a(ssbttto)", P(images), op_list_images)                          \
        OP("CreateMachine", "sayssusa(sv)",                                                        \
           P(name) P(id) P(service) P(class) P(leader) P(root_directory) P(scope_properties), "o", \
           P(path), op_create)                                                                     \
        OP("CreateMachineWithNetwork", "sayssusaia(sv)",                                           \
           P(name) P(id) P(service) P(class) P(leader) P(root_directory) P(ifindices)              \
                   P(scope_properties),                                                            \
           "o", P(path), op_create_with_network)                                                   \
        OP("CreateMachineEx", "sa(sv)a(sv)", P(name) P(properties) P(scope_properties), "o",       \
           P(path), op_create_ex)                                                                  \
        OP("RegisterMachine", "sayssus",                                                           \
           P(name) P(id) P(service) P(class) P(leader) P(root_directory), "o", P(path),            \
           op_register)                                                                            \
        OP("RegisterMachineWithNetwork", "sayssusai",                                              \
           P(name) P(id) P(service) P(class) P(leader) P(root_directory) P(ifindices), "o",        \
           P(path), op_register_with_network)                                                      \
        OP("RegisterMachineEx", "sa(sv)", P(name) P(properties), "o", P(path), op_register_ex)     \
        OP("SetPoolLimit", "t", P(size), "", "", op_set_pool_limit)                                \
        OP("CleanPool", "s", P(mode), "a(st)", P(images), op_clean_pool)                           \
        OP("MapToMachineUser", "u", P(uid_outer), "sou",                                           \
           P(machine_name) P(machine_path) P(uid_inner), op_map_to_user)                           \
        OP("MapToMachineGroup", "u", P(gid_outer), "sou",                                          \
           P(machine_name) P(machine_path) P(gid_inner), op_map_to_group)

/* On org.skep.Machine1, on org.skep.Manager1, in, names, out, names, handler */
#define SKEP_MACHINE_OPS(OP)                                                                       \
        OP("Run", "RunInMachine", "ssasashhh",                                                     \
           P(user) P(path) P(args) P(environment) P(stdin_fd) P(stdout_fd) P(stderr_fd), "h",      \
           P(status), op_run)                                                                      \
        OP("OpenShell", "OpenMachineShell", "ssasas", P(user) P(path) P(args) P(environment),      \
           "hsh", P(pty) P(pty_path) P(status), op_open_shell_with_status)                         \
        OP("Exec", "ExecInMachine", "ssasashhh",                                                   \
           P(user) P(directory) P(command) P(environment) P(stdin_fd) P(stdout_fd) P(stderr_fd),   \
           "h", P(control), op_exec)                                                               \
        OP("ExecOnTerminal", "ExecInMachineOnTerminal", "ssasasqq",                                \
           P(user) P(directory) P(command) P(environment) P(rows) P(columns), "hsh",               \
           P(pty) P(pty_path) P(control), op_exec_on_terminal)                                     \
        OP("Wait", "WaitForMachine", "st", P(until) P(timeout_usec), "", "", op_wait)              \
        OP("Forget", "ForgetMachine", "b", P(even_if_alive), "", "", op_forget)                    \
        OP("ListAddresses", "ListMachineAddresses", "", "", "a(iiayu)", P(addresses),              \
           op_list_addresses)                                                                      \
        OP("Unbind", "UnbindMachine", "s", P(destination), "", "", op_unbind)                      \
        OP("ListBinds", "ListMachineBinds", "", "", "a(ssbbt)", P(binds), op_list_binds)           \
        OP("GetStatistics", "GetMachineStatistics", "", "", "a{st}", P(statistics), op_statistics) \
        OP("ListProcesses", "ListMachineProcesses", "", "", "a(uuusttts)", P(processes),           \
           op_processes)

/* Only on org.skep.Manager1: name, in, names, out, names, handler */
#define SKEP_MANAGER_OPS(OP)                                                                       \
        OP("ListStatistics", "", "", "a(sa{st})", P(machines), op_list_statistics)                 \
        OP("ListOperations", "", "", "a(tssbuttt)", P(operations), op_list_operations)             \
        OP("CancelOperation", "t", P(id), "", "", op_cancel_operation)                             \
        OP("RemoveImage", "st", P(name) P(flags), "a(sss)", P(steps), op_remove_image_flags)       \
        OP("RenameImage", "sst", P(name) P(new_name) P(flags), "a(sss)", P(steps),                 \
           op_rename_image_flags)                                                                  \
        OP("CloneImage", "sst", P(name) P(new_name) P(flags), "", "", op_clone_image_flags)        \
        OP("CleanPool", "st", P(mode) P(flags), "a(st)", P(images), op_clean_pool_flags)           \
        OP("ListNonImages", "", "", "a(ss)", P(entries), op_list_leftovers)

/* Handlers: the cursor of @call is behind the name. Each runs once more from its start when polkit was
 * asked. Return: >= 0 answered, or will be; a negative code with @e set. */
#define DECLARE_OWN(own, by_name, in, in_names, out, out_names, op)                                \
        int op(Manager *m, Machine *machine, sd_bus_message *call, Error *e);
#define DECLARE_BY_NAME(by_name, in, in_names, out, out_names, op)                                 \
        int op(Manager *m, Machine *machine, sd_bus_message *call, Error *e);
#define DECLARE_IMAGE(own, by_name, in, in_names, out, out_names, op)                              \
        int op(Manager *m, const Image *image, sd_bus_message *call, Error *e);
#define DECLARE_PLAIN(name, in, in_names, out, out_names, op)                                      \
        int op(Manager *m, sd_bus_message *call, Error *e);

MACHINE_OPS(DECLARE_OWN)
MACHINE_MANAGER_OPS(DECLARE_BY_NAME)
IMAGE_OPS(DECLARE_IMAGE)
MANAGER_OPS(DECLARE_PLAIN)
SKEP_MACHINE_OPS(DECLARE_OWN)
SKEP_MANAGER_OPS(DECLARE_PLAIN)

/** image_change_recover() - finish and clear away, in a worker, what was left of changes to images */
void image_change_recover(Manager *m);
/** op_read() - read arguments of a call; what cannot be read is InvalidArgs
 * Return: 0 or -EINVAL. */
int op_read(sd_bus_message *call, Error *e, const char *types, ...);
/** op_authorize() - polkit_check() with "machine" and "verb" as details
 * @owner: POLKIT_NOBODY or who passes without a question
 * Return: as polkit_check(). */
int op_authorize(Manager *m, sd_bus_message *call, const char *action, const Machine *machine,
                 const char *verb, uid_t owner, Error *e);
/** op_finish_empty() - answer that it is done */
int op_finish_empty(sd_bus_message *call, const OperationResult *result, Error *e);
/** op_finish_assignments() - answer with a{ss}, from a text of "KEY=value" strings that end with NUL */
int op_finish_assignments(sd_bus_message *call, const OperationResult *result, Error *e);
/** op_send_assignments() - in a worker: give such a text. Return: 0 or -errno. */
int op_send_assignments(const WorkerOut *out, char *const *v);
/** op_sent() - whether a reply could be sent. Return: @r or a negative errno with @e set. */
int op_sent(int r, Error *e);
