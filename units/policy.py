# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the files that say who may do what: the policy of the system bus and the actions of polkit.

Usage: policy.py bus-machine1 | bus-import1 | polkit | polkit-machine1 | polkit-import1

The bus lets everybody call what is listed here, for polkit decides then; root may call all. What is not
listed, root alone can call: a new method needs its row here. A lab test compares the rows with what the
services offer."""

import sys
from xml.sax.saxutils import escape

MACHINE1 = {
    "org.freedesktop.machine1.Manager": """
        GetMachine GetImage GetMachineByPID ListMachines ListImages
        CreateMachine CreateMachineWithNetwork CreateMachineEx
        RegisterMachine RegisterMachineWithNetwork RegisterMachineEx UnregisterMachine
        TerminateMachine KillMachine
        GetMachineAddresses GetMachineSSHInfo GetMachineOSRelease GetMachineUIDShift
        OpenMachinePTY OpenMachineLogin OpenMachineShell OpenMachineRootDirectory
        BindMountMachine CopyFromMachine CopyToMachine CopyFromMachineWithFlags
        CopyToMachineWithFlags
        RemoveImage RenameImage CloneImage MarkImageReadOnly
        GetImageHostname GetImageMachineID GetImageMachineInfo GetImageOSRelease
        SetPoolLimit SetImageLimit CleanPool
        MapFromMachineUser MapToMachineUser MapFromMachineGroup MapToMachineGroup""",
    "org.freedesktop.machine1.Machine": """
        Terminate Kill GetAddresses GetSSHInfo GetOSRelease GetUIDShift
        OpenPTY OpenLogin OpenShell OpenRootDirectory
        BindMount CopyFrom CopyTo CopyFromWithFlags CopyToWithFlags""",
    "org.freedesktop.machine1.Image": """
        Remove Rename Clone MarkReadOnly SetLimit
        GetHostname GetMachineID GetMachineInfo GetOSRelease""",
    "org.skep.Manager1": """
        RunInMachine OpenMachineShell
        ExecInMachine ExecInMachineOnTerminal
        WaitForMachine ForgetMachine ListOperations CancelOperation
        ListMachineAddresses UnbindMachine ListMachineBinds
        GetMachineStatistics ListStatistics ListMachineProcesses
        RemoveImage RenameImage CloneImage CleanPool ListNonImages""",
    "org.skep.Machine1": """
        Run OpenShell
        Exec ExecOnTerminal
        Wait Forget
        ListAddresses Unbind ListBinds GetStatistics ListProcesses""",
}

IMPORT1 = {
    "org.freedesktop.import1.Manager": """
        ImportTar ImportTarEx ImportRaw ImportRawEx ImportFileSystem ImportFileSystemEx
        ExportTar ExportTarEx ExportRaw ExportRawEx
        PullTar PullTarEx PullRaw PullRawEx PullOci
        ListTransfers ListTransfersEx CancelTransfer ListImages""",
    "org.freedesktop.import1.Transfer": "Cancel",
    "org.skep.ImportManager1": "StartTransfer ListHistory",
}

STANDARD = {
    "org.freedesktop.DBus.Introspectable": None,
    "org.freedesktop.DBus.Peer": None,
    "org.freedesktop.DBus.Properties": "Get GetAll",
}

# Who is no administrator authenticates as one; in the active session that holds for a while.
ADMIN = ("auth_admin", "auth_admin", "auth_admin_keep")
# Whoever sits at the machine may.
SEATED = ("auth_admin", "auth_admin", "yes")

M = "org.freedesktop.machine1."
I = "org.freedesktop.import1."

# action, defaults, description, message, what it implies
ACTIONS = [
    (M + "login", ADMIN, "Log into a machine",
     "Authentication is required to log into a machine.", ""),
    (M + "host-login", SEATED, "Log into this host",
     "Authentication is required to log into this host.", ""),
    (M + "shell", ADMIN, "Run commands in a machine",
     "Authentication is required to run commands in a machine.", M + "login"),
    (M + "host-shell", ADMIN, "Run commands on this host",
     "Authentication is required to run commands on this host.", M + "host-login"),
    (M + "open-pty", ADMIN, "Open a terminal in a machine",
     "Authentication is required to open a terminal in a machine.", ""),
    (M + "host-open-pty", ADMIN, "Open a terminal on this host",
     "Authentication is required to open a terminal on this host.", ""),
    (M + "manage-machines", ADMIN, "Manage machines",
     "Authentication is required to manage machines.", M + "inspect-machines"),
    (M + "inspect-machines", ADMIN, "Look into machines",
     "Authentication is required to look into machines.", ""),
    (M + "create-machine", ADMIN, "Create machines",
     "Authentication is required to create a machine.", M + "register-machine"),
    (M + "register-machine", SEATED, "Register machines",
     "Authentication is required to register a machine.", ""),
    (M + "manage-images", ADMIN, "Manage images of machines",
     "Authentication is required to manage images of machines.", M + "inspect-images"),
    (M + "inspect-images", ADMIN, "Look into images of machines",
     "Authentication is required to look into images of machines.", ""),
    (I + "import", ADMIN, "Import an image",
     "Authentication is required to import an image.", ""),
    (I + "export", ADMIN, "Export an image",
     "Authentication is required to export an image.", ""),
    (I + "pull", ADMIN, "Download an image",
     "Authentication is required to download an image.", ""),
    (I + "cancel", ADMIN, "Cancel the transfer of an image",
     "Authentication is required to cancel the transfer of an image.", ""),
]


def bus(name, interfaces):
    """The policy of one bus name."""
    lines = ['<?xml version="1.0"?>',
             '<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"',
             '        "https://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">',
             "<busconfig>",
             '        <policy user="root">',
             f'                <allow own="{name}"/>',
             f'                <allow send_destination="{name}"/>',
             f'                <allow receive_sender="{name}"/>',
             "        </policy>",
             '        <policy context="default">',
             f'                <deny send_destination="{name}"/>']
    for interface, members in {**STANDARD, **interfaces}.items():
        rule = f'                <allow send_destination="{name}" send_interface="{interface}"'
        if members is None:
            lines.append(rule + "/>")
        else:
            lines += [f'{rule} send_member="{member}"/>' for member in members.split()]
    lines += [f'                <allow receive_sender="{name}"/>', "        </policy>",
              "</busconfig>"]
    return "\n".join(lines)


def polkit(service=""):
    """The actions of a service, or all."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>',
             '<!DOCTYPE policyconfig PUBLIC "-//freedesktop//DTD PolicyKit Policy Configuration 1.0//EN"',
             '        "https://www.freedesktop.org/standards/PolicyKit/1/policyconfig.dtd">',
             "<policyconfig>",
             "        <vendor>skep</vendor>"]
    for action, (anybody, inactive, active), description, message, implied in ACTIONS:
        if not action.startswith(service):
            continue
        lines += [f'        <action id="{action}">',
                  f"                <description>{escape(description)}</description>",
                  f"                <message>{escape(message)}</message>",
                  "                <defaults>",
                  f"                        <allow_any>{anybody}</allow_any>",
                  f"                        <allow_inactive>{inactive}</allow_inactive>",
                  f"                        <allow_active>{active}</allow_active>",
                  "                </defaults>"]
        if implied:
            lines.append(f'                <annotate key="org.freedesktop.policykit.imply">{implied}'
                         "</annotate>")
        lines.append("        </action>")
    lines.append("</policyconfig>")
    return "\n".join(lines)


if __name__ == "__main__":
    print({"bus-machine1": lambda: bus("org.freedesktop.machine1", MACHINE1),
           "bus-import1": lambda: bus("org.freedesktop.import1", IMPORT1),
           "polkit": polkit, "polkit-machine1": lambda: polkit(M),
           "polkit-import1": lambda: polkit(I)}[sys.argv[1]]())
