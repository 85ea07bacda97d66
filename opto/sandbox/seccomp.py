"""The system calls that a sandboxed process may make: a seccomp filter that refuses everything it does not know.

Most calls are allowed or refused whatever their arguments are. What needs a look at the arguments:

    clone        only to start a thread, with the very flags that pthread_create uses
    tgkill       only to the process itself
    prlimit64    only to read limits
    fcntl        no owners and signals of files, no sizes of pipes
    ioctl        only what a terminal, a buffer or a descriptor is asked for
    prctl        only names of threads and of memory
    socketpair   only a pair of stream sockets connected to each other (an event loop wakes itself with one)
    sendto       only to the other end of such a pair

There is no other way to make a socket, a process, a namespace, a mount, a memory file, a ring or a tracer, no signal to
anybody else, and nothing that changes modes, owners, times or attributes of files, which Landlock does not guard.
Refused calls fail with EPERM; clone3 and openat2 with ENOSYS, so that the C library turns to what can be looked at.
"""

from __future__ import annotations

import ctypes
import os
import struct

__all__ = ["SUPPORTED", "install_filter", "machine"]

# Numbers of system calls, from the headers of Linux.
_ALLOWED = {
    "x86_64": """
    read=0 write=1 readv=19 writev=20 pread64=17 pwrite64=18 preadv=295 pwritev=296 lseek=8 close=3
    close_range=436 fstat=5 newfstatat=262 stat=4 lstat=6 statx=332 access=21 faccessat=269 faccessat2=439
    openat=257 open=2 creat=85 readlink=89 readlinkat=267 getcwd=79 chdir=80 fchdir=81 getdents64=217
    getdents=78 dup=32 dup2=33 dup3=292 pipe=22 pipe2=293 poll=7 ppoll=271 select=23 pselect6=270
    epoll_create=213 epoll_create1=291 epoll_ctl=233 epoll_wait=232 epoll_pwait=281 eventfd2=290 mmap=9
    munmap=11 mprotect=10 mremap=25 madvise=28 brk=12 msync=26 mincore=27 futex=202 set_robust_list=273
    set_tid_address=218 rseq=334 sched_yield=24 sched_getaffinity=204 getcpu=309
    nanosleep=35 clock_nanosleep=230 clock_gettime=228 clock_getres=229 gettimeofday=96 time=201 times=100
    getrusage=98 sysinfo=99 uname=63 getpid=39 getppid=110 gettid=186 getuid=102 geteuid=107 getgid=104
    getegid=108 getresuid=118 getresgid=120 getgroups=115 getpgrp=111 getpgid=121 getsid=124 getpriority=140
    getrandom=318 getrlimit=97 umask=95 restart_syscall=219 rt_sigaction=13 rt_sigprocmask=14 rt_sigpending=127
    rt_sigsuspend=130 rt_sigtimedwait=128 rt_sigreturn=15 sigaltstack=131 pause=34 exit=60 exit_group=231
    mkdir=83 mkdirat=258 rmdir=84 unlink=87 unlinkat=263 rename=82 renameat=264 renameat2=316
    ftruncate=77 truncate=76 fsync=74 fdatasync=75 fallocate=285 fadvise64=221 sendfile=40
    copy_file_range=326 statfs=137 fstatfs=138 recvfrom=45 shutdown=48 getsockname=51 getpeername=52
    getsockopt=55
    """,
    "aarch64": """
    read=63 write=64 readv=65 writev=66 pread64=67 pwrite64=68 preadv=69 pwritev=70 lseek=62 close=57
    close_range=436 fstat=80 newfstatat=79 statx=291 faccessat=48 faccessat2=439 openat=56 readlinkat=78
    getcwd=17 chdir=49 fchdir=50 getdents64=61 dup=23 dup3=24 pipe2=59 ppoll=73 pselect6=72 epoll_create1=20
    epoll_ctl=21 epoll_pwait=22 eventfd2=19 mmap=222 munmap=215 mprotect=226 mremap=216 madvise=233 brk=214
    msync=227 mincore=232 futex=98 set_robust_list=99 set_tid_address=96 rseq=293
    sched_yield=124 sched_getaffinity=123 getcpu=168 nanosleep=101 clock_nanosleep=115 clock_gettime=113
    clock_getres=114 gettimeofday=169 times=153 getrusage=165 sysinfo=179 uname=160 getpid=172 getppid=173
    gettid=178 getuid=174 geteuid=175 getgid=176 getegid=177 getresuid=148 getresgid=150 getgroups=158
    getpgid=155 getsid=156 getpriority=141 getrandom=278 getrlimit=163 umask=166 restart_syscall=128
    rt_sigaction=134 rt_sigprocmask=135 rt_sigpending=136 rt_sigsuspend=133 rt_sigtimedwait=137 rt_sigreturn=139
    sigaltstack=132 exit=93 exit_group=94 mkdirat=34 unlinkat=35 renameat=38 renameat2=276
    ftruncate=46 truncate=45 fsync=82 fdatasync=83 fallocate=47 fadvise64=223 sendfile=71
    copy_file_range=285 statfs=43 fstatfs=44 recvfrom=207 shutdown=210 getsockname=204 getpeername=205
    getsockopt=209
    """,
}
_LOOKED_AT = {
    "x86_64": (
        "clone=56 clone3=435 ioctl=16 fcntl=72 prctl=157 prlimit64=302 tgkill=234 socketpair=53 sendto=44 openat2=437"
    ),
    "aarch64": (
        "clone=220 clone3=435 ioctl=29 fcntl=25 prctl=167 prlimit64=261 tgkill=131 socketpair=199 sendto=206 "
        "openat2=437"
    ),
}
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
SUPPORTED = tuple(_ARCHITECTURES)

