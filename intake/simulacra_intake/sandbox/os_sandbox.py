"""Kernel filters that a process applies to itself without root: seccomp (calls), Landlock (files).

seccomp refuses what a parser never needs: sockets, programs, other processes, much of the kernel.
Landlock leaves the Python installation readable and nothing writable; open files stay usable. Both
are permanent and apply to child processes. See `man 2 seccomp` and `man 7 landlock`; the numbers
are the stable ABI of the kernel. Called through libc: no maintained library exists for Landlock,
and those for seccomp need a system library.
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterable
from dataclasses import dataclass

_PR_SET_SECCOMP = 22
_FILTER = 2
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _ARGUMENT = 0, 4, 16
"""Offsets in struct seccomp_data; of the lower half of the first argument."""
_X32 = 0x40000000
"""Numbers from here on repeat the calls for the x32 ABI (x86-64 only)."""
_CLONE_THREAD = 0x10000
_CLONE3 = 435
_ANYWHERE = {
    "pidfd_send_signal": 424,
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "pidfd_open": 434,
    "pidfd_getfd": 438,
    "mount_setattr": 442,
}


@dataclass(frozen=True)
class _Machine:
    """A kernel architecture: audit number, refused calls, two that depend on an argument."""

    arch: int
    refused: dict[str, int]
    clone: int
    tgkill: int


_MACHINES = {
    "x86_64": _Machine(
        0xC000003E,
        {
            "socket": 41, "socketpair": 53, "fork": 57, "vfork": 58, "execve": 59, "kill": 62,
            "ptrace": 101, "pivot_root": 155, "chroot": 161, "mount": 165, "umount2": 166,
            "init_module": 175, "tkill": 200, "add_key": 248, "request_key": 249, "keyctl": 250,
            "unshare": 272, "perf_event_open": 298, "setns": 308, "process_vm_readv": 310,
            "process_vm_writev": 311, "kcmp": 312, "finit_module": 313, "bpf": 321,
            "execveat": 322, "userfaultfd": 323,
        },
        clone=56,
        tgkill=234,
    ),
    "aarch64": _Machine(
        0xC00000B7,
        {
            "umount2": 39, "mount": 40, "pivot_root": 41, "chroot": 51, "unshare": 97,
            "init_module": 105, "ptrace": 117, "kill": 129, "tkill": 130, "socket": 198,
            "socketpair": 199, "add_key": 217, "request_key": 218, "keyctl": 219, "execve": 221,
            "perf_event_open": 241, "setns": 268, "process_vm_readv": 270,
            "process_vm_writev": 271, "kcmp": 272, "finit_module": 273, "bpf": 280,
            "execveat": 281, "userfaultfd": 282,
        },
        clone=220,
        tgkill=131,
    ),
}  # fmt: skip

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PATH_BENEATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""File rights that Landlock can refuse, by the first ABI version that has them."""
_TCP_RIGHTS = 0b11
_SCOPES = 0b11
"""Abstract sockets and signals of processes outside."""


def refuse_calls(libc: ctypes.CDLL) -> bool:
    """Refuse (EPERM) system calls that a parser never needs; return whether the filter is active.

    Threads are allowed, processes are not; signals reach this process only. Needs no_new_privs.
    """
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return False
    program = b"".join(_instructions(machine))
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    result: int = libc.prctl(
        _PR_SET_SECCOMP, _FILTER, ctypes.create_string_buffer(header, len(header)), 0, 0
    )
    return result == 0


def _instructions(machine: _Machine) -> Iterable[bytes]:
    """Yield the classic BPF program (struct sock_filter: code, jt, jf, k)."""

    def step(code: int, operand: int, true: int = 0, false: int = 0) -> bytes:
        return struct.pack("HBBI", code, true, false, operand)

    refuse = step(_RETURN, _REFUSE | errno.EPERM)
    yield step(_LOAD, _ARCH)
    yield step(_EQUAL, machine.arch, true=1)
    yield step(_RETURN, _KILL)
    yield step(_LOAD, _NUMBER)
    yield step(_AT_LEAST, _X32, false=1)
    yield refuse
    for number in sorted({*machine.refused.values(), *_ANYWHERE.values()}):
        yield step(_EQUAL, number, false=1)
        yield refuse
    yield step(_EQUAL, _CLONE3, false=1)  # its flags are behind a pointer: libc falls back to clone
    yield step(_RETURN, _REFUSE | errno.ENOSYS)
    yield step(_EQUAL, machine.clone, false=3)
    yield step(_LOAD, _ARGUMENT)
    yield step(_ANY_BIT, _CLONE_THREAD, true=4)
    yield refuse
    yield step(_EQUAL, machine.tgkill, false=2)
    yield step(_LOAD, _ARGUMENT)
    yield step(_EQUAL, os.getpid(), false=1)
    yield step(_RETURN, _ALLOW)
    yield refuse


def refuse_files(libc: ctypes.CDLL, readable: Iterable[str]) -> bool:
    """Refuse every path except these, which become read-only; return whether Landlock is active.

    readable: directories and files; those that do not exist are skipped.
    """
    libc.syscall.restype = ctypes.c_long
    abi = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if abi < 1:
        return False
    handled = _FILE_RIGHTS[max(version for version in _FILE_RIGHTS if version <= abi)]
    attributes = struct.pack("QQQ", handled, _TCP_RIGHTS, _SCOPES)[
        : 8 if abi < 4 else 16 if abi < 6 else 24
    ]
    ruleset = libc.syscall(
        _CREATE_RULESET, ctypes.c_char_p(attributes), ctypes.c_size_t(len(attributes)), 0
    )
    if ruleset < 0:
        return False
    try:
        for path in readable:
            _allow(libc, ruleset, path)
        result: int = libc.syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), 0)
    finally:
        os.close(ruleset)
    return result == 0


def _allow(libc: ctypes.CDLL, ruleset: int, path: str) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rights = _READ_FILE | _READ_DIR if os.path.isdir(path) else _READ_FILE
        rule = struct.pack("=Qi", rights, descriptor)
        libc.syscall(_ADD_RULE, ctypes.c_int(ruleset), _PATH_BENEATH, ctypes.c_char_p(rule), 0)
    finally:
        os.close(descriptor)