_LOAD, _EQUAL, _AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06  # of classic BPF
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # where struct seccomp_data has them
_X32 = 0x40000000

_THREAD_FLAGS = (0x3D0F00, 0x7D0F00)  # glibc's pthread_create, musl's
_FCNTL = (0, 1, 2, 3, 4, 5, 6, 7, 1030)  # DUPFD, GETFD, SETFD, GETFL, SETFL, GETLK, SETLK, SETLKW, DUPFD_CLOEXEC
_IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX
_PRCTL = (15, 16, 0x53564D41)  # PR_SET_NAME, PR_GET_NAME, PR_SET_VMA

_Row = tuple[int, int, int, int]


def machine() -> str:
    """The architecture of this process, as the tables name it."""
    name = {"amd64": "x86_64", "arm64": "aarch64"}.get(os.uname().machine.lower(), os.uname().machine.lower())
    return name if struct.calcsize("P") == 8 else f"{name} in 32 bits"


def install_filter() -> None:
    """Put the filter on all threads of this process, for good.

    Raises:
        OSError: the kernel refuses it.
    """
    rows = _program(machine(), os.getpid())
    code = b"".join(struct.pack("<HBBI", *row) for row in rows)
    buffer = ctypes.create_string_buffer(code, len(code))
    library = ctypes.CDLL(None, use_errno=True)
    program = struct.pack("@HP", len(rows), ctypes.addressof(buffer))
    # prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER): only this thread has it, and those that it starts.
    if library.prctl(22, ctypes.c_ulong(2), ctypes.c_char_p(program), ctypes.c_ulong(0), ctypes.c_ulong(0)):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_SECCOMP) failed")


def _program(architecture: str, pid: int) -> list[_Row]:
    allowed, looked_at = _table(_ALLOWED[architecture]), _table(_LOOKED_AT[architecture])
    rows: list[_Row] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, _ARCHITECTURES[architecture]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _KILL),
    ]
    for number in allowed.values():
        rows += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    for name, checks in _checks(pid).items():
        rows += [(_EQUAL, 0, len(checks), looked_at[name]), *checks]
    return [*rows, (_RETURN, 0, 0, _ERRNO | _EPERM)]


def _table(text: str) -> dict[str, int]:
    return {name: int(number) for name, _, number in (entry.partition("=") for entry in text.split())}


def _checks(pid: int) -> dict[str, list[_Row]]:
    """For each call whose arguments matter the rows that decide on it."""
    refuse = [(_RETURN, 0, 0, _ERRNO | _EPERM)]
    unknown = [(_RETURN, 0, 0, _ERRNO | _ENOSYS)]
    allow = [(_RETURN, 0, 0, _ALLOW)]
    return {
        "clone": [*_one_of(0, _THREAD_FLAGS), *refuse],
        "clone3": unknown,
        "openat2": unknown,
        "tgkill": [*_one_of(0, (pid,)), *refuse],
        "fcntl": [*_one_of(1, _FCNTL), *refuse],
        "ioctl": [*_one_of(1, _IOCTL), *refuse],
        "prctl": [*_one_of(0, _PRCTL), *refuse],
        "prlimit64": [*_zero(2), *allow],
        "sendto": [*_zero(4), *allow],
        "socketpair": [
            (_LOAD, 0, 0, _low(0)),
            (_EQUAL, 1, 0, 1),  # AF_UNIX
            *refuse,
            (_LOAD, 0, 0, _low(1)),
            (_AND, 0, 0, 0xF),
            (_EQUAL, 1, 0, 1),  # SOCK_STREAM
            *refuse,
            *allow,
        ],
    }


def _low(argument: int) -> int:
    return _ARGUMENTS + 8 * argument


def _one_of(argument: int, values: tuple[int, ...]) -> list[_Row]:
    """Allow if the lower half of an argument is one of these; go on to the next row if not."""
    rows: list[_Row] = [(_LOAD, 0, 0, _low(argument))]
    for value in values:
        rows += [(_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ALLOW)]
    return rows


def _zero(argument: int) -> list[_Row]:
    """Refuse unless an argument is zero; go on to the next row if it is."""
    rows: list[_Row] = []
    for half in (_low(argument), _low(argument) + 4):
        rows += [(_LOAD, 0, 0, half), (_EQUAL, 1, 0, 0), (_RETURN, 0, 0, _ERRNO | _EPERM)]
    return rows
